/** What was searched for in this browser lately, newest first, forgotten after a month. */

import { keep, recall } from "../utilities/storage";

const KEY = "crackers.searches";
const MONTH_SECONDS = 30 * 24 * 3600;
const SEARCHES_MAX = 8;

export function recentSearches(): string[] {
  return recall<string[]>(KEY) ?? [];
}

export function rememberSearch(words: string): void {
  const others = recentSearches().filter((one) => one.toLowerCase() !== words.toLowerCase());
  keep(KEY, [words, ...others].slice(0, SEARCHES_MAX), MONTH_SECONDS);
}

/** English and Tamil. A word without a translation stays English. */

import { useSyncExternalStore } from "react";

import { keep, recall } from "../utilities/storage";
import { TAMIL } from "./tamil";

export type Language = "en" | "ta";

const KEY = "crackers.language";
let language: Language = recall<Language>(KEY) ?? "en";
const listeners = new Set<() => void>();
document.documentElement.lang = language;

export function setLanguage(next: Language): void {
  language = next;
  keep(KEY, next, 365 * 24 * 3600);
  document.documentElement.lang = next;
  listeners.forEach((listener) => listener());
}

export function useLanguage(): { language: Language; t: (english: string) => string } {
  const current = useSyncExternalStore((listener) => { listeners.add(listener); return () => listeners.delete(listener); }, () => language);
  return { language: current, t: (english) => (current === "ta" ? (TAMIL[english] ?? english) : english) };
}

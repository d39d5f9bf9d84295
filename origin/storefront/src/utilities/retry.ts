/** When a failed request is tried again: exponential backoff with full jitter, never before the shop says so. */

const BASE_MS = 300;
const LONGEST_MS = 8_000;

/** Whether trying again can help: the network failed, the shop is busy, or something broke on its side. */
export function isWorthRepeating(status: number): boolean {
  return status === 0 || status === 429 || (status >= 502 && status <= 504);
}

/** How long to wait before the next try, in milliseconds. `random` gives 0 to 1. */
export function delayBefore(attempt: number, retryAfterSeconds?: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_MS, BASE_MS * 2 ** attempt);
  const jittered = ceiling * random();
  return retryAfterSeconds === undefined ? jittered : retryAfterSeconds * 1000 + jittered;
}

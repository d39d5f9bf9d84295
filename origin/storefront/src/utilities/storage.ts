/** Values in the browser's storage that end after a while. Storage that is full or forbidden loses nothing but memory. */

interface Kept<T> { value: T; until: number }

export function keep<T>(key: string, value: T, seconds: number, now = Date.now()): void {
  try {
    localStorage.setItem(key, JSON.stringify({ value, until: now + seconds * 1000 } satisfies Kept<T>));
  } catch {
    // Private windows may refuse; the page works without.
  }
}

export function recall<T>(key: string, now = Date.now()): T | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null") as Kept<T> | null;
    if (kept === null) return undefined;
    if (typeof kept.until === "number" && kept.until > now) return kept.value;
    localStorage.removeItem(key);
  } catch {
    // Written by somebody else, or not at all.
  }
  return undefined;
}

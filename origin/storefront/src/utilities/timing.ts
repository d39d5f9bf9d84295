/** Fewer calls for many events. */

/** Calls once, when nothing has happened for a while. */
export function debounce<A extends unknown[]>(call: (...args: A) => void, quietMs: number): ((...args: A) => void) & { cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const debounced = (...args: A) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...args), quietMs);
  };
  debounced.cancel = () => clearTimeout(timer);
  return debounced;
}

/** Calls at once, then at most once in a while; the last event is never lost. */
export function throttle<A extends unknown[]>(call: (...args: A) => void, everyMs: number): (...args: A) => void {
  let waiting: A | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (...args) => {
    if (timer !== undefined) {
      waiting = args;
      return;
    }
    call(...args);
    const rest = () => {
      timer = undefined;
      if (waiting === undefined) return;
      const last = waiting;
      waiting = undefined;
      call(...last);
      timer = setTimeout(rest, everyMs);
    };
    timer = setTimeout(rest, everyMs);
  };
}

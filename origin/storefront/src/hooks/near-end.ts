import { useEffect } from "react";

import { throttle } from "../utilities/timing";

const LOOK_EVERY_MS = 200;

/** Calls when the end of the page comes near while somebody scrolls; `undefined` for never. */
export function useNearEnd(call: (() => void) | undefined): void {
  useEffect(() => {
    if (!call) return undefined;
    const look = throttle(() => {
      const left = document.documentElement.scrollHeight - window.scrollY - window.innerHeight;
      if (left < window.innerHeight) call();
    }, LOOK_EVERY_MS);
    window.addEventListener("scroll", look, { passive: true });
    return () => window.removeEventListener("scroll", look);
  }, [call]);
}

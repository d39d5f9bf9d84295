import { beforeEach, describe, expect, it, vi } from "vitest";

import { ApiError, request } from "../api/client";
import { rupees } from "./money";
import { delayBefore, isWorthRepeating } from "./retry";
import { keep, recall } from "./storage";
import { debounce, throttle } from "./timing";

beforeEach(() => { vi.useFakeTimers(); vi.unstubAllGlobals(); localStorage.clear(); });

describe("retry", () => {
  it("waits longer each time, and never less than the shop asks for", () => {
    expect([1, 2, 3, 9].map((attempt) => delayBefore(attempt, undefined, () => 1))).toEqual([600, 1200, 2400, 8000]);
    expect(delayBefore(1, 5, () => 0)).toBe(5000);
  });

  it("repeats what may come right, nothing else", () => {
    expect([0, 429, 503].every(isWorthRepeating)).toBe(true);
    expect([400, 404, 422, 500].some(isWorthRepeating)).toBe(false);
  });

  it("never repeats a write without its key", async () => {
    const fetched = vi.fn(() => Promise.resolve(new Response("{}", { status: 503 })));
    vi.stubGlobal("fetch", fetched);
    await expect(request("/api/x", { method: "POST", body: {} })).rejects.toBeInstanceOf(ApiError);
    expect(fetched).toHaveBeenCalledTimes(1);
    const keyed = request("/api/x", { method: "POST", body: {}, idempotencyKey: "k" }).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    expect(await keyed).toBeInstanceOf(ApiError);
    expect(fetched).toHaveBeenCalledTimes(5);
  });

  it("stops when its caller is gone", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("{}", { status: 503 })));
    const caller = new AbortController();
    const asked = request("/api/x", { signal: caller.signal }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(0);
    caller.abort(new Error("gone"));
    expect(await asked).toEqual(new Error("gone"));
  });
});

describe("timing", () => {
  it("debounces to the last event", () => {
    const call = vi.fn();
    const debounced = debounce(call, 100);
    debounced(1); debounced(2); vi.advanceTimersByTime(99); debounced(3); vi.advanceTimersByTime(100);
    expect(call.mock.calls).toEqual([[3]]);
  });

  it("throttles to the first and the last event of each while", () => {
    const call = vi.fn();
    const throttled = throttle(call, 100);
    [1, 2, 3].forEach((n) => throttled(n));
    vi.advanceTimersByTime(100);
    expect(call.mock.calls).toEqual([[1], [3]]);
  });
});

describe("storage", () => {
  it("forgets what has ended and survives what it did not write", () => {
    keep("a", { n: 1 }, 10, 0);
    expect(recall("a", 9_999)).toEqual({ n: 1 });
    expect(recall("a", 10_000)).toBeUndefined();
    localStorage.setItem("b", "{broken");
    expect(recall("b")).toBeUndefined();
  });
});

describe("money", () => {
  it("groups as Indians do and shows paise only where there are some", () => {
    expect(rupees(12_000_000)).toBe("₹1,20,000");
    expect(rupees(850)).toBe("₹8.50");
  });
});

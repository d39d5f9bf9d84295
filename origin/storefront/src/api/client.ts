/** Requests to the shop: cancelled with their caller, repeated with care, failed with a reason. */

import { delayBefore, isWorthRepeating } from "../utilities/retry";
import type { Problem, WrongField } from "./types";

/** Why there is no answer. `status` 0 means that the shop was not reached at all. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, detail: string, readonly retryAfterSeconds?: number, readonly fields: WrongField[] = []) {
    super(detail);
  }
}

const ATTEMPTS_MAX = 4;
const TIMEOUT_MS = 15_000;

export interface Options { signal?: AbortSignal; method?: string; body?: unknown; idempotencyKey?: string }

/** Asks the shop. Only requests that may be repeated are: reads, and writes that carry a key. */
export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const repeatable = (options.method ?? "GET") === "GET" || options.idempotencyKey !== undefined;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once<T>(path, options);
    } catch (error) {
      const failed = error instanceof ApiError ? error : unreachable(error, options.signal);
      if (!repeatable || attempt >= ATTEMPTS_MAX || !isWorthRepeating(failed.status)) throw failed;
      await pause(delayBefore(attempt, failed.retryAfterSeconds), options.signal);
    }
  }
}

async function once<T>(path: string, options: Options): Promise<T> {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(options.signal ? [options.signal] : [])];
  const headers: Record<string, string> = { Accept: "application/json" };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.idempotencyKey) headers["Idempotency-Key"] = options.idempotencyKey;
  const response = await fetch(path, {
    method: options.method ?? "GET",
    headers,
    signal: AbortSignal.any(signals),
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const after = Number(response.headers.get("Retry-After"));
  throw new ApiError(response.status, problem.code ?? "unknown", problem.detail ?? response.statusText, after > 0 ? after : undefined, wrongFields(problem));
}

function wrongFields(problem: Partial<Problem>): WrongField[] {
  return (problem.errors ?? []).map(({ pointer = "", detail = "", code = "" }) => ({ pointer, detail, code }));
}

function unreachable(error: unknown, signal?: AbortSignal): ApiError {
  if (signal?.aborted) throw error;
  return new ApiError(0, "unreachable", "The shop cannot be reached.");
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason as Error); }, { once: true });
  });
}

/**
 * Time: the only room that asks the machine what time it is.
 *
 * Instants end in `AtMs` (wall clock, Unix milliseconds) and serve to show, to expire and to choose a period.
 * Durations end in `Ms` and are measured by the monotonic clock.
 */

/** A source of time. Tests move one by hand; the simulation runs on a virtual one. */
export interface Clock {
  /** Wall clock in Unix milliseconds. May jump. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start. Never goes back. */
  monotonicMs(): number;
  /** Calls `action` once after `delayMs`; the returned function prevents it. Never keeps the process alive by itself. */
  after(delayMs: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, Math.max(0, Math.min(delayMs, LONGEST_TIMER_MS)));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** How much faster or slower than real time a slewed clock may run while it catches up with the wall clock. */
const SLEW_SHARE = 0.1;

/**
 * The same time, without its jumps: when somebody sets the wall clock, this one goes on evenly and approaches the new
 * time at a tenth of the speed of time. It never goes back, so a deadline is met neither early by a jump ahead nor a day
 * late by a jump back; only a restart takes the wall clock's word at once.
 */
export function slewed(clock: Clock): Clock {
  let shownMs = clock.nowMs();
  let seenAtMs = clock.monotonicMs();
  return {
    nowMs() {
      const monotonicMs = clock.monotonicMs();
      const passedMs = monotonicMs - seenAtMs;
      seenAtMs = monotonicMs;
      shownMs += passedMs;
      const behindMs = clock.nowMs() - shownMs;
      const stepMs = passedMs * SLEW_SHARE;
      shownMs += Math.max(-stepMs, Math.min(stepMs, behindMs));
      return Math.floor(shownMs);
    },
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, action) => clock.after(delayMs, action),
  };
}

/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The UTC calendar day of an instant, `2026-11-21`. */
export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** The UTC calendar month of an instant, `2026-11`. */
export function utcMonth(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 7);
}

/** Unix seconds, as the OpenAI dialect shows instants. */
export function toUnixSeconds(atMs: number): number {
  return Math.floor(atMs / SECOND_MS);
}

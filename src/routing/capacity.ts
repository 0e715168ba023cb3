import { MINUTE_MS } from '../ground/time.ts';

/** How long a refusal for too many running tasks lowers the limit that is believed. */
const BELIEVED_FOR_MS = MINUTE_MS;

/**
 * The tasks that may run at once, as far as we believe: each refusal of the last minute lowers the limit by one, never
 * below one, so that a limit that was set too high is found in as many refusals as it is too high. Pure.
 */
export function believedSlots(slots: number, refusedAtMs: readonly number[], nowMs: number): number {
  const refusals = refusedAtMs.filter((atMs) => atMs > nowMs - BELIEVED_FOR_MS).length;
  return Math.max(1, slots - refusals);
}

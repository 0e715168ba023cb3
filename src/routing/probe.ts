/**
 * Whether a job may try a half-open circuit. A job that is sent to a provider that is still down may be lost to its tenant
 * for an hour, so something that costs nothing goes first: a read. Pure.
 */
import { SECOND_MS } from '../ground/time.ts';
import { type Health, rarelyMs } from './health.ts';

/**
 * What an account said to a read that costs nothing: `good`; `silent`: no answer, or one of its edge alone; `none`: there is
 * nothing that it lets us read.
 */
export interface FreeRead {
  readonly askedAtMs: number;
  readonly answer: 'good' | 'silent' | 'none';
  /** Whether a task there is found again although the answer to its submission is lost. */
  readonly findable: boolean;
}

/** What is known of the account besides what opened the circuit. */
export interface Signs {
  /** When it last answered a submission or a read of a task well. */
  readonly answeredAtMs: number | null;
  /** The last read that was made for this; null before the first. */
  readonly read: FreeRead | null;
}

/** Why no job tries the circuit yet. */
export interface Holding {
  readonly reason: string;
  /** When it is looked at again. */
  readonly untilMs: number;
  /** A read of the account is what is missing. */
  readonly wantsRead: boolean;
}

/**
 * Why no job may try the half-open circuit yet; null when one may. One may when the account has answered something well
 * since the circuit opened; or, where nothing can be read, when no money can be lost by it; and in any case after a long
 * while, because it may be the read alone that is broken.
 */
export function holdingOf(
  health: Pick<Health, 'circuit' | 'openedAtMs' | 'certain'>,
  { answeredAtMs, read }: Signs,
  { nowMs, openMs }: { readonly nowMs: number; readonly openMs: number },
): Holding | null {
  const { openedAtMs } = health;
  if (health.circuit !== 'half_open' || openedAtMs === null) return null;
  if (answeredAtMs !== null && answeredAtMs > openedAtMs) return null;
  const anywayAtMs = openedAtMs + rarelyMs(openMs);
  if (nowMs >= anywayAtMs) return null;
  const inSeconds = (atMs: number): number => Math.max(0, Math.ceil((atMs - nowMs) / SECOND_MS));
  if (read === null || read.askedAtMs < openedAtMs) {
    return { reason: 'circuit open: a free read of the account comes before a job', untilMs: nowMs, wantsRead: true };
  }
  if (read.answer === 'good') return null;
  if (read.answer === 'silent') {
    const untilMs = Math.min(anywayAtMs, read.askedAtMs + openMs);
    const reason = `circuit open: the account does not answer free reads, the next one in ${inSeconds(untilMs)} s`;
    return { reason, untilMs, wantsRead: nowMs >= untilMs };
  }
  if (read.findable || health.certain) return null;
  const reason = `circuit open for another ${inSeconds(anywayAtMs)} s: a task there could not be found again`;
  return { reason, untilMs: anywayAtMs, wantsRead: false };
}

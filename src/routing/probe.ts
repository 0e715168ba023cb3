/**
 * Whether a job may try a half-open circuit. A job that is sent to a provider that is still down may be lost to its tenant
 * for an hour, so something that costs nothing goes first: a read. Pure.
 */
import { HOUR_MS, SECOND_MS } from '../ground/time.ts';
import type { Health } from './health.ts';

/**
 * What an account said to a read that costs nothing: `good`; `silent`: no answer, or one of its edge alone; `none`: there is
 * nothing that it lets us read.
 */
export interface FreeRead {
  readonly askedAtMs: number;
  readonly answer: 'good' | 'silent' | 'none';
  /** When the account was first asked something that it answered after it had been silent; null: it was not. */
  readonly backAtMs: number | null;
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

type Circuit = Pick<Health, 'circuit' | 'openedAtMs' | 'timesOpened' | 'taken' | 'certain'>;

/** Each job that tries a circuit in vain may cost its tenant an hour: after so many of them it is tried rarely. */
const PROBES_SOON = 3;
/** … this many times as long as a circuit stays open the first time: ten minutes, where that is 30 s. */
const RARELY = 20;
/** It may be the reads alone that are broken: so seldom one job tries an account that is silent all the time. */
const SILENT_MAX_MS = 3 * HOUR_MS;

/**
 * Why no job may try the half-open circuit yet; null when one may. While reads of the account have no answer none may,
 * but for one in three hours. One may when a job was taken since the circuit opened, or the account has answered something
 * well; or, where nothing can be read, when no money can be lost by it, or after a long while. Once three have tried it in
 * vain although reads are answered, the next one waits as long, unless the account was silent in between.
 */
export function holdingOf(
  health: Circuit,
  { answeredAtMs, read }: Signs,
  { nowMs, openMs }: { readonly nowMs: number; readonly openMs: number },
): Holding | null {
  const { openedAtMs, timesOpened } = health;
  if (health.circuit !== 'half_open' || openedAtMs === null || health.taken) return null;
  const isBack = read !== null && read.backAtMs !== null && read.backAtMs > openedAtMs;
  const isRare = timesOpened > PROBES_SOON && !isBack;
  if (!isRare && answeredAtMs !== null && answeredAtMs > openedAtMs) return null;
  if (read === null || read.askedAtMs < openedAtMs) {
    return { reason: 'circuit open: a free read of the account comes before a job', untilMs: nowMs, wantsRead: true };
  }
  const inSeconds = (atMs: number): number => Math.max(0, Math.ceil((atMs - nowMs) / SECOND_MS));
  const readAtMs = read.askedAtMs + openMs;
  if (read.answer === 'silent') {
    if (nowMs >= openedAtMs + SILENT_MAX_MS) return null;
    const reason = `circuit open: the account does not answer free reads, the next one in ${inSeconds(readAtMs)} s`;
    return { reason, untilMs: readAtMs, wantsRead: nowMs >= readAtMs };
  }
  const rarelyAtMs = openedAtMs + RARELY * openMs;
  if (nowMs >= rarelyAtMs) return null;
  if (isRare) {
    const reason = `circuit open for another ${inSeconds(rarelyAtMs)} s: ${timesOpened - 1} jobs have tried it in vain`;
    // Read on meanwhile: whoever falls silent and answers again has changed.
    return { reason, untilMs: rarelyAtMs, wantsRead: nowMs >= readAtMs };
  }
  if (read.answer === 'good' || read.findable || health.certain) return null;
  const reason = `circuit open for another ${inSeconds(rarelyAtMs)} s: a task there could not be found again`;
  return { reason, untilMs: rarelyAtMs, wantsRead: false };
}

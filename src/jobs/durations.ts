import { and, desc, eq, gte, isNotNull } from 'drizzle-orm';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../ground/time.ts';
import type { Tx } from '../store/database.ts';
import { type AttemptRow, attempts } from '../store/schema.ts';

/** What is looked at: the latest tasks of one offer at one account that were made, none older than two weeks. */
const SAMPLES_MAX = 200;
const SAMPLES_AGE_MAX_MS = 14 * DAY_MS;
/** With fewer samples a percentile is an anecdote. */
const SAMPLES_NEEDED = 20;
/** A task that takes this many times as long as nineteen of twenty do is stuck. */
const STUCK_FACTOR = 4;
const STUCK_AFTER_MIN_MS = 10 * MINUTE_MS;
const STUCK_AFTER_MAX_MS = HOUR_MS;

/** How long tasks of an offer take from acceptance to their end, measured. */
export interface Durations {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** Percentiles of the offer's latest generations; null while there are none. Nearest rank. */
export async function measuredDurations(
  tx: Tx,
  offer: Pick<AttemptRow, 'account' | 'model' | 'upstream'>,
  nowMs: number,
): Promise<Durations | null> {
  const rows = await tx
    .select({ acceptedAtMs: attempts.acceptedAtMs, endedAtMs: attempts.endedAtMs })
    .from(attempts)
    .where(
      and(
        eq(attempts.account, offer.account),
        eq(attempts.model, offer.model),
        eq(attempts.upstream, offer.upstream),
        eq(attempts.state, 'succeeded'),
        isNotNull(attempts.acceptedAtMs),
        gte(attempts.endedAtMs, nowMs - SAMPLES_AGE_MAX_MS),
      ),
    )
    .orderBy(desc(attempts.endedAtMs))
    .limit(SAMPLES_MAX);
  const tookMs = rows.map((row) => Math.max(0, (row.endedAtMs ?? 0) - (row.acceptedAtMs ?? 0))).sort((a, b) => a - b);
  if (tookMs.length === 0) return null;
  return { samples: tookMs.length, p50Ms: percentile(tookMs, 0.5), p95Ms: percentile(tookMs, 0.95) };
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;

/**
 * After how long a task of this offer counts as stuck: four times what nineteen of twenty took, between ten minutes and
 * an hour; an hour while too little is measured. Pure.
 */
export function stuckAfterMs(measured: Durations | null): number {
  if (measured === null || measured.samples < SAMPLES_NEEDED) return STUCK_AFTER_MAX_MS;
  return Math.min(STUCK_AFTER_MAX_MS, Math.max(STUCK_AFTER_MIN_MS, measured.p95Ms * STUCK_FACTOR));
}

/** The shortest time after which any task can be stuck: until then nothing need be looked up. */
export const NEVER_STUCK_BEFORE_MS = STUCK_AFTER_MIN_MS;

import { and, eq, gte, lt, sql } from 'drizzle-orm';
import { GatewayError } from '../ground/errors.ts';
import { MINUTE_MS } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import { type JobRow, jobs } from '../store/schema.ts';

/** How a create request is known again. Both texts are SHA-256, hex. */
export interface Repeat {
  readonly fingerprint: string;
  /** The caller's own key; null when it sent none. */
  readonly idempotencyKey: string | null;
  /** Which retry the SDK says this is; 0 is a request of its own. */
  readonly retryCount: number;
}

/** SDKs retry within seconds; a person who wants a second video of the same words rarely does within this. */
const RETRY_WINDOW_MS = 15 * MINUTE_MS;

const byKey = (tx: Tx) =>
  tx
    .select()
    .from(jobs)
    .where(and(eq(jobs.keyId, sql.placeholder('keyId')), eq(jobs.idempotencyKey, sql.placeholder('idempotencyKey'))))
    .prepare();

const byFingerprint = (tx: Tx) =>
  tx
    .select()
    .from(jobs)
    .where(
      and(
        eq(jobs.keyId, sql.placeholder('keyId')),
        eq(jobs.fingerprint, sql.placeholder('fingerprint')),
        gte(jobs.createdAtMs, sql.placeholder('sinceMs')),
        lt(jobs.retryCount, sql.placeholder('retryCount')),
      ),
    )
    .orderBy(jobs.retryCount, jobs.createdAtMs)
    .limit(1)
    .prepare();

const claimRetry = (tx: Tx) =>
  tx
    .update(jobs)
    .set({ retryCount: sql`${sql.placeholder('retryCount')}` })
    .where(eq(jobs.id, sql.placeholder('id')))
    .prepare();

/**
 * The job that an earlier sending of this request made; null when this is the first. Throws `idempotency_conflict` when
 * the caller's key belongs to another request.
 *
 * Without a key, only what the SDK calls a retry is matched: to a job of the same API key and fingerprint, made within
 * 15 minutes, that was answered to an earlier try. Each job is found once per retry, and one that no retry has found goes
 * before one that was found, so two wanted twins stay two. Whose a retry is cannot be known where twins are retried at
 * once and one of them lost two answers: it may get the other's video. Keys are for that.
 */
export async function findRepeat(tx: Tx, keyId: string, repeat: Repeat, nowMs: number): Promise<JobRow | null> {
  const { fingerprint, idempotencyKey, retryCount } = repeat;
  if (idempotencyKey !== null) {
    const [found] = await statement(tx, byKey).execute({ keyId, idempotencyKey });
    if (found && found.fingerprint !== fingerprint) throw new GatewayError('idempotency_conflict');
    return found ?? null;
  }
  if (retryCount === 0) return null;
  const sinceMs = nowMs - RETRY_WINDOW_MS;
  const [found] = await statement(tx, byFingerprint).execute({ keyId, fingerprint, sinceMs, retryCount });
  if (!found) return null;
  await statement(tx, claimRetry).execute({ id: found.id, retryCount });
  return { ...found, retryCount };
}

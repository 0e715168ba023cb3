import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Tx } from '../store/database.ts';
import { attempts, type JobRow, type JobState, jobs } from '../store/schema.ts';

/** Which jobs are listed, and where the page begins; null: whichever. */
export interface JobQuery {
  readonly state: JobState | null;
  readonly tenantId: string | null;
  /** Who delivered, or is at it. */
  readonly provider: string | null;
  /** Only these jobs. */
  readonly among: readonly string[] | null;
  /** The last id of the page before: ids sort by the time at which they were made. */
  readonly after: string | null;
  readonly limit: number;
}

/** A job as a list shows it. */
export type ListedJob = Pick<
  JobRow,
  | 'id'
  | 'tenantId'
  | 'keyId'
  | 'state'
  | 'model'
  | 'task'
  | 'provider'
  | 'attempts'
  | 'holdMicros'
  | 'settledMicros'
  | 'errorCode'
  | 'createdAtMs'
  | 'endedAtMs'
>;

/** The jobs of which an attempt is in doubt now: a paid task may exist that nobody has found. */
export async function jobsInDoubt(tx: Tx): Promise<string[]> {
  const rows = await tx.selectDistinct({ jobId: attempts.jobId }).from(attempts).where(eq(attempts.state, 'in_doubt'));
  return rows.map(({ jobId }) => jobId);
}

/** Jobs of all tenants, the newest first. */
export async function jobPage(tx: Tx, query: JobQuery): Promise<ListedJob[]> {
  const { state, tenantId, provider, among, after, limit } = query;
  return await tx
    .select({
      id: jobs.id,
      tenantId: jobs.tenantId,
      keyId: jobs.keyId,
      state: jobs.state,
      model: jobs.model,
      task: jobs.task,
      provider: jobs.provider,
      attempts: jobs.attempts,
      holdMicros: jobs.holdMicros,
      settledMicros: jobs.settledMicros,
      errorCode: jobs.errorCode,
      createdAtMs: jobs.createdAtMs,
      endedAtMs: jobs.endedAtMs,
    })
    .from(jobs)
    .where(
      and(
        state === null ? undefined : eq(jobs.state, state),
        tenantId === null ? undefined : eq(jobs.tenantId, tenantId),
        provider === null ? undefined : eq(jobs.provider, provider),
        // As one parameter: a list may be longer than a statement takes.
        among === null ? undefined : inArray(jobs.id, sql`(select value from json_each(${JSON.stringify(among)}))`),
        after === null ? undefined : lt(jobs.id, after),
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(limit);
}

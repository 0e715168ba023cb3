/**
 * Sums of spend by day and by what a report groups by. They are kept in the commit of each entry, by the one function
 * that writes entries, so a report reads days and not jobs, and no caller can forget it. `rollup-audit.ts` recomputes
 * them. A job counts under nobody's name until it ends; the entry that ends its hold is the end of the job, too.
 */
import { and, eq, sql } from 'drizzle-orm';
import { type Micros, micros, ZERO_MICROS } from '../ground/money.ts';
import { SECOND_MS, utcDay } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import {
  attempts,
  type EntryRow,
  entries,
  type JobRow,
  jobs,
  type SpendRow,
  type SpendTagRow,
  spend,
  spendTags,
} from '../store/schema.ts';

/** What does not change in the life of a job, and is summed by. */
export type SpendJob = Pick<
  JobRow,
  'id' | 'tenantId' | 'keyId' | 'createdAtMs' | 'model' | 'task' | 'resolution' | 'presentation'
>;
export type SpendEntry = Pick<EntryRow, 'kind' | 'amountMicros' | 'attemptId'>;

export type Cell = Pick<SpendRow, 'day' | 'tenantId' | 'keyId' | 'model' | 'provider' | 'task' | 'resolution'>;
export type Sums = Omit<SpendRow, keyof Cell>;
export interface Tag {
  readonly tag: string;
  readonly value: string;
}

/** Tags of one job that are summed: its first ones; longer names and values are echoed, but not summed. */
const TAGS_MAX = 8;
const TAG_CHARACTERS_MAX = 64;
const VALUE_CHARACTERS_MAX = 128;
/** Different tags of a tenant and a day that are summed: an order number as a tag must not make a row a job. */
export const TAG_VALUES_A_DAY = 200;

export const NO_SUMS: Sums = {
  jobs: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  settledMicros: ZERO_MICROS,
  deliveredMicros: ZERO_MICROS,
  deliveredMs: 0,
  costMicros: ZERO_MICROS,
  failureMicros: ZERO_MICROS,
  suspectedMicros: ZERO_MICROS,
};

/** The tags of a job that may be summed, in the caller's order. */
export function tagsOf(presentation: string): Tag[] {
  const { metadata = {} }: { metadata?: Readonly<Record<string, string>> } = JSON.parse(presentation);
  return Object.entries(metadata)
    .map(([tag, value]) => ({ tag, value: String(value) }))
    .filter(({ tag, value }) => tag.length <= TAG_CHARACTERS_MAX && value.length <= VALUE_CHARACTERS_MAX)
    .slice(0, TAGS_MAX);
}

/** Milliseconds of video that a completed job delivered: what was ordered, else the length of the file. */
export function deliveredMs(job: Pick<JobRow, 'seconds' | 'fileDurationMs'>): number {
  return job.seconds === null ? (job.fileDurationMs ?? 0) : job.seconds * SECOND_MS;
}

const adding = <T extends typeof spend | typeof spendTags>(table: T) => ({
  jobs: sql`${table.jobs} + excluded.jobs`,
  completed: sql`${table.completed} + excluded.completed`,
  failed: sql`${table.failed} + excluded.failed`,
  cancelled: sql`${table.cancelled} + excluded.cancelled`,
  settledMicros: sql`${table.settledMicros} + excluded.settled_micros`,
  deliveredMicros: sql`${table.deliveredMicros} + excluded.delivered_micros`,
  deliveredMs: sql`${table.deliveredMs} + excluded.delivered_ms`,
  costMicros: sql`${table.costMicros} + excluded.cost_micros`,
  failureMicros: sql`${table.failureMicros} + excluded.failure_micros`,
  suspectedMicros: sql`${table.suspectedMicros} + excluded.suspected_micros`,
});

const CELL = ['day', 'tenantId', 'keyId', 'model', 'provider', 'task', 'resolution'] as const;

/** A place for every column, in the type of the values. */
const placesFor = <Row>(columns: readonly string[]): Row =>
  Object.fromEntries(columns.map((column) => [column, sql.placeholder(column)])) as Row;

const addSpend = (tx: Tx) =>
  tx
    .insert(spend)
    .values(placesFor<SpendRow>([...CELL, ...Object.keys(NO_SUMS)]))
    .onConflictDoUpdate({ target: CELL.map((column) => spend[column]), set: adding(spend) })
    .prepare();

const addTag = (tx: Tx) =>
  tx
    .insert(spendTags)
    .values(placesFor<SpendTagRow>([...CELL, 'tag', 'value', ...Object.keys(NO_SUMS)]))
    .onConflictDoUpdate({
      target: [
        ...[spendTags.day, spendTags.tenantId, spendTags.tag, spendTags.value, spendTags.keyId],
        ...[spendTags.model, spendTags.provider, spendTags.task, spendTags.resolution],
      ],
      set: adding(spendTags),
    })
    .prepare();

const knownTag = (tx: Tx) =>
  tx
    .select({ day: spendTags.day })
    .from(spendTags)
    .where(
      and(
        eq(spendTags.day, sql.placeholder('day')),
        eq(spendTags.tenantId, sql.placeholder('tenantId')),
        eq(spendTags.tag, sql.placeholder('tag')),
        eq(spendTags.value, sql.placeholder('value')),
      ),
    )
    .limit(1)
    .prepare();

const tagValues = (tx: Tx) =>
  tx
    .selectDistinct({ tag: spendTags.tag, value: spendTags.value })
    .from(spendTags)
    .where(and(eq(spendTags.day, sql.placeholder('day')), eq(spendTags.tenantId, sql.placeholder('tenantId'))))
    .limit(TAG_VALUES_A_DAY)
    .prepare();

/** How the job ended, and with whom; read in the transaction that has ended it. */
const endOfJob = (tx: Tx) =>
  tx
    .select({
      state: jobs.state,
      provider: jobs.provider,
      seconds: jobs.seconds,
      fileDurationMs: jobs.fileDurationMs,
    })
    .from(jobs)
    .where(eq(jobs.id, sql.placeholder('jobId')))
    .prepare();

const providerOf = (tx: Tx) =>
  tx
    .select({ provider: attempts.provider })
    .from(attempts)
    .where(eq(attempts.id, sql.placeholder('attemptId')))
    .prepare();

const settlementsOf = (tx: Tx) =>
  tx
    .select({ attemptId: entries.attemptId })
    .from(entries)
    .where(and(eq(entries.jobId, sql.placeholder('jobId')), eq(entries.kind, 'settlement')))
    .prepare();

/** Adds what the entry says to the sums of its job, after the entry and, at its end, the job have been written. */
export async function rollUp(tx: Tx, job: SpendJob, entry: SpendEntry): Promise<void> {
  const amount = entry.amountMicros;
  switch (entry.kind) {
    case 'hold':
      return await add(tx, job, '', { jobs: 1 }, true);
    case 'settlement':
    case 'release':
      return await addEnd(tx, job, entry.kind === 'settlement' ? amount : ZERO_MICROS);
    case 'adjustment': {
      const [end] = await statement(tx, endOfJob).execute({ jobId: job.id });
      return await add(tx, job, end?.provider ?? '', { settledMicros: amount });
    }
    case 'cost': {
      const settled = await statement(tx, settlementsOf).execute({ jobId: job.id });
      const delivered = settled.some(({ attemptId }) => attemptId === entry.attemptId);
      const failureMicros = delivered ? ZERO_MICROS : amount;
      return await add(tx, job, await chargedBy(tx, entry), { costMicros: amount, failureMicros });
    }
    case 'suspected_cost':
      return await add(tx, job, await chargedBy(tx, entry), { suspectedMicros: amount });
    case 'cost_resolution':
      return await add(tx, job, await chargedBy(tx, entry), { suspectedMicros: micros(-amount) });
  }
}

async function addEnd(tx: Tx, job: SpendJob, settledMicros: Micros): Promise<void> {
  const [end] = await statement(tx, endOfJob).execute({ jobId: job.id });
  const provider = end?.provider ?? '';
  const completed = end?.state === 'completed';
  if (provider !== '') await add(tx, job, '', { jobs: -1 });
  await add(tx, job, provider, {
    jobs: provider === '' ? 0 : 1,
    completed: completed ? 1 : 0,
    failed: end?.state === 'failed' ? 1 : 0,
    cancelled: end?.state === 'cancelled' ? 1 : 0,
    settledMicros,
    ...(completed && { deliveredMicros: settledMicros, deliveredMs: deliveredMs(end) }),
  });
}

async function chargedBy(tx: Tx, { attemptId }: SpendEntry): Promise<string> {
  const [attempt] = await statement(tx, providerOf).execute({ attemptId });
  return attempt?.provider ?? '';
}

async function add(tx: Tx, job: SpendJob, provider: string, sums: Partial<Sums>, isNew = false): Promise<void> {
  const { tenantId, keyId, model, task, resolution } = job;
  const cell: Cell = { day: utcDay(job.createdAtMs), tenantId, keyId, model, provider, task, resolution };
  const row = { ...cell, ...NO_SUMS, ...sums };
  await statement(tx, addSpend).execute(row);
  for (const tag of tagsOf(job.presentation)) {
    if (await isSummed(tx, cell, tag, isNew)) await statement(tx, addTag).execute({ ...row, ...tag });
  }
}

/** A tag is summed once a job of its day was admitted with it while there was room; then all of that day's are. */
async function isSummed(tx: Tx, { day, tenantId }: Cell, tag: Tag, isNew: boolean): Promise<boolean> {
  const known = await statement(tx, knownTag).execute({ day, tenantId, ...tag });
  if (known.length > 0 || !isNew) return known.length > 0;
  return (await statement(tx, tagValues).execute({ day, tenantId })).length < TAG_VALUES_A_DAY;
}

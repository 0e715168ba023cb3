import { and, eq, inArray, sql } from 'drizzle-orm';
import { assert } from '../ground/assert.ts';
import type { Mint } from '../ground/id.ts';
import { type Micros, minusMicros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { utcDay } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import { type EntryKind, type EntryRow, entries, type JobRow } from '../store/schema.ts';
import { holdInBudgets } from './budget.ts';
import type { BudgetAlert } from './budget-alerts.ts';
import { endInBudgets } from './budget-counters.ts';
import { rollUp, type SpendJob } from './rollup.ts';

/** What an entry says about the job it belongs to. */
export type JobMoney = SpendJob & Pick<JobRow, 'holdMicros'>;

/** Who writes an entry and when: every entry is stamped with both. */
export interface Stamp {
  readonly nowMs: number;
  readonly mint: Mint;
}

interface EntryDetails {
  readonly kind: EntryKind;
  readonly amountMicros: Micros;
  readonly attemptId: string | null;
  /** `card@effective row` that priced it; the route's worst case for a hold. */
  readonly pricedBy: string;
}

const insertEntry = (tx: Tx) =>
  tx
    .insert(entries)
    .values({
      id: sql.placeholder('id'),
      atMs: sql.placeholder('atMs'),
      kind: sql.placeholder('kind'),
      tenantId: sql.placeholder('tenantId'),
      keyId: sql.placeholder('keyId'),
      jobId: sql.placeholder('jobId'),
      attemptId: sql.placeholder('attemptId'),
      amountMicros: sql.placeholder('amountMicros'),
      day: sql.placeholder('day'),
      pricedBy: sql.placeholder('pricedBy'),
    })
    .prepare();

/** The day of an entry is the day of the job's admission: that period pays, wherever the job ends. */
async function write(tx: Tx, job: JobMoney, details: EntryDetails, stamp: Stamp): Promise<void> {
  await statement(tx, insertEntry).execute({
    id: stamp.mint('ent'),
    atMs: stamp.nowMs,
    tenantId: job.tenantId,
    keyId: job.keyId,
    jobId: job.id,
    day: utcDay(job.createdAtMs),
    ...details,
  });
  await rollUp(tx, job, details);
}

/**
 * Sets the job's hold aside, under every budget over it; the alerts that this raises come back. Throws BudgetFull where
 * a cap leaves no room: the caller's transaction is undone then. A second hold for one job breaks a unique index.
 */
export async function placeHold(tx: Tx, job: JobMoney, pricedBy: string, stamp: Stamp): Promise<BudgetAlert[]> {
  const alerts = await holdInBudgets(tx, job, stamp);
  await write(tx, job, { kind: 'hold', amountMicros: job.holdMicros, attemptId: null, pricedBy }, stamp);
  return alerts;
}

/** Ends the hold by taking `amount` of it, never more; the rest is free again. Zero is allowed. */
export async function settleHold(
  tx: Tx,
  job: JobMoney,
  settlement: {
    readonly amountMicros: Micros;
    readonly attemptId: string;
    readonly pricedBy: string;
  },
  stamp: Stamp,
): Promise<void> {
  assert(settlement.amountMicros >= 0n && settlement.amountMicros <= job.holdMicros, 'a settlement within the hold');
  await write(tx, job, { kind: 'settlement', ...settlement }, stamp);
  await endInBudgets(tx, job, settlement.amountMicros);
}

/** Ends the hold by giving it back. */
export async function releaseHold(tx: Tx, job: JobMoney, stamp: Stamp): Promise<void> {
  await write(tx, job, { kind: 'release', amountMicros: job.holdMicros, attemptId: null, pricedBy: '' }, stamp);
  await endInBudgets(tx, job, ZERO_MICROS);
}

/**
 * Books what a provider charged us, or may have charged while we cannot know. A `cost_resolution` takes a suspected cost
 * off the list again, whatever became of it.
 */
export async function bookCost(
  tx: Tx,
  job: JobMoney,
  cost: {
    readonly kind: 'cost' | 'suspected_cost' | 'cost_resolution';
    readonly amountMicros: Micros;
    readonly attemptId: string;
    readonly pricedBy: string;
  },
  stamp: Stamp,
): Promise<void> {
  if (cost.amountMicros === ZERO_MICROS) return;
  await write(tx, job, cost, stamp);
}

/** What is still suspected of an attempt: suspected costs less what has been resolved of them. */
export async function suspectedOf(tx: Tx, attemptId: string): Promise<Micros> {
  const ofAttempt = await tx
    .select({ kind: entries.kind, amountMicros: entries.amountMicros })
    .from(entries)
    .where(and(eq(entries.attemptId, attemptId), inArray(entries.kind, ['suspected_cost', 'cost_resolution'])));
  return ofAttempt.reduce<Micros>(
    (sum, { kind, amountMicros }) =>
      kind === 'suspected_cost' ? sumMicros(sum, amountMicros) : minusMicros(sum, amountMicros),
    ZERO_MICROS,
  );
}

/** The job's entries, in the order they were written. */
export async function entriesOfJob(tx: Tx, jobId: string): Promise<EntryRow[]> {
  return await tx.select().from(entries).where(eq(entries.jobId, jobId)).orderBy(entries.id);
}

/** Whether the job's hold has ended. */
export async function holdHasEnded(tx: Tx, jobId: string): Promise<boolean> {
  const endings = await tx
    .select({ id: entries.id })
    .from(entries)
    .where(and(eq(entries.jobId, jobId), inArray(entries.kind, ['settlement', 'release'])));
  return endings.length > 0;
}

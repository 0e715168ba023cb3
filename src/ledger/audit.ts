import { eq, inArray, sql } from 'drizzle-orm';
import { formatUsd, type Micros, ZERO_MICROS } from '../ground/money.ts';
import { utcDay } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import { attempts, type EntryRow, entries, jobs, lanes } from '../store/schema.ts';
import { faultsOfBudgets } from './budget-audit.ts';
import { faultsOfSums } from './rollup-audit.ts';

export interface Audit {
  readonly ok: boolean;
  /** Each difference in words: which row, what it says, what it should say. */
  readonly differences: readonly string[];
  readonly jobs: number;
  readonly entries: number;
}

const ENDED = ['completed', 'failed', 'cancelled'] as const;
const LIVE = ['submitting', 'running', 'in_doubt'] as const;

const jobRows = (tx: Tx) =>
  tx
    .select({
      id: jobs.id,
      state: jobs.state,
      holdMicros: jobs.holdMicros,
      settledMicros: jobs.settledMicros,
      fileDigest: jobs.fileDigest,
      tenantId: jobs.tenantId,
      keyId: jobs.keyId,
      createdAtMs: jobs.createdAtMs,
    })
    .from(jobs)
    .prepare();
const entryRows = (tx: Tx) => tx.select().from(entries).prepare();
const liveAttempts = (tx: Tx) =>
  tx
    .select({ id: attempts.id, state: attempts.state, jobState: jobs.state, jobId: jobs.id })
    .from(attempts)
    .innerJoin(jobs, eq(jobs.id, attempts.jobId))
    .where(inArray(attempts.state, [...LIVE]))
    .prepare();
const suspectedAttempts = (tx: Tx) =>
  tx.select({ id: entries.attemptId }).from(entries).where(eq(entries.kind, 'suspected_cost')).prepare();
const slotsHeld = (tx: Tx) =>
  tx
    .select({ lane: attempts.lane, running: sql<number>`count(*)` })
    .from(attempts)
    .where(eq(attempts.slotHeld, true))
    .groupBy(attempts.lane)
    .prepare();
const laneRows = (tx: Tx) => tx.select().from(lanes).prepare();

/** Recomputes the ledger from its entries and holds it against jobs, attempts and lanes. Reads one snapshot. */
export async function audit(tx: Tx): Promise<Audit> {
  const differences: string[] = [];
  const allJobs = await statement(tx, jobRows).execute();
  const allEntries = await statement(tx, entryRows).execute();
  const byJob = new Map<string, EntryRow[]>();
  for (const entry of allEntries) byJob.set(entry.jobId, [...(byJob.get(entry.jobId) ?? []), entry]);
  for (const job of allJobs) differences.push(...faultsOfJob(job, byJob.get(job.id) ?? []));
  const known = new Set(allJobs.map((job) => job.id));
  for (const jobId of byJob.keys()) if (!known.has(jobId)) differences.push(`${jobId}: entries without a job`);
  differences.push(...(await faultsOfAttempts(tx)), ...(await faultsOfLanes(tx)), ...(await faultsOfSums(tx)));
  differences.push(...(await faultsOfBudgets(tx, byJob)));
  return { ok: differences.length === 0, differences, jobs: allJobs.length, entries: allEntries.length };
}

interface AuditedJob {
  readonly id: string;
  readonly state: string;
  readonly holdMicros: Micros;
  readonly settledMicros: Micros;
  readonly fileDigest: string | null;
  readonly tenantId: string;
  readonly keyId: string;
  readonly createdAtMs: number;
}

function faultsOfJob(job: AuditedJob, ofJob: readonly EntryRow[]): string[] {
  const faults: string[] = [];
  const of = (kind: EntryRow['kind']) => ofJob.filter((entry) => entry.kind === kind);
  const holds = of('hold');
  const settlements = of('settlement');
  const endings = settlements.length + of('release').length;
  const ended = ENDED.some((state) => state === job.state);
  if (holds.length !== 1) faults.push(`${job.id}: ${holds.length} holds, expected 1`);
  const [hold] = holds;
  if (hold && hold.amountMicros !== job.holdMicros) {
    faults.push(`${job.id}: hold of ${formatUsd(hold.amountMicros)}, its job says ${formatUsd(job.holdMicros)}`);
  }
  if (endings !== (ended ? 1 : 0)) {
    faults.push(`${job.id}: ${endings} endings of its hold while ${job.state}, expected ${ended ? 1 : 0}`);
  }
  const settled = settlements[0]?.amountMicros ?? ZERO_MICROS;
  if (settled !== job.settledMicros) {
    faults.push(`${job.id}: settled ${formatUsd(settled)}, its job says ${formatUsd(job.settledMicros)}`);
  }
  if (settled > job.holdMicros) faults.push(`${job.id}: settled ${formatUsd(settled)}, above its hold`);
  // A cancelled job is settled when its task could not be stopped; a failed one never is.
  if (settlements.length > 0 && job.state !== 'completed' && job.state !== 'cancelled') {
    faults.push(`${job.id}: settled, but ${job.state}`);
  }
  const released = of('release')[0]?.amountMicros;
  if (released !== undefined && released !== job.holdMicros) {
    faults.push(`${job.id}: released ${formatUsd(released)} of a hold of ${formatUsd(job.holdMicros)}`);
  }
  const day = utcDay(job.createdAtMs);
  for (const entry of ofJob) {
    if (entry.tenantId !== job.tenantId)
      faults.push(`${entry.id}: tenant ${entry.tenantId}, its job's is ${job.tenantId}`);
    if (entry.keyId !== job.keyId) faults.push(`${entry.id}: key ${entry.keyId}, its job's is ${job.keyId}`);
    if (entry.day !== day) faults.push(`${entry.id}: day ${entry.day}, its job was admitted on ${day}`);
  }
  if (job.state === 'completed' && job.fileDigest === null) faults.push(`${job.id}: completed without a file`);
  return faults;
}

/** A live attempt belongs to an open job; in doubt it may outlive the job, then its cost is on the suspected list. */
async function faultsOfAttempts(tx: Tx): Promise<string[]> {
  const live = await statement(tx, liveAttempts).execute();
  const suspected = await statement(tx, suspectedAttempts).execute();
  const onList = new Set(suspected.map(({ id }) => id));
  return live.flatMap((attempt) => {
    const ended = ENDED.some((state) => state === attempt.jobState);
    if (!ended || (attempt.state === 'in_doubt' && onList.has(attempt.id))) return [];
    return [`${attempt.id}: ${attempt.state}, but ${attempt.jobId} is ${attempt.jobState}`];
  });
}

async function faultsOfLanes(tx: Tx): Promise<string[]> {
  const counted = await statement(tx, slotsHeld).execute();
  const held = new Map(counted.map((row) => [row.lane, Number(row.running)]));
  const rows = await statement(tx, laneRows).execute();
  const lanesKnown = new Set(rows.map((row) => row.lane));
  const uncounted = [...held.keys()].filter((lane) => !lanesKnown.has(lane));
  return [
    ...rows.flatMap((row) => {
      const running = held.get(row.lane) ?? 0;
      return running === row.running ? [] : [`lane ${row.lane}: counts ${row.running} tasks, ${running} hold a slot`];
    }),
    ...uncounted.map((lane) => `lane ${lane}: not counted, ${held.get(lane)} hold a slot`),
  ];
}

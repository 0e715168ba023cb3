import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lt, ne, notInArray, or, sql } from 'drizzle-orm';
import { statement, type Tx } from '../store/database.ts';
import { type AttemptRow, attempts, type JobRow, jobs, lanes, processes } from '../store/schema.ts';

/** Somebody else holds the job now. Whoever gets this stops, and has written nothing. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** What must be known of a job to write to it. */
export type Leased = Pick<JobRow, 'id' | 'leaseToken'>;

type JobChange = Partial<Omit<JobRow, 'id' | 'tenantId' | 'keyId' | 'holdMicros' | 'createdAtMs' | 'leaseToken'>>;
type AttemptChange = Partial<Omit<AttemptRow, 'id' | 'jobId' | 'number'>>;

/** A place for each column's value, in the type of the values: what a prepared insert or update is built from. */
function placesFor<Row>(columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, sql.placeholder(column)])) as Row;
}

export async function insertJob(tx: Tx, row: JobRow): Promise<void> {
  const build = (on: Tx) =>
    on
      .insert(jobs)
      .values(placesFor<JobRow>(Object.keys(row)))
      .prepare();
  await statement(tx, build, 'insert job').execute({ ...row });
}

const jobById = (tx: Tx) =>
  tx
    .select()
    .from(jobs)
    .where(eq(jobs.id, sql.placeholder('id')))
    .prepare();

export async function loadJob(tx: Tx, id: string): Promise<JobRow | null> {
  const [row] = await statement(tx, jobById).execute({ id });
  return row ?? null;
}

const attemptsByJob = (tx: Tx) =>
  tx
    .select()
    .from(attempts)
    .where(eq(attempts.jobId, sql.placeholder('jobId')))
    .orderBy(asc(attempts.number))
    .prepare();

/** The job's attempts in the order they were made. */
export async function loadAttempts(tx: Tx, jobId: string): Promise<AttemptRow[]> {
  return await statement(tx, attemptsByJob).execute({ jobId });
}

/** Changes the job if this process still holds it; throws LeaseLost, having written nothing, when it does not. */
export async function updateJob(tx: Tx, job: Leased, change: JobChange): Promise<void> {
  const columns = Object.keys(change).sort();
  const build = (on: Tx) =>
    on
      .update(jobs)
      .set(placesFor<JobChange>(columns))
      .where(and(eq(jobs.id, sql.placeholder('jobId')), eq(jobs.leaseToken, sql.placeholder('token'))))
      .returning({ id: jobs.id })
      .prepare();
  const changed = await statement(tx, build, `update job ${columns}`).execute({
    ...change,
    jobId: job.id,
    token: job.leaseToken,
  });
  if (changed.length !== 1) throw new LeaseLost(`the lease of ${job.id} is lost`);
}

/** Takes the job from whoever holds it: what the holder still tries to write changes nothing. The new token comes back. */
export async function takeLease(tx: Tx, job: Leased): Promise<number> {
  const leaseToken = job.leaseToken + 1;
  const taken = await tx
    .update(jobs)
    .set({ leaseToken })
    .where(and(eq(jobs.id, job.id), eq(jobs.leaseToken, job.leaseToken)))
    .returning({ id: jobs.id });
  if (taken.length !== 1) throw new LeaseLost(`the lease of ${job.id} is lost`);
  return leaseToken;
}

export async function insertAttempt(tx: Tx, row: AttemptRow): Promise<void> {
  const build = (on: Tx) =>
    on
      .insert(attempts)
      .values(placesFor<AttemptRow>(Object.keys(row)))
      .prepare();
  await statement(tx, build, 'insert attempt').execute({ ...row });
}

/** Changes the attempt. Only inside a transaction that has changed its job under the lease before. */
export async function updateAttempt(tx: Tx, id: string, change: AttemptChange): Promise<void> {
  const columns = Object.keys(change).sort();
  const build = (on: Tx) =>
    on
      .update(attempts)
      .set(placesFor<AttemptChange>(columns))
      .where(eq(attempts.id, sql.placeholder('attemptId')))
      .prepare();
  await statement(tx, build, `update attempt ${columns}`).execute({ ...change, attemptId: id });
}

const raiseLane = (tx: Tx) =>
  tx
    .update(lanes)
    .set({ running: sql`${lanes.running} + 1` })
    .where(and(eq(lanes.lane, sql.placeholder('lane')), lt(lanes.running, sql.placeholder('limit'))))
    .returning({ lane: lanes.lane })
    .prepare();

const addLane = (tx: Tx) =>
  tx
    .insert(lanes)
    .values({ lane: sql.placeholder('lane'), running: 0 })
    .onConflictDoNothing()
    .prepare();

/** Takes one of the lane's slots; false when all of them are taken. Counted in the row, never in memory. */
export async function takeSlot(tx: Tx, lane: string, limit: number): Promise<boolean> {
  const raise = async () => (await statement(tx, raiseLane).execute({ lane, limit })).length === 1;
  if (await raise()) return true;
  await statement(tx, addLane).execute({ lane });
  return await raise();
}

const lowerLane = (tx: Tx) =>
  tx
    .update(lanes)
    .set({ running: sql`${lanes.running} - 1` })
    .where(eq(lanes.lane, sql.placeholder('lane')))
    .prepare();

const laneRow = (tx: Tx) =>
  tx
    .select({ running: lanes.running })
    .from(lanes)
    .where(eq(lanes.lane, sql.placeholder('lane')))
    .prepare();

/** Tasks that hold a slot of the lane now. For a look ahead; only `takeSlot` decides. */
export async function slotsTaken(tx: Tx, lane: string): Promise<number> {
  const [row] = await statement(tx, laneRow).execute({ lane });
  return row?.running ?? 0;
}

/** Gives a slot back. A table check refuses to give back more than was taken. */
export async function freeSlot(tx: Tx, lane: string): Promise<void> {
  await statement(tx, lowerLane).execute({ lane });
}

const laneRows = (tx: Tx) => tx.select().from(lanes).prepare();

/** How many tasks hold a slot, by lane. */
export async function runningByLane(tx: Tx): Promise<Map<string, number>> {
  const rows = await statement(tx, laneRows).execute();
  return new Map(rows.map((row) => [row.lane, row.running]));
}

const renewRow = (tx: Tx) =>
  tx
    .insert(processes)
    .values({ id: sql.placeholder('id'), leaseUntilMs: sql.placeholder('leaseUntilMs') })
    .onConflictDoUpdate({ target: processes.id, set: { leaseUntilMs: sql`excluded.lease_until_ms` } })
    .prepare();

/** Says that this process lives, until the given instant. */
export async function renewProcess(tx: Tx, id: string, leaseUntilMs: number): Promise<void> {
  await statement(tx, renewRow).execute({ id, leaseUntilMs });
}

/** Forgets a process, so that its jobs are free to be taken. */
export async function forgetProcess(tx: Tx, id: string): Promise<void> {
  await tx.delete(processes).where(eq(processes.id, id));
}

/** Forgets every process but this one: for a store that only one process can have open. */
export async function forgetOtherProcesses(tx: Tx, id: string): Promise<void> {
  await tx.delete(processes).where(ne(processes.id, id));
}

const abandoned = (tx: Tx) => {
  const living = tx
    .select({ id: processes.id })
    .from(processes)
    .where(gt(processes.leaseUntilMs, sql.placeholder('nowMs')));
  return tx
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(isNotNull(jobs.dueAtMs), or(isNull(jobs.leaseOwner), notInArray(jobs.leaseOwner, living))))
    .limit(sql.placeholder('limit'));
};

const abandonedRows = (tx: Tx) => abandoned(tx).prepare();

/** Whether there is an open job whose process no longer lives; mostly there is none, and nothing need be written. */
export async function hasAbandoned(tx: Tx, nowMs: number): Promise<boolean> {
  return (await statement(tx, abandonedRows).execute({ nowMs, limit: 1 })).length > 0;
}

const claimRows = (tx: Tx) =>
  tx
    .update(jobs)
    .set({ leaseOwner: sql`${sql.placeholder('processId')}`, leaseToken: sql`${jobs.leaseToken} + 1` })
    .where(inArray(jobs.id, abandoned(tx)))
    .returning({ id: jobs.id, dueAtMs: jobs.dueAtMs })
    .prepare();

/**
 * Takes over up to `limit` open jobs whose process no longer lives. Each gets a new fencing token, so that whatever the
 * old holder still tries to write changes nothing. A process renews its own lease in the same transaction: its own jobs
 * are never taken from steps that wait for an answer.
 */
export async function claimAbandoned(
  tx: Tx,
  processId: string,
  nowMs: number,
  limit: number,
): Promise<{ id: string; dueAtMs: number }[]> {
  const claimed = await statement(tx, claimRows).execute({ processId, nowMs, limit });
  return claimed.map(({ id, dueAtMs }) => ({ id, dueAtMs: dueAtMs ?? nowMs }));
}

/** A page of the tenant's videos by time of making; `after` is the last id of the page before. */
export async function listJobs(
  tx: Tx,
  tenantId: string,
  page: {
    readonly limit: number;
    readonly order: 'asc' | 'desc';
    readonly after: JobRow | null;
  },
): Promise<JobRow[]> {
  const { after, order } = page;
  const past = order === 'asc' ? gt : lt;
  const beyond =
    after === null
      ? undefined
      : or(
          past(jobs.createdAtMs, after.createdAtMs),
          and(eq(jobs.createdAtMs, after.createdAtMs), past(jobs.id, after.id)),
        );
  const direction = order === 'asc' ? asc : desc;
  return await tx
    .select()
    .from(jobs)
    .where(and(eq(jobs.tenantId, tenantId), isNull(jobs.deletedAtMs), beyond))
    .orderBy(direction(jobs.createdAtMs), direction(jobs.id))
    .limit(page.limit);
}

/** The attempts of several jobs, each list in the order they were made. */
export async function attemptsOfJobs(tx: Tx, jobIds: readonly string[]): Promise<Map<string, AttemptRow[]>> {
  const rows =
    jobIds.length === 0
      ? []
      : await tx
          .select()
          .from(attempts)
          .where(inArray(attempts.jobId, [...jobIds]))
          .orderBy(asc(attempts.number));
  const byJob = new Map<string, AttemptRow[]>();
  for (const row of rows) byJob.set(row.jobId, [...(byJob.get(row.jobId) ?? []), row]);
  return byJob;
}

/** The attempt that has this task of this account; null when none has. */
export async function attemptOfTask(tx: Tx, account: string, taskId: string): Promise<string | null> {
  const [row] = await tx
    .select({ id: attempts.id })
    .from(attempts)
    .where(and(eq(attempts.account, account), eq(attempts.taskId, taskId)));
  return row?.id ?? null;
}

const attemptByHook = (tx: Tx) =>
  tx
    .select()
    .from(attempts)
    .where(eq(attempts.hookTokenDigest, sql.placeholder('digest')))
    .prepare();

/** The attempt whose webhook address has the token of this digest. */
export async function attemptOfHook(tx: Tx, digest: string): Promise<AttemptRow | null> {
  const [row] = await statement(tx, attemptByHook).execute({ digest });
  return row ?? null;
}

/** Notes the task that an announcement named. It is a hint: only an attempt whose task nobody knows has a use for it. */
export async function noteAnnouncedTask(tx: Tx, attemptId: string, taskId: string): Promise<void> {
  await tx
    .update(attempts)
    .set({ announcedTaskId: taskId })
    .where(and(eq(attempts.id, attemptId), isNull(attempts.handle)));
}

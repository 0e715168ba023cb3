/** What happened: the jobs of a period as a replay takes them, and what became of each by the ledger's own entries. */
import { and, asc, eq, gt, inArray, lt } from 'drizzle-orm';
import { z } from 'zod';
import type { FailureKind } from '../../providers/contract.ts';
import { newId } from '../ground/id.ts';
import { type Micros, micros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import { type VideoRequest, videoRequestSchema } from '../ground/video-request.ts';
import { readAsked } from '../routing/asked.ts';
import { offerKey, refusalOf, type SeenAttempt } from '../routing/replay-chance.ts';
import type { Outcome } from '../routing/replay-tally.ts';
import type { PastRequest } from '../routing/replay-terms.ts';
import { collectDecidedBy } from '../routing/replay-then.ts';
import type { Tx } from '../store/database.ts';
import { type AttemptRow, apiKeys, attempts, type EntryRow, entries, type JobRow, jobs } from '../store/schema.ts';

export interface PastQuery {
  readonly fromMs: number;
  /** The first instant that is no longer of the period. */
  readonly toMs: number;
  /** Null: of all tenants. */
  readonly tenantId: string | null;
  readonly jobsMax: number;
}

export interface Past {
  readonly requests: readonly PastRequest[];
  /** What became of them, in the same order. */
  readonly outcomes: readonly Outcome[];
  /** Jobs that are not replayed: those that have not ended, and those that their tenants have cancelled. */
  readonly open: number;
  readonly cancelled: number;
  /** When the first job came that there was no room for; null where all of the period was read. */
  readonly cutAtMs: number | null;
}

const PAGE = 200;
const NO_CHANCE = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 };

/**
 * The ended jobs of the period, oldest first, at most `jobsMax` of them. Reads page by page and lets others work between
 * them (`pause`). Ids carry their time, so a period is a range of ids.
 */
export async function readPast(tx: Tx, query: PastQuery, pause: () => Promise<void>): Promise<Past> {
  const { fromMs, toMs, tenantId, jobsMax } = query;
  const keyProviders = await providersOfKeys(tx, tenantId);
  const shapes = collectShapes();
  const decidedBy = collectDecidedBy();
  const requests: PastRequest[] = [];
  const outcomes: Outcome[] = [];
  const skipped = { open: 0, cancelled: 0 };
  let after = newId('video', fromMs, NO_CHANCE);
  for (;;) {
    const page = await jobsAfter(tx, { after, before: newId('video', toMs, NO_CHANCE), tenantId });
    const { attemptsOf, entriesOf } = await detailsOf(
      tx,
      page.map(({ id }) => id),
    );
    for (const job of page) {
      if (requests.length >= jobsMax) return { requests, outcomes, ...skipped, cutAtMs: job.createdAtMs };
      if (job.endedAtMs === null) skipped.open += 1;
      else if (job.state === 'cancelled') skipped.cancelled += 1;
      else {
        const made = attemptsOf.get(job.id) ?? [];
        const booked = entriesOf.get(job.id) ?? [];
        requests.push(toRequest(job, made, booked, { shapes, keyProviders, decidedBy }));
        outcomes.push(toOutcome(job, made, booked));
      }
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE) return { requests, outcomes, ...skipped, cutAtMs: null };
    after = last.id;
    await pause();
  }
}

const JOB_COLUMNS = {
  id: jobs.id,
  tenantId: jobs.tenantId,
  keyId: jobs.keyId,
  state: jobs.state,
  request: jobs.request,
  presentation: jobs.presentation,
  decision: jobs.decision,
  provider: jobs.provider,
  seconds: jobs.seconds,
  fileDurationMs: jobs.fileDurationMs,
  errorCode: jobs.errorCode,
  createdAtMs: jobs.createdAtMs,
  queueUntilMs: jobs.queueUntilMs,
  endedAtMs: jobs.endedAtMs,
};
type Job = Pick<JobRow, keyof typeof JOB_COLUMNS>;

async function jobsAfter(
  tx: Tx,
  { after, before, tenantId }: { readonly after: string; readonly before: string; readonly tenantId: string | null },
): Promise<Job[]> {
  const ofTenant = tenantId === null ? undefined : eq(jobs.tenantId, tenantId);
  return await tx
    .select(JOB_COLUMNS)
    .from(jobs)
    .where(and(gt(jobs.id, after), lt(jobs.id, before), ofTenant))
    .orderBy(asc(jobs.id))
    .limit(PAGE);
}

const ATTEMPT_COLUMNS = {
  id: attempts.id,
  jobId: attempts.jobId,
  state: attempts.state,
  provider: attempts.provider,
  account: attempts.account,
  model: attempts.model,
  failureKind: attempts.failureKind,
  createdAtMs: attempts.createdAtMs,
  endedAtMs: attempts.endedAtMs,
};
type Attempt = Pick<AttemptRow, keyof typeof ATTEMPT_COLUMNS>;
const ENTRY_COLUMNS = {
  jobId: entries.jobId,
  kind: entries.kind,
  attemptId: entries.attemptId,
  amountMicros: entries.amountMicros,
};
type Entry = Pick<EntryRow, keyof typeof ENTRY_COLUMNS>;

async function detailsOf(tx: Tx, jobIds: readonly string[]) {
  const ids = [...jobIds];
  const made = await tx
    .select(ATTEMPT_COLUMNS)
    .from(attempts)
    .where(inArray(attempts.jobId, ids))
    .orderBy(asc(attempts.number));
  const booked = await tx.select(ENTRY_COLUMNS).from(entries).where(inArray(entries.jobId, ids));
  return { attemptsOf: byJob(made), entriesOf: byJob(booked) };
}

function byJob<Row extends { readonly jobId: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const grouped = new Map<string, Row[]>();
  for (const row of rows) {
    const own = grouped.get(row.jobId);
    if (own) own.push(row);
    else grouped.set(row.jobId, [row]);
  }
  return grouped;
}

const names = z.array(z.string());

async function providersOfKeys(tx: Tx, tenantId: string | null): Promise<Map<string, readonly string[] | null>> {
  const ofTenant = tenantId === null ? undefined : eq(apiKeys.tenantId, tenantId);
  const rows = await tx.select({ id: apiKeys.id, providers: apiKeys.providers }).from(apiKeys).where(ofTenant);
  return new Map(rows.map(({ id, providers }) => [id, providers === null ? null : names.parse(JSON.parse(providers))]));
}

interface Around {
  readonly shapes: Shapes;
  readonly keyProviders: ReadonlyMap<string, readonly string[] | null>;
  readonly decidedBy: ReturnType<typeof collectDecidedBy>;
}

const storedAside = z.object({ asked: z.unknown().optional() });

function toRequest(job: Job, made: readonly Attempt[], booked: readonly Entry[], around: Around): PastRequest {
  const routing = readAsked(storedAside.parse(JSON.parse(job.presentation)).asked);
  return {
    id: job.id,
    atMs: job.createdAtMs,
    tenant: job.tenantId,
    requests: around.shapes(job.request, routing.models),
    routing,
    decidedBy: around.decidedBy(job.decision, job.queueUntilMs - job.createdAtMs),
    keyProviders: around.keyProviders.get(job.keyId) ?? null,
    lengthMs: job.seconds === null ? job.fileDurationMs : null,
    seen: made.map((attempt) => toSeen(job, attempt, booked)),
    refused: refusalOf(job.errorCode),
  };
}

function toSeen(job: Job, attempt: Attempt, booked: readonly Entry[]): SeenAttempt {
  const { id, account, model, createdAtMs, endedAtMs } = attempt;
  const of = (kind: Entry['kind']): Micros =>
    sumOf(
      booked.filter((entry) => entry.attemptId === id),
      [kind],
    );
  const doubt = of('suspected_cost') > of('cost_resolution');
  return {
    account,
    model,
    kind: attempt.state === 'succeeded' && job.state === 'completed' ? null : kindOf(attempt),
    seconds: Math.max(0, (endedAtMs ?? createdAtMs) - createdAtMs) / SECOND_MS,
    charged: of('cost') > 0n ? 'charged' : doubt ? 'unknown' : 'free',
  };
}

/** An attempt that stayed in doubt, or whose clip could not be saved, ended its job; so does this kind. */
const kindOf = ({ failureKind }: Attempt): FailureKind => (failureKind as FailureKind | null) ?? 'protocol_error';

function toOutcome(job: Job, made: readonly Attempt[], booked: readonly Entry[]): Outcome {
  const completed = job.state === 'completed';
  const endedAtMs = job.endedAtMs ?? job.createdAtMs;
  const failed = made.filter(({ state }) => state !== 'succeeded' || !completed);
  const ofFailed = booked.filter((entry) => failed.some(({ id }) => id === entry.attemptId));
  const keys = made.map(offerKey);
  const [first] = made;
  return {
    code: completed ? null : (job.errorCode ?? 'unknown'),
    provider: completed ? job.provider : null,
    priceMicros: sumOf(booked, ['settlement', 'adjustment']),
    costMicros: sumOf(booked, ['cost']),
    failureMicros: sumOf(ofFailed, ['cost']),
    suspectedMicros: micros(sumOf(booked, ['suspected_cost']) - sumOf(booked, ['cost_resolution'])),
    waitMs: (first?.createdAtMs ?? endedAtMs) - job.createdAtMs,
    doneMs: endedAtMs - job.createdAtMs,
    attempts: made.length,
    failovers: keys.filter((key, index) => index > 0 && key !== keys[index - 1]).length,
    failedAt: failed.map(({ provider }) => provider),
    lastOffer: keys.at(-1) ?? null,
  };
}

const sumOf = (booked: readonly Entry[], kinds: readonly Entry['kind'][]): Micros =>
  booked
    .filter(({ kind }) => kinds.includes(kind))
    .reduce((sum, { amountMicros }) => sumMicros(sum, amountMicros), ZERO_MICROS);

/** The stored request, and the same for each other model. Throws a ZodError for what is no request. */
type Shapes = (stored: string, models: readonly string[]) => readonly VideoRequest[];

/**
 * Requests that differ in the words of their prompt only become one: of a prompt nothing counts but its length. A month
 * of traffic has a hundred thousand prompts and a few hundred shapes.
 */
function collectShapes(): Shapes {
  const known = new Map<string, readonly VideoRequest[]>();
  return (stored, models) => {
    const raw: Record<string, unknown> = JSON.parse(stored);
    const key = JSON.stringify([{ ...raw, prompt: String(raw.prompt ?? '').length }, models]);
    const found = known.get(key);
    if (found) return found;
    const request = videoRequestSchema.parse(raw);
    const made = [request, ...models.map((model) => ({ ...request, model }))];
    known.set(key, made);
    return made;
  };
}

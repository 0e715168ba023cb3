/** The sums of spend once more, from the entries and the jobs: what is kept must equal it, to the micro-dollar. */
import { asc, sql } from 'drizzle-orm';
import { formatUsd, type Micros, micros } from '../ground/money.ts';
import { utcDay } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import { attempts, entries, jobs, spend, spendTags } from '../store/schema.ts';
import { type Cell, deliveredMs, NO_SUMS, type Sums, TAG_VALUES_A_DAY, type Tag, tagsOf } from './rollup.ts';

const jobRows = (tx: Tx) =>
  tx
    .select({
      id: jobs.id,
      tenantId: jobs.tenantId,
      keyId: jobs.keyId,
      model: jobs.model,
      task: jobs.task,
      resolution: jobs.resolution,
      state: jobs.state,
      provider: jobs.provider,
      seconds: jobs.seconds,
      fileDurationMs: jobs.fileDurationMs,
      presentation: jobs.presentation,
      createdAtMs: jobs.createdAtMs,
    })
    .from(jobs)
    .orderBy(asc(jobs.createdAtMs), asc(jobs.id))
    .prepare();
const entryRows = (tx: Tx) =>
  tx
    .select({
      kind: entries.kind,
      jobId: entries.jobId,
      attemptId: entries.attemptId,
      amountMicros: entries.amountMicros,
    })
    .from(entries)
    .prepare();
const attemptRows = (tx: Tx) => tx.select({ id: attempts.id, provider: attempts.provider }).from(attempts).prepare();
const spendRows = (tx: Tx) => tx.select().from(spend).prepare();
const tagRows = (tx: Tx) => tx.select().from(spendTags).prepare();
const anySpend = (tx: Tx) => tx.select({ one: sql<number>`1` }).from(spend).limit(1).prepare();

type Job = Awaited<ReturnType<ReturnType<typeof jobRows>['execute']>>[number];
type Entry = Awaited<ReturnType<ReturnType<typeof entryRows>['execute']>>[number];

interface Kept {
  readonly cell: Cell & Partial<Tag>;
  readonly sums: Sums;
}
/** Sums by the text of their cell. */
type Book = Map<string, Kept>;

const nameOf = ({ day, tenantId, keyId, model, provider, task, resolution, tag, value }: Kept['cell']): string => {
  const names = [day, tenantId, keyId, model, provider || 'nobody', task, resolution];
  return [...names, ...(tag === undefined ? [] : [`${tag}=${value}`])].join(' ');
};

/** Every sum that is not what the entries and jobs come to, in words. */
export async function faultsOfSums(tx: Tx): Promise<string[]> {
  const keptTags = (await statement(tx, tagRows).execute()).map(({ tag, value, ...row }) =>
    keptOf(row, { tag, value }),
  );
  const kept = [...(await statement(tx, spendRows).execute()).map((row) => keptOf(row)), ...keptTags];
  const registered = registryOf(keptTags);
  const expected = await expectedSums(tx, (day, tenantId, tag) => {
    const known = registered.get(dayKey(day, tenantId));
    // With room left, every tag should be there; without, those that were there first.
    return known === undefined || known.size < TAG_VALUES_A_DAY || known.has(tagKey(tag));
  });
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const { cell, sums } of kept) {
    const name = nameOf(cell);
    seen.add(name);
    faults.push(...differences(name, sums, expected.get(name)?.sums ?? NO_SUMS));
  }
  for (const [name, { sums }] of expected) if (!seen.has(name)) faults.push(...differences(name, NO_SUMS, sums));
  return faults;
}

/** Makes the sums from the entries where there are none yet: a ledger that is older than they are. */
export async function fillSums(tx: Tx): Promise<void> {
  if ((await statement(tx, anySpend).execute()).length > 0) return;
  const registered = new Map<string, Set<string>>();
  const expected = await expectedSums(tx, (day, tenantId, tag) => {
    const known = registered.get(dayKey(day, tenantId)) ?? new Set();
    registered.set(dayKey(day, tenantId), known);
    if (known.size < TAG_VALUES_A_DAY) known.add(tagKey(tag));
    return known.has(tagKey(tag));
  });
  for (const { cell, sums } of expected.values()) {
    const { tag, value, ...plain } = cell;
    if (tag === undefined || value === undefined) await tx.insert(spend).values({ ...plain, ...sums });
    else await tx.insert(spendTags).values({ ...plain, tag, value, ...sums });
  }
}

function keptOf({ jobs: count, ...row }: Cell & Sums, tag?: Tag): Kept {
  const { day, tenantId, keyId, model, provider, task, resolution, ...sums } = row;
  return {
    cell: { day, tenantId, keyId, model, provider, task, resolution, ...tag },
    sums: { jobs: count, ...sums },
  };
}

const dayKey = (day: string, tenantId: string): string => `${day} ${tenantId}`;
const tagKey = ({ tag, value }: Tag): string => JSON.stringify([tag, value]);

function registryOf(tags: readonly Kept[]): Map<string, Set<string>> {
  const registered = new Map<string, Set<string>>();
  for (const { cell } of tags) {
    const key = dayKey(cell.day, cell.tenantId);
    const known = registered.get(key) ?? new Set();
    registered.set(key, known.add(tagKey({ tag: cell.tag ?? '', value: cell.value ?? '' })));
  }
  return registered;
}

async function expectedSums(tx: Tx, isSummed: (day: string, tenantId: string, tag: Tag) => boolean): Promise<Book> {
  const book: Book = new Map();
  const providers = new Map((await statement(tx, attemptRows).execute()).map(({ id, provider }) => [id, provider]));
  const ofJob = new Map<string, Entry[]>();
  for (const entry of await statement(tx, entryRows).execute()) {
    const list = ofJob.get(entry.jobId) ?? [];
    list.push(entry);
    ofJob.set(entry.jobId, list);
  }
  for (const job of await statement(tx, jobRows).execute()) {
    const day = utcDay(job.createdAtMs);
    const tags = tagsOf(job.presentation).filter((tag) => isSummed(day, job.tenantId, tag));
    for (const [provider, sums] of sumsOf(job, ofJob.get(job.id) ?? [], providers)) {
      const { tenantId, keyId, model, task, resolution } = job;
      const cell = { day, tenantId, keyId, model, provider, task, resolution };
      for (const tagged of [cell, ...tags.map((tag) => ({ ...cell, ...tag }))]) put(book, tagged, sums);
    }
  }
  return book;
}

function put(book: Book, cell: Kept['cell'], sums: Partial<Sums>): void {
  const name = nameOf(cell);
  book.set(name, { cell, sums: plus(book.get(name)?.sums ?? NO_SUMS, sums) });
}

type OfProvider = readonly [provider: string, sums: Partial<Sums>];

/** What one job comes to, by provider. */
function sumsOf(job: Job, ofJob: readonly Entry[], providers: ReadonlyMap<string, string>): OfProvider[] {
  const ended = job.state === 'completed' || job.state === 'failed' || job.state === 'cancelled';
  const total = (...kinds: readonly Entry['kind'][]): Micros =>
    micros(
      ofJob.reduce<bigint>((sum, { kind, amountMicros }) => (kinds.includes(kind) ? sum + amountMicros : sum), 0n),
    );
  const settledMicros = total('settlement', 'adjustment');
  const delivered = job.state === 'completed' && {
    completed: 1,
    deliveredMicros: total('settlement'),
    deliveredMs: deliveredMs(job),
  };
  const own: Partial<Sums> = {
    jobs: ofJob.some(({ kind }) => kind === 'hold') ? 1 : 0,
    failed: job.state === 'failed' ? 1 : 0,
    cancelled: job.state === 'cancelled' ? 1 : 0,
    settledMicros,
    ...delivered,
  };
  const paidFor = new Set(ofJob.flatMap(({ kind, attemptId }) => (kind === 'settlement' ? [attemptId] : [])));
  const costs = ofJob.flatMap(({ kind, attemptId, amountMicros }): OfProvider[] => {
    const provider = providers.get(attemptId ?? '') ?? '';
    if (kind === 'suspected_cost') return [[provider, { suspectedMicros: amountMicros }]];
    if (kind === 'cost_resolution') return [[provider, { suspectedMicros: micros(-amountMicros) }]];
    if (kind !== 'cost') return [];
    const failureMicros = micros(paidFor.has(attemptId) ? 0n : amountMicros);
    return [[provider, { costMicros: amountMicros, failureMicros }]];
  });
  return [[ended ? (job.provider ?? '') : '', own], ...costs];
}

const COUNTS = ['jobs', 'completed', 'failed', 'cancelled', 'deliveredMs'] as const;
const AMOUNTS = ['settledMicros', 'deliveredMicros', 'costMicros', 'failureMicros', 'suspectedMicros'] as const;

function plus(a: Sums, b: Partial<Sums>): Sums {
  return {
    ...a,
    ...Object.fromEntries(COUNTS.map((name) => [name, a[name] + (b[name] ?? 0)])),
    ...Object.fromEntries(AMOUNTS.map((name) => [name, micros(a[name] + (b[name] ?? 0n))])),
  };
}

const WORDS = {
  jobs: 'jobs',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  deliveredMs: 'ms delivered',
  settledMicros: 'settled',
  deliveredMicros: 'delivered',
  costMicros: 'cost',
  failureMicros: 'cost of failures',
  suspectedMicros: 'suspected cost',
} as const satisfies Record<keyof Sums, string>;

function differences(name: string, kept: Sums, expected: Sums): string[] {
  const say = (what: string, found: unknown, right: unknown) => `spend ${name}: ${what} ${found}, expected ${right}`;
  return [
    ...COUNTS.filter((sum) => kept[sum] !== expected[sum]).map((sum) => say(WORDS[sum], kept[sum], expected[sum])),
    ...AMOUNTS.filter((sum) => kept[sum] !== expected[sum]).map((sum) =>
      say(WORDS[sum], formatUsd(kept[sum]), formatUsd(expected[sum])),
    ),
  ];
}

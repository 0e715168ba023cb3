/** A real store in a temporary folder, whole rows to put into it, and rate cards: each test changes what it is about. */
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Mint } from '../../src/ground/id.ts';
import { micros, usd } from '../../src/ground/money.ts';
import type { Offer } from '../../src/pricing/offers.ts';
import type { Billable } from '../../src/pricing/price.ts';
import type { Quote } from '../../src/pricing/quote.ts';
import { parseRateCard, type RateCard } from '../../src/pricing/rate-card.ts';
import type { Database } from '../../src/store/database.ts';
import { type AttemptRow, apiKeys, attempts, type JobRow, jobs, tenants } from '../../src/store/schema.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { temporaryFolder } from './temporary.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const DAY_MS = 86_400_000;
/** The instant at which rows are made: the morning of 2026-11-21, UTC. */
export const MADE_AT_MS = Date.UTC(2026, 10, 21, 9);

/** The store in `folder`, closed when the test has finished. */
export function openStore(folder: string = temporaryFolder()): Database {
  const database = openSqlite({ folder, migrationsFolder: `${ROOT}/migrations` });
  onTestFinished(() => database.close());
  return database;
}

/** A store with the tenant and the key that `jobRow` belongs to. */
export async function openStoreWithTenant(folder?: string): Promise<Database> {
  const database = openStore(folder);
  await database.write(async (tx) => {
    const fields = { name: 'Acme', createdAtMs: MADE_AT_MS };
    await tx.insert(tenants).values({ id: 'ten_acme', markupPercent: '0', policy: '{}', ...fields });
    const shown = { prefix: 'sk-reelay-abcd', lastFour: 'wxyz' };
    await tx.insert(apiKeys).values({ id: 'key_acme', tenantId: 'ten_acme', digest: 'digest', ...shown, ...fields });
  });
  return database;
}

/** Puts the rows in, in one commit. */
export async function store(database: Database, rows: { jobs?: JobRow[]; attempts?: AttemptRow[] }): Promise<void> {
  await database.write(async (tx) => {
    for (const row of rows.jobs ?? []) await tx.insert(jobs).values(row);
    for (const row of rows.attempts ?? []) await tx.insert(attempts).values(row);
  });
}

/** A queued job that holds one dollar. */
export function jobRow(change: Partial<JobRow> = {}): JobRow {
  return {
    id: 'video_1',
    tenantId: 'ten_acme',
    keyId: 'key_acme',
    state: 'queued',
    model: 'kling-v3',
    task: 'text_to_video',
    resolution: '720p',
    seconds: 5,
    audio: false,
    request: '{}',
    presentation: '{}',
    decision: JSON.stringify({ candidates: [], hold: '0', markup: '0', warnings: [] }),
    holdMicros: micros(1_000_000n),
    settledMicros: micros(0n),
    provider: null,
    attempts: 0,
    errorCode: null,
    errorMessage: null,
    leaseOwner: 'process_1',
    leaseToken: 1,
    dueAtMs: MADE_AT_MS,
    createdAtMs: MADE_AT_MS,
    startedAtMs: null,
    endedAtMs: null,
    queueUntilMs: MADE_AT_MS + DAY_MS,
    deadlineAtMs: MADE_AT_MS + DAY_MS,
    cancelRequestedAtMs: null,
    saveTries: 0,
    fileBytes: null,
    fileDigest: null,
    fileType: null,
    fileWidth: null,
    fileHeight: null,
    fileDurationMs: null,
    expiresAtMs: null,
    deletedAtMs: null,
    fingerprint: null,
    idempotencyKey: null,
    retryCount: 0,
    fileRemovedAtMs: null,
    ...change,
  };
}

/** What ending means for a job's columns: nothing is due, and a completed one has its file. */
export const FAILED = { state: 'failed', dueAtMs: null, endedAtMs: MADE_AT_MS } as const;
export const COMPLETED = { ...FAILED, state: 'completed', fileDigest: 'a1', fileBytes: 1 } as const;

/** The first attempt of `video_1`, submitted and not yet answered; it holds a slot. */
export function attemptRow(change: Partial<AttemptRow> = {}): AttemptRow {
  return {
    id: 'att_1',
    jobId: 'video_1',
    number: 1,
    state: 'submitting',
    provider: 'atlas',
    account: 'atlas',
    lane: 'atlas',
    model: 'kling-v3',
    upstream: 'kling/v3',
    costMicros: micros(355_000n),
    priceMicros: micros(355_000n),
    card: 'atlas@2026-09-29',
    rate: 'kling-v3 text_to_video 720p silent',
    taskId: null,
    handle: null,
    videoUrlSealed: null,
    usage: null,
    providerVideoId: null,
    slotHeld: true,
    hookTokenDigest: null,
    announcedTaskId: null,
    lapsingUnits: 0n,
    failureKind: null,
    failureDetail: null,
    choice: null,
    againAtMs: null,
    readFailures: 0,
    troubledAtMs: null,
    lostAtMs: null,
    lookFailures: 0,
    repeats: 0,
    absences: 0,
    absentAtMs: null,
    createdAtMs: MADE_AT_MS,
    sendByMs: MADE_AT_MS + 60_000,
    acceptedAtMs: null,
    endedAtMs: null,
    cancelAskedAtMs: null,
    ...change,
  };
}

/** Ids that count: `ent_001`, `ent_002`, in the order in which they are made. */
export function countingMint(): Mint {
  let made = 0;
  return (prefix) => {
    made += 1;
    return `${prefix}_${String(made).padStart(3, '0')}`;
  };
}

/** One row of a rate card: kling-v3 from text, silent, in 720p, and whatever is changed. */
export const rate = (change: object): object => ({
  model: 'kling-v3',
  tasks: ['text_to_video'],
  resolution: '720p',
  audio: false,
  ...change,
});

const validity = { validity_days: 30, concurrent_tasks: 5 };
/** Two resource packages to draw units from; without a choice it is `package-1`. */
export const PACKAGES = [
  { id: 'trial', price_usd: 9.8, units: 100, unit_price_usd: 0.098, ...validity },
  { id: 'package-1', price_usd: 700, units: 5_000, unit_price_usd: 0.14, ...validity },
];

/** A rate card as the text of its file; JSON is YAML. An undefined field is left out. */
export function cardText(change: object = {}): string {
  return JSON.stringify({
    card: 'test-card',
    effective: '2026-11-01',
    source: { document: 'a price page', date: '2026-11-01', read: '2026-11-01' },
    currency: 'USD',
    kind: 'per_second',
    failed: 'free',
    limits: { min_seconds: 3, max_seconds: 15 },
    rates: [rate({ usd_per_second: 0.1 })],
    ...change,
  });
}

export const cardOf = (change: object = {}): RateCard => parseRateCard(cardText(change), 'test-card.yaml');

/** The clip that the row of `rate` prices: five seconds. */
export function billable(change: Partial<Billable>): Billable {
  const clip = { model: 'kling-v3', task: 'text_to_video', resolution: '720p', lengthMs: 5_000 } as const;
  const plain = { audio: false, voiceControl: false, input: 'text', orientation: null, mode: null } as const;
  return { ...clip, ...plain, ...change };
}

/** What a provider asks for a clip of the model `m`, in dollars; `cost` is what it asks of us. */
export function offer(
  provider: string,
  dollars: number,
  change: { cost?: number; model?: string; failed?: 'charged'; units?: bigint } = {},
): Offer {
  const { cost = dollars, model = 'm', failed = 'free', units = 0n } = change;
  const form = { task: 'text_to_video', resolutions: ['720p'], sound: 'never', takes: {} } as const;
  const capability = { ...form, model, upstream: `${provider}/${model}` };
  const lines = [{ what: 'row, 5 s', quantity: 5, unit: 'second', rate_usd: cost / 5, usd: cost }] as const;
  const card = { id: 'card', effective: '2026-11-01', source: 'a price page' };
  const money = { costMicros: usd(cost), priceMicros: usd(dollars), lines };
  const quote: Quote = { ...money, card, rate: 'row', billableSeconds: 5, units, failed, warnings: [] };
  return { kind: 'offer', provider, account: provider, model, capability, quote };
}

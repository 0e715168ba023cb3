/** A store in which every slot is taken and many jobs of several tenants wait, and the queue that deals slots to them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { connectAccount, sellersOf } from '../src/accounts.ts';
import { readConfig } from '../src/config.ts';
import { createLog } from '../src/ground/log.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS, systemClock } from '../src/ground/time.ts';
import type { VideoRequest } from '../src/ground/video-request.ts';
import { laneOf } from '../src/jobs/lane.ts';
import { type OfferName, Outlook } from '../src/jobs/outlook.ts';
import { SlotQueue } from '../src/jobs/queue.ts';
import { loadJob } from '../src/jobs/rows.ts';
import { waitOf } from '../src/jobs/wait.ts';
import { loadRateCards } from '../src/pricing/cards.ts';
import { consider } from '../src/routing/consider.ts';
import { writeDecision } from '../src/routing/decision.ts';
import { NO_ROUTING, type TenantPolicy } from '../src/routing/policy.ts';
import type { Route } from '../src/routing/route.ts';
import { type Conditions, idleConditions } from '../src/routing/score.ts';
import type { LaneOption, Waiter } from '../src/routing/waiter.ts';
import { openSqlite } from '../src/store/sqlite.ts';

/** Half of all waiting jobs are the first tenant's. */
const TENANTS = 20;
/** Finished clips of the last hour, by which health and durations are judged. */
const HISTORY = 600;
const GENERATION_MS = 120 * SECOND_MS;

/** Enough that ten thousand clips are made within the six hours that they wait. */
const SLOTS = '30';

const config = readConfig({
  KLING_API_KEY: 'key-of-nobody',
  EVOLINK_API_KEY: 'key-of-nobody',
  ATLASCLOUD_API_KEY: 'key-of-nobody',
  FAL_KEY: 'key-of-nobody',
  PIAPI_API_KEY: 'key-of-nobody',
  KLING_CONCURRENCY: SLOTS,
  EVOLINK_CONCURRENCY: SLOTS,
  ATLASCLOUD_CONCURRENCY: SLOTS,
  FAL_CONCURRENCY: SLOTS,
  PIAPI_CONCURRENCY: SLOTS,
});
const connected = config.accounts.map(connectAccount);
const accounts = new Map(connected.map((account) => [account.id, account]));
const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url));

/** The five providers, each with one account that nobody ever calls. */
export const sellers = sellersOf(connected, false);
export const cards = loadRateCards(config.rateCardsDir);

/** A clip of ten seconds from text, of any model. */
export const clip = (model: string): VideoRequest => ({
  model,
  task: 'text_to_video',
  prompt: 'a red kite over dunes',
  seconds: 10,
  resolution: '720p',
  aspectRatio: '16:9',
  audio: false,
  references: [],
  elements: [],
  voices: [],
  watermark: false,
});

/** The decision over all providers and these models, on a quiet day; `policy` is the tenant's. */
export function decideOn(models: readonly string[], policy: TenantPolicy = {}): Route {
  return consider({
    requests: models.map(clip),
    routing: NO_ROUTING,
    asker: { policy, maxPriceMicros: null, markupPercent: '7.5' },
    sellers,
    cards,
    conditionsOf: () => idleConditions(5),
    nowMs: systemClock.nowMs(),
  });
}

/** How a tenant wants its clips routed: some want the cheapest, whatever the wait. Nobody leaves a provider out. */
const WISHES = [{}, { value_of_time_usd_per_hour: 20 }, { sort: 'price' as const }];

/** What else than a full house it is to be. */
export interface House {
  /** Everybody wants the cheapest, whatever the wait. */
  readonly byPrice?: boolean;
  /** No slot of this one is taken. */
  readonly idle?: 'cheapest' | 'dearest';
  /** The circuit of the one that is idle is open. */
  readonly unwell?: boolean;
}

/** An outlook that finds the circuits of one account open, as long as anybody looks. */
class UnwellAt extends Outlook {
  private readonly account: string | null;

  constructor(deps: ConstructorParameters<typeof Outlook>[0], account: string | null) {
    super(deps);
    this.account = account;
  }

  override conditionsOf(offer: OfferName): Conditions {
    const known = super.conditionsOf(offer);
    return offer.account === this.account ? { ...known, unhealthy: 'circuit open' } : known;
  }
}

/** A full house: all slots taken, or as `House` says, `count` jobs waiting. */
export interface Waiting {
  readonly count: number;
  readonly queue: SlotQueue;
  readonly outlook: Outlook;
  /** Every job that waits, oldest first. */
  readonly waiters: readonly Waiter[];
  /** One more job of the tenant that has most waiting; it does not wait yet. */
  readonly newcomer: Waiter;
  /** The lanes that the jobs may use, cheapest first. */
  readonly lanes: readonly LaneOption[];
  /** Ends a task of the lane in the rows, or begins one. */
  readonly setTaken: (lane: string, taken: boolean) => void;
  /** Lets time pass for the queue, without waiting for it. */
  readonly pass: (ms: number) => void;
  /** The jobs whose turn has come, one after the other. */
  readonly granted: string[];
  readonly close: () => Promise<void>;
}

/** Fills a store of its own and lets every job ask for a slot. */
export async function openWaiting(
  count: number,
  { byPrice = false, idle, unwell = false }: House = {},
): Promise<Waiting> {
  const folder = mkdtempSync(join(tmpdir(), 'reelay-bench-'));
  const database = openSqlite({ folder, migrationsFolder });
  const rows = new Sqlite(join(folder, 'reelay.db'));
  rows.pragma('synchronous = OFF');
  const wishes = byPrice ? WISHES.filter(({ sort }) => sort === 'price') : WISHES;
  const routes = wishes.map((policy) =>
    decideOn(['kling-v3'], { ...policy, max_premium: 10, queue_timeout_seconds: 21_600 }),
  );
  const lanes = (routes[0]?.route ?? []).map(({ account, model }) => lane(account, model));
  const empty = idle === 'cheapest' ? lanes[0] : idle === 'dearest' ? lanes.at(-1) : undefined;
  fill(rows, { waiting: count, lanes, routes, empty });
  const settings = { ...config, firstPollMs: config.pollMs };
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  const deps = { clock, log: createLog('silent'), accounts, database, settings };
  const outlook = new UnwellAt(deps, unwell ? (empty?.account ?? null) : null);
  const granted: string[] = [];
  const queue = new SlotQueue(deps, outlook, (jobId) => granted.push(jobId));
  const waiters: Waiter[] = [];
  for (let job = 0; job <= count; job += 1) {
    const row = await database.read((tx) => loadJob(tx, `video_${job}`));
    const waiter = row && waitOf(deps, row, [], () => true);
    if (waiter === null || typeof waiter === 'string') throw new Error(`video_${job} does not wait: ${waiter}`);
    waiters.push(waiter);
  }
  const [newcomer, ...others] = waiters.toReversed();
  if (!newcomer) throw new Error('nobody waits');
  await Promise.all(others.map((waiter) => queue.ask(waiter)));
  const take = rows.prepare('update lanes set running = running + ? where lane = ?');
  const hold = rows.prepare('update attempts set slot_held = ? where lane = ? and id like ?');
  return {
    ...{ count, queue, outlook, granted, waiters: others.toReversed(), newcomer },
    lanes: newcomer.options,
    pass: (ms) => {
      aheadMs += ms;
    },
    setTaken(name, taken) {
      rows.transaction(() => {
        take.run(taken ? 1 : -1, name);
        hold.run(taken ? 1 : 0, name, 'att_running_%_0');
      })();
    },
    async close() {
      queue.stop();
      await database.close();
      rows.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Lane {
  readonly account: string;
  readonly model: string;
  readonly name: string;
  readonly slots: number;
  readonly upstream: string;
}

function lane(id: string, model: string): Lane {
  const account = accounts.get(id);
  const upstream = account?.provider.capabilities.find((capability) => capability.model === model)?.upstream;
  if (!account || upstream === undefined) throw new Error(`${id} does not sell ${model}`);
  return { account: id, model, name: laneOf(account, model), slots: account.slots, upstream };
}

type AddRow = (...values: readonly (string | number | bigint | null)[]) => void;

function adder(rows: Sqlite.Database, text: string): AddRow {
  const statement = rows.prepare(text);
  return (...values) => void statement.run(...values);
}

interface Filling {
  readonly waiting: number;
  readonly lanes: readonly Lane[];
  /** The ways in which the jobs want to be routed, in turn. */
  readonly routes: readonly Route[];
  /** The lane in which nothing runs. */
  readonly empty: Lane | undefined;
}

/** Tenants, the waiting jobs, a task in every slot, and clips that were made before. */
function fill(rows: Sqlite.Database, { waiting, lanes, routes, empty }: Filling): void {
  const nowMs = systemClock.nowMs();
  const addLane = adder(rows, 'insert into lanes (lane, running) values (?, ?)');
  const addJob = jobAdder(rows, routes);
  const addAttempt = attemptAdder(rows, addJob);
  rows.transaction(() => {
    addTenants(rows);
    for (let index = 0; index <= waiting; index += 1) {
      addJob(`video_${index}`, { index, state: 'queued', atMs: nowMs - waiting + index });
    }
    for (const at of lanes) {
      const taken = at === empty ? 0 : at.slots;
      addLane(at.name, taken);
      for (let slot = 0; slot < taken; slot += 1) {
        addAttempt(`running_${at.account}_${slot}`, at, { madeAtMs: nowMs - MINUTE_MS, endedAtMs: null });
      }
    }
    for (let made = 0; made < HISTORY; made += 1) {
      const at = lanes[made % lanes.length];
      const madeAtMs = nowMs - HOUR_MS + made * 5 * SECOND_MS;
      if (at) addAttempt(`made_${made}`, at, { madeAtMs, endedAtMs: madeAtMs + GENERATION_MS });
    }
  })();
}

function addTenants(rows: Sqlite.Database): void {
  const addTenant = adder(
    rows,
    "insert into tenants (id, name, markup_percent, policy, created_at_ms) values (?, 'bench', '7.5', '{}', 0)",
  );
  const addKey = adder(
    rows,
    `insert into api_keys (id, tenant_id, name, digest, prefix, last_four, created_at_ms)
     values (?, ?, 'bench', ?, '', '', 0)`,
  );
  for (let owner = 0; owner < TENANTS; owner += 1) {
    addTenant(`ten_${owner}`);
    addKey(`key_${owner}`, `ten_${owner}`, `digest_${owner}`);
  }
}

interface NewJob {
  readonly index: number;
  readonly state: 'queued' | 'running';
  readonly atMs: number;
}
type AddJob = (id: string, job: NewJob) => void;

/** Every other job is the first tenant's; its way of routing goes by its number, too. */
function jobAdder(rows: Sqlite.Database, routes: readonly Route[]): AddJob {
  const add = adder(
    rows,
    `insert into jobs (id, tenant_id, key_id, state, model, task, resolution, seconds, audio, request, presentation,
       decision, hold_micros, settled_micros, attempts, lease_owner, lease_token, due_at_ms, created_at_ms,
       queue_until_ms, deadline_at_ms, save_tries, retry_count)
     values (?, ?, ?, ?, 'kling-v3', 'text_to_video', '720p', 10, 0, ?, '{}', ?, ?, 0, 0, 'process_bench', 1, ?, ?, ?,
       ?, 0, 0)`,
  );
  const request = JSON.stringify(clip('kling-v3'));
  const stored = routes.map((route) => ({
    decision: writeDecision(route, { markup: '7.5', warnings: [] }),
    hold: route.holdMicros,
  }));
  return (id, { index, state, atMs }) => {
    const owner = index % 2 === 0 ? 0 : ((index - 1) / 2) % TENANTS;
    const { decision, hold } = stored[index % stored.length] ?? { decision: '', hold: 0n };
    const endMs = atMs + 6 * HOUR_MS;
    add(id, `ten_${owner}`, `key_${owner}`, state, request, decision, hold, atMs, atMs, endMs, endMs);
  };
}

interface NewAttempt {
  readonly madeAtMs: number;
  /** Null while it runs and holds a slot. */
  readonly endedAtMs: number | null;
}
type AddAttempt = (id: string, at: Lane, attempt: NewAttempt) => void;

function attemptAdder(rows: Sqlite.Database, addJob: AddJob): AddAttempt {
  const add = adder(
    rows,
    `insert into attempts (id, job_id, number, state, provider, account, lane, model, upstream, cost_micros,
       price_micros, card, rate, slot_held, lapsing_units, absences, created_at_ms, send_by_ms, accepted_at_ms, ended_at_ms,
       task_id, handle)
     values (?, ?, 1, ?, ?, ?, ?, ?, ?, 710000, 710000, 'card', 'row', ?, 0, 0, ?, ?, ?, ?, ?, '{}')`,
  );
  return (id, { account, name, model, upstream }, { madeAtMs, endedAtMs }) => {
    addJob(`video_${id}`, { index: 0, state: 'running', atMs: madeAtMs });
    const state = endedAtMs === null ? 'running' : 'succeeded';
    const offered = [account, account, name, model, upstream];
    const held = endedAtMs === null ? 1 : 0;
    add(`att_${id}`, `video_${id}`, state, ...offered, held, madeAtMs, madeAtMs, madeAtMs, endedAtMs, id);
  };
}

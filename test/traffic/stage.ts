/**
 * A gateway on the virtual clock: the real worker, queue, ledger and SQLite, the five real adapters at the rate cards
 * that are shipped, against the five real emulators. What a run leaves behind are its rows.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { asc } from 'drizzle-orm';
import { sellersOf } from '../../src/accounts.ts';
import { createMint } from '../../src/ground/id.ts';
import type { Log } from '../../src/ground/log.ts';
import { Secret } from '../../src/ground/secret.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, slewed } from '../../src/ground/time.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { admit } from '../../src/jobs/admit.ts';
import type { Deps } from '../../src/jobs/deps.ts';
import { Worker } from '../../src/jobs/worker.ts';
import { insertTenant } from '../../src/ledger/tenant.ts';
import { loadRateCards } from '../../src/pricing/cards.ts';
import type { Seller } from '../../src/pricing/offers.ts';
import { writeAsked } from '../../src/routing/asked.ts';
import { consider } from '../../src/routing/consider.ts';
import { NO_ROUTING, type TenantPolicy } from '../../src/routing/policy.ts';
import type { Database } from '../../src/store/database.ts';
import { type AttemptRow, apiKeys, attempts, type JobRow, jobs } from '../../src/store/schema.ts';
import { Sealer } from '../../src/store/seal.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { Chance } from '../simulation/chance.ts';
import { deliverHook, freshFolder, migrationsFolder } from '../simulation/stage.ts';
import { VirtualClock } from '../simulation/virtual-clock.ts';
import { Emulated } from './emulated.ts';
import { MemoryFiles } from './memory-files.ts';
import { Quiet } from './quiet.ts';
import { byProvider, type Clip, FLOOD, type Generation, type Order, PROVIDER_IDS, SMALL_TENANTS } from './trace.ts';

/** The tenant for whom every offer makes its first clip, so that the router has measured each when the trace begins. */
const FIRST = 'ten_first';
const MARKUP = '0';
const silent: Log = { info: () => {}, warn: () => {}, error: () => {}, flush: () => {} };
const cards = loadRateCards(join(import.meta.dirname, '../../rate-cards'));

export interface StageOptions {
  /** Dollars per hour of waiting. */
  readonly valueOfTime: number;
  /** False: no announcements; ends are found by polling alone. */
  readonly hooks?: boolean;
  /** How long clips take; by provider alone when absent. */
  readonly generation?: Generation;
}

/** Everybody may ask everybody: a premium is worth it where it saves enough time. */
export const policyOf = ({ valueOfTime }: Pick<StageOptions, 'valueOfTime'>): TenantPolicy => ({
  max_premium: 1,
  value_of_time_usd_per_hour: valueOfTime,
  queue_timeout_seconds: 7_200,
});

/** An order with what became of it. */
export interface Ran {
  readonly job: JobRow;
  readonly attempts: readonly AttemptRow[];
}

export class Stage {
  readonly clock = new VirtualClock();
  readonly database: Database;
  readonly deps: Deps;
  readonly worker: Worker;
  readonly emulated: Emulated;
  readonly sellers: readonly Seller[];
  /** Faults of the gateway's own, by what was logged. */
  readonly complaints: unknown[] = [];
  /** The instant of the trace's first moment, once it runs. */
  beganAtMs = 0;
  private readonly quiet = new Quiet();
  private readonly folder: string;
  private readonly options: StageOptions;

  private constructor(folder: string, options: StageOptions) {
    this.folder = folder;
    this.options = options;
    const chance = new Chance(1);
    this.database = openSqlite({ folder, migrationsFolder, withoutLock: true });
    const ready: { stage?: Stage } = { stage: this };
    const { clock: virtual, quiet } = this;
    // What it says is not looked at: it wakes the job, which then reads its task.
    const send = (url: string): void => void quiet.during(deliverHook(this, url, 'as announced'));
    const generation = options.generation ?? byProvider;
    this.emulated = new Emulated(folder, { clock: virtual, quiet, send, generation });
    const clock = slewed(this.clock);
    const files = new MemoryFiles();
    const error = (message: string, fields?: object): void => void this.complaints.push({ message, ...fields });
    this.deps = {
      database: this.watched(this.database),
      files,
      wire: this.emulated.wire(),
      downloads: this.emulated.downloads(),
      inspect: (path) => files.inspect(path),
      clock,
      wallMs: () => this.clock.nowMs(),
      random: chance,
      mint: createMint(clock, chance),
      log: { ...silent, error, warn: error },
      sealer: new Sealer(new Secret('the traffic keeps no secrets'), chance),
      cards,
      accounts: this.emulated.accounts,
      settings: {
        firstPollMs: 5 * SECOND_MS,
        doubtMs: HOUR_MS,
        leaseMs: MINUTE_MS,
        retentionMs: 30 * DAY_MS,
        publicUrl: options.hooks === false ? null : 'https://reelay.example',
        storePrompts: true,
      },
      signals: { slotFreed: () => ready.stage?.worker.slotFreed() },
      processId: 'process_1',
    };
    this.worker = new Worker(this.deps);
    this.sellers = sellersOf([...this.emulated.accounts.values()], true);
  }

  /** A gateway with its tenants, that has measured every offer of the trace once. To be closed. */
  static async open(options: StageOptions): Promise<Stage> {
    const stage = new Stage(freshFolder(), options);
    for (const id of [FLOOD, ...SMALL_TENANTS, FIRST]) await stage.addTenant(id);
    void stage.quiet.during(stage.worker.start());
    await stage.quiet.reached();
    await stage.measureOffers();
    return stage;
  }

  async close(): Promise<void> {
    await this.worker.stop();
    await this.database.close();
    this.emulated.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Lets the trace happen, until its last job has ended. What became of it comes back in its order. */
  async run(trace: readonly Order[]): Promise<readonly Ran[]> {
    this.beganAtMs = this.clock.nowMs();
    const ids = trace.map(() => '');
    for (const [index, order] of trace.entries()) {
      this.clock.after(order.atMs, () => {
        const placed = this.order(order.tenant, order).then((id) => ids.splice(index, 1, id));
        void this.quiet.during(placed);
      });
    }
    await this.untilEnded(() => !ids.includes(''));
    return await this.ran(ids);
  }

  /** One clip of each resolution at each provider: the router believes in two minutes until it has seen one. */
  private async measureOffers(): Promise<void> {
    for (const provider of PROVIDER_IDS) {
      for (const resolution of ['720p', '1080p'] as const) {
        await this.quiet.during(this.order(FIRST, { seconds: 5, resolution, audio: false }, [provider]));
      }
    }
    await this.untilEnded(() => true);
  }

  /** Orders a clip as the front door does: considered at the conditions of this moment, admitted, taken up. */
  private async order(tenantId: string, clip: Clip, only: readonly string[] | null = null): Promise<string> {
    const { deps, worker } = this;
    const policy = policyOf(this.options);
    const request = requestFor(clip);
    const routing = { ...NO_ROUTING, only };
    const route = consider({
      requests: [request],
      routing,
      asker: { policy, maxPriceMicros: null, markupPercent: MARKUP },
      sellers: this.sellers,
      cards,
      conditionsOf: (offer) => worker.conditionsOf(offer, tenantId),
      nowMs: deps.clock.nowMs(),
    });
    const videoId = deps.mint('video');
    const plain = { model: request.model, size: '', estimate: 0, metadata: {}, warnings: [] };
    await admit(deps, {
      videoId,
      tenant: tenantOf(tenantId, policy, 0),
      key: keyOf(tenantId),
      request,
      presentation: { ...plain, seconds: String(clip.seconds), asked: writeAsked(routing, []) },
      route,
      repeat: { fingerprint: videoId, idempotencyKey: null, retryCount: 0 },
    });
    worker.take(videoId);
    return videoId;
  }

  private async addTenant(id: string): Promise<void> {
    const createdAtMs = this.deps.clock.nowMs();
    await this.database.write(async (tx) => {
      await insertTenant(tx, tenantOf(id, policyOf(this.options), createdAtMs));
      await tx.insert(apiKeys).values({ ...keyOf(id), models: null, providers: null, digest: id, createdAtMs });
    });
  }

  /** Lets time pass until every job that was admitted has ended. */
  private async untilEnded(isAdmitted: () => boolean): Promise<void> {
    await this.quiet.reached();
    const open = async (): Promise<boolean> => {
      const rows = await this.database.read((tx) => tx.select({ dueAtMs: jobs.dueAtMs }).from(jobs));
      return rows.some(({ dueAtMs }) => dueAtMs !== null);
    };
    while (!isAdmitted() || (await open())) {
      const untilMs = this.clock.monotonicMs() + 10 * SECOND_MS;
      this.clock.after(10 * SECOND_MS, () => {});
      while (this.clock.monotonicMs() < untilMs && this.clock.step()) await this.quiet.reached();
      if (this.clock.nowMs() > this.beganAtMs + 6 * HOUR_MS && this.beganAtMs > 0) throw new Error('jobs do not end');
    }
  }

  private async ran(ids: readonly string[]): Promise<Ran[]> {
    const rows = await this.database.read(async (tx) => tx.select().from(jobs));
    const made = await this.database.read(async (tx) => tx.select().from(attempts).orderBy(asc(attempts.number)));
    return ids.flatMap((id) => {
      const job = rows.find((row) => row.id === id);
      return job ? [{ job, attempts: made.filter(({ jobId }) => jobId === id) }] : [];
    });
  }

  private watched(database: Database): Database {
    return {
      write: (work) => this.quiet.during(database.write(work)),
      read: (work) => this.quiet.during(database.read(work)),
      snapshot: (work) => database.snapshot(work),
      isWritable: () => true,
      close: async () => {},
    };
  }
}

const tenantOf = (id: string, policy: TenantPolicy, createdAtMs: number) => ({
  ...{ id, name: id, policy, markupPercent: MARKUP, createdAtMs },
  ...{ maxPriceMicros: null, concurrency: null, ratePerMinute: null },
});

const keyOf = (tenantId: string) => ({
  ...{ id: `key_${tenantId}`, tenantId, name: tenantId, prefix: 'sk', lastFour: 'wxyz', createdAtMs: 0 },
  ...{ expiresAtMs: null, revokedAtMs: null, models: null, providers: null, ratePerMinute: null },
});

const requestFor = ({ seconds, resolution, audio }: Clip): VideoRequest => ({
  ...{ model: 'kling-v3', task: 'text_to_video', prompt: 'a red kite over dunes', seconds, resolution, audio },
  ...{ aspectRatio: '16:9', references: [], elements: [], voices: [], watermark: false },
});

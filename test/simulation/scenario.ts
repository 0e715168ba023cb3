import { setImmediate as turn } from 'node:timers/promises';
import { MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import { admit } from '../../src/jobs/admit.ts';
import { credentialDigest, credentialPrint } from '../../src/jobs/resend.ts';
import { putKeyReplay } from '../../src/jobs/resend-rows.ts';
import { loadAttempts, loadJob } from '../../src/jobs/rows.ts';
import { entriesOfJob } from '../../src/ledger/account.ts';
import type { RequestRouting } from '../../src/routing/policy.ts';
import type { Database } from '../../src/store/database.ts';
import type { AttemptRow, EntryRow, JobRow } from '../../src/store/schema.ts';
import type { KeyReplayRow } from '../../src/store/schema-resend.ts';
import { Chance } from './chance.ts';
import { faultsAtEnd, faultsOfBooks } from './invariants.ts';
import { type LostClips, lostClips } from './lost.ts';
import { SimulatedProcess, type Surroundings } from './process.ts';
import { addTenant, admissionFor, deliverHook, giveBack, type Place, takePlace } from './stage.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type Weather, World } from './world.ts';

/** Nothing goes wrong by itself. */
export const FAIR: Weather = {
  refuse: 0,
  cutBefore: 0,
  cutAfter: 0,
  hang: 0,
  html: 0,
  busy: 0,
  readFault: 0,
  taskFails: 0,
  taskStrange: 0,
  taskStuck: 0,
  badFile: 0,
};

export interface ScenarioOptions {
  readonly weather?: Partial<Weather>;
  /** How the world is made, where a test scripts what it answers. */
  readonly makeWorld?: (clock: VirtualClock, chance: Chance, weather: Weather) => World;
  readonly publicUrl?: string | null;
  readonly doubtMs?: number;
  readonly leaseMs?: number;
  readonly seed?: number;
}

/**
 * A story told on the virtual clock: one tenant, requests, and what a test, or a seed, lets happen to them. To be closed
 * when it has been told.
 */
export class Scenario {
  readonly clock = new VirtualClock();
  readonly world: World;
  readonly processes: SimulatedProcess[] = [];
  readonly database: Database;
  /** Set by a test: called at every crossing of a seam. */
  onCross: (process: SimulatedProcess) => void = () => {};
  storeDown = false;
  /** Writes that the store itself has refused so far. */
  refusals = 0;
  /** The videos that were promised, in the order in which their holds were committed. */
  readonly admitted: string[] = [];
  /** Videos that their tenant has wished to cancel. */
  readonly cancelled = new Set<string>();
  private readonly place: Place;
  private readonly around: Surroundings;
  private stirred = 0;
  private audited: { readonly version: number; readonly faults: readonly string[] } | null = null;

  private constructor(place: Place, options: ScenarioOptions) {
    const { folder, database } = place;
    this.place = place;
    this.database = database;
    const chance = new Chance(options.seed ?? 1);
    const weather = { ...FAIR, ...options.weather };
    const make = options.makeWorld ?? ((clock, own, of) => new World(clock, own, of));
    this.world = make(this.clock, chance.split(), weather);
    this.world.onCall = (hook, taskId) => {
      const { running } = this;
      if (running) void this.deliver(running, hook, taskId);
    };
    this.around = {
      clock: this.clock,
      world: this.world,
      chance: chance.split(),
      weather,
      database,
      folder,
      settings: {
        firstPollMs: 5 * SECOND_MS,
        doubtMs: options.doubtMs ?? 60 * MINUTE_MS,
        leaseMs: options.leaseMs ?? MINUTE_MS,
        retentionMs: 30 * 24 * 60 * MINUTE_MS,
        publicUrl: options.publicUrl ?? null,
        storePrompts: true,
      },
      storeDown: () => this.storeDown,
      stir: () => this.stir(),
      refused: () => {
        this.refusals += 1;
      },
      cross: (process) => this.onCross(process),
    };
  }

  private async deliver(process: SimulatedProcess, hook: string, taskId: string): Promise<void> {
    const accepted = await deliverHook(process, hook, taskId);
    const task = this.world.tasks.find(({ id }) => id === taskId);
    if (accepted && task?.hook === hook) task.announced = true;
  }

  static async open(options: ScenarioOptions = {}): Promise<Scenario> {
    const scenario = new Scenario(await takePlace(), options);
    await addTenant(scenario.database, scenario.clock.nowMs());
    return scenario;
  }

  async close(): Promise<void> {
    for (const process of this.processes) process.kill();
    await this.quiet();
    await giveBack(this.place);
  }

  /** The first process that neither is dead nor frozen. */
  get running(): SimulatedProcess | undefined {
    return this.processes.find((process) => process.isRunning);
  }

  /** Says that something has moved outside of the processes, so that `quiet` waits for what comes of it. */
  stir(): void {
    this.stirred += 1;
  }

  /** Starts a gateway process; what it finds open it takes over as its leases allow. */
  async start(): Promise<SimulatedProcess> {
    const started = new SimulatedProcess(this.processes.length + 1, this.around);
    this.processes.push(started);
    const begin = async (): Promise<void> => {
      if (started.isDead) return;
      await started.worker.start().catch(() => this.clock.after(SECOND_MS, () => void begin()));
    };
    void begin();
    await this.quiet();
    return started;
  }

  /** Admits a clip at the process; its id, once the hold is committed. Throws when it was not. */
  async request(process: SimulatedProcess, routing: Partial<RequestRouting> = {}, seconds = 5): Promise<string> {
    const videoId = await this.tryRequest(process, routing, seconds);
    if (videoId === null) throw new Error('the clip was not admitted');
    return videoId;
  }

  /** The same where the process may die, or its store be down, in the middle of it: null when nothing was promised. */
  async tryRequest(process: SimulatedProcess, routing: Partial<RequestRouting>, seconds = 5): Promise<string | null> {
    const answers: (string | null)[] = [];
    void this.admit(process, routing, seconds).then((videoId) => answers.push(videoId));
    await this.quiet();
    while (answers.length === 0 && !process.isDead && this.clock.step()) await this.quiet();
    return answers[0] ?? null;
  }

  /** The same while time goes on by another hand; of a process that dies in the middle of it no answer ever comes. */
  async admit(process: SimulatedProcess, routing: Partial<RequestRouting>, seconds: number): Promise<string | null> {
    const videoId = process.deps.mint('video');
    try {
      await admit(process.deps, admissionFor(videoId, seconds, routing, this.clock.nowMs()));
    } catch {
      // The store was down, or a budget full: nothing was promised.
      return null;
    }
    this.admitted.push(videoId);
    process.worker.take(videoId);
    return videoId;
  }

  /** Writes down that the account was seen to replay a repeated key just now, as `reelay live` does, or something else. */
  async seeReplay({ deps }: SimulatedProcess, change: Partial<KeyReplayRow> = {}): Promise<void> {
    const account = deps.accounts.get(change.account ?? 'gamma');
    if (!account) throw new Error(`there is no account ${change.account}`);
    const row = {
      account: account.id,
      credentialDigest: credentialDigest(deps, credentialPrint(account)),
      replays: true,
      heldMs: 5 * MINUTE_MS,
      seenAtMs: this.clock.nowMs(),
      ...change,
    };
    await this.database.write((tx) => putKeyReplay(tx, row));
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.monotonicMs() + ms;
    this.clock.after(ms, () => {});
    while (this.clock.monotonicMs() < until && this.clock.step()) await this.quiet();
  }

  /** Lets time pass until the job has ended, at most so long; the job as it is then. */
  async end(videoId: string, withinMs = 7 * 60 * MINUTE_MS): Promise<JobRow> {
    const until = this.clock.monotonicMs() + withinMs;
    for (;;) {
      const job = await this.job(videoId);
      if (job.dueAtMs === null || this.clock.monotonicMs() >= until || !this.clock.step()) return job;
      await this.quiet();
    }
  }

  async job(videoId: string): Promise<JobRow> {
    const job = await this.database.read((tx) => loadJob(tx, videoId));
    if (!job) throw new Error(`${videoId} is not there`);
    return job;
  }

  async attempts(videoId: string): Promise<AttemptRow[]> {
    return await this.database.read((tx) => loadAttempts(tx, videoId));
  }

  async entries(videoId: string): Promise<EntryRow[]> {
    return await this.database.read((tx) => entriesOfJob(tx, videoId));
  }

  /** Every broken invariant, in words. With `ended`, also those that hold once all jobs have ended. */
  async faults(ended = true): Promise<string[]> {
    const { database, world, admitted } = this;
    const { folder } = this.place;
    const now = [...world.broken, ...(await this.faultsOfBooks())];
    if (!ended) return now;
    const atEnd = await faultsAtEnd(database, world, { folder, admitted });
    return [...now, ...atEnd, ...(await this.lost()).faults];
  }

  /** What became of the clips that were made, once all jobs have ended. */
  async lost(): Promise<LostClips> {
    const { world, cancelled, clock } = this;
    return await this.database.read((tx) => lostClips(tx, world, { cancelled, clock }));
  }

  /** The folder with the store and the videos. */
  get folder(): string {
    return this.place.folder;
  }

  /** What the audit says; what it said before while no commit has changed a row since, for it looks at rows alone. */
  private async faultsOfBooks(): Promise<readonly string[]> {
    const version = this.place.version();
    if (this.audited?.version !== version) this.audited = { version, faults: await faultsOfBooks(this.database) };
    return this.audited.faults;
  }

  /** Lets everything that is under way in this instant run until nothing moves any more. */
  async quiet(): Promise<void> {
    for (let still = 0; still < 2; ) {
      const before = this.stirred;
      await turn();
      still = this.stirred === before ? still + 1 : 0;
    }
  }
}

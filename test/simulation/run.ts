import { rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { isNotNull } from 'drizzle-orm';
import { onCrashPoint } from '../../src/ground/crash.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import { admit } from '../../src/jobs/admit.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import type { RequestRouting } from '../../src/routing/policy.ts';
import { type Database, statement, type Tx } from '../../src/store/database.ts';
import { jobs } from '../../src/store/schema.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { Chance } from './chance.ts';
import { faultsAtEnd, faultsNow } from './invariants.ts';
import { SimulatedProcess, type Surroundings } from './process.ts';
import { addTenant, admissionFor, capTenant, deliverHook, freshFolder, migrationsFolder } from './stage.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type Weather, World } from './world.ts';

/** What one seed came to. */
export interface SimulationResult {
  readonly seed: number;
  /** Invariants that were broken, each in words; empty when all held. */
  readonly faults: readonly string[];
  readonly steps: number;
  readonly kills: number;
  readonly jobs: number;
  readonly tasks: number;
}

/** A job lives six hours at most; what has not ended by then never does. */
const LONGEST_MS = 7 * HOUR_MS;
const STEPS_MAX = 60_000;
/** Whether all has ended is asked now and then only. */
const ASK_END_EVERY = 5;

/** Runs one seed from its first request to the end of its last job. The same seed does the same. */
export async function simulate(seed: number): Promise<SimulationResult> {
  const folder = await freshFolder();
  const database = openSqlite({ folder, migrationsFolder, withoutLock: true });
  try {
    return await new Simulation(seed, folder, database).run();
  } finally {
    onCrashPoint(null);
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const openJobs = (tx: Tx) => tx.select({ id: jobs.id }).from(jobs).where(isNotNull(jobs.dueAtMs)).limit(1).prepare();

class Simulation {
  private readonly seed: number;
  private readonly folder: string;
  private readonly database: Database;
  private readonly chance: Chance;
  private readonly clock = new VirtualClock();
  private readonly world: World;
  private readonly around: Surroundings;
  private readonly processes: SimulatedProcess[] = [];
  private readonly admitted: string[] = [];
  private readonly faults: string[] = [];
  private stirred = 0;
  private steps = 0;
  private kills = 0;
  private toCome = 0;
  private storeDownUntilMs = 0;
  private crashIn = Number.POSITIVE_INFINITY;

  constructor(seed: number, folder: string, database: Database) {
    this.seed = seed;
    this.folder = folder;
    this.database = database;
    this.chance = new Chance(seed);
    const weather = weatherOf(this.chance);
    this.world = new World(this.clock, this.chance.split(), weather);
    this.world.onCall = (hook, taskId) => void this.deliver(hook, taskId);
    this.around = {
      clock: this.clock,
      world: this.world,
      chance: this.chance.split(),
      weather,
      database,
      folder,
      settings: {
        firstPollMs: 5 * SECOND_MS,
        doubtMs: this.chance.between(4, 12) * MINUTE_MS,
        leaseMs: MINUTE_MS,
        retentionMs: 30 * 24 * HOUR_MS,
        publicUrl: this.chance.happens(0.7) ? 'https://reelay.example' : null,
        storePrompts: true,
      },
      storeDown: () => this.clock.monotonicMs() < this.storeDownUntilMs,
      stir: () => {
        this.stirred += 1;
      },
    };
  }

  async run(): Promise<SimulationResult> {
    onCrashPoint(() => this.reachedCrashPoint());
    await addTenant(this.database, this.clock.nowMs());
    if (this.seed % 3 === 2) await capTenant(this.database, this.seed, this.clock.nowMs());
    await this.startProcess();
    this.planEvents();
    while (this.faults.length === 0 && this.steps < STEPS_MAX && this.clock.monotonicMs() < LONGEST_MS) {
      if (!this.clock.step()) break;
      this.steps += 1;
      await this.quiet();
      this.faults.push(...(await faultsNow(this.database, this.world)));
      if (this.toCome === 0 && this.steps % ASK_END_EVERY === 0 && (await this.allEnded())) break;
    }
    this.faults.push(...(await faultsNow(this.database, this.world)));
    const { folder, admitted } = this;
    this.faults.push(...(await faultsAtEnd(this.database, this.world, { folder, admitted })));
    for (const process of this.processes) process.kill();
    const { seed, faults, steps, kills } = this;
    return { seed, faults: [...new Set(faults)], steps, kills, jobs: admitted.length, tasks: this.world.tasks.length };
  }

  /** Requests, cancels, kills, freezes, clock jumps and outages of the store, each at its own moment. */
  private planEvents(): void {
    const { chance } = this;
    const within = (ms: number): number => chance.between(0, ms);
    for (let count = chance.between(1, 4); count > 0; count -= 1) this.at(within(2 * MINUTE_MS), () => this.request());
    for (let count = chance.between(0, 2); count > 0; count -= 1) this.at(within(6 * MINUTE_MS), () => this.restart());
    if (chance.happens(0.5)) this.crashIn = chance.between(1, 8);
    if (chance.happens(0.2)) this.at(within(3 * MINUTE_MS), () => this.freezeOne());
    if (chance.happens(0.2)) this.at(within(5 * MINUTE_MS), () => this.clock.jump(this.jumpMs()));
    if (chance.happens(0.2)) {
      this.at(within(4 * MINUTE_MS), () => {
        this.storeDownUntilMs = this.clock.monotonicMs() + within(40 * SECOND_MS);
      });
    }
  }

  private at(delayMs: number, action: () => void | Promise<void>): void {
    this.toCome += 1;
    this.clock.after(delayMs, () => {
      this.toCome -= 1;
      void Promise.resolve(action()).catch((error) => this.faults.push(`the driver failed: ${error}`));
      this.around.stir();
    });
  }

  private jumpMs(): number {
    return this.chance.pick([-HOUR_MS, -SECOND_MS, HOUR_MS, 24 * HOUR_MS]);
  }

  /** A request as the front door would accept it, at whichever process runs. */
  private async request(): Promise<void> {
    const running = this.processes.find((process) => process.isRunning);
    if (!running) return;
    const { deps, worker } = running;
    const videoId = deps.mint('video');
    const seconds = this.chance.between(3, 10);
    const admission = admissionFor(videoId, seconds, this.routing(), this.clock.nowMs());
    try {
      await admit(deps, admission);
    } catch {
      // The store was down: nothing was promised.
      return;
    }
    this.admitted.push(videoId);
    worker.take(videoId);
    if (this.chance.happens(0.15)) {
      this.at(this.chance.between(0, 2 * MINUTE_MS), () => this.cancel(videoId));
    }
  }

  private routing(): Partial<RequestRouting> {
    return {
      order: this.chance.happens(0.5) ? [this.chance.pick(['alpha', 'beta', 'gamma'])] : [],
      fallback: this.chance.pick(['any', 'any', 'cheaper', 'none'] as const),
    };
  }

  private async cancel(videoId: string): Promise<void> {
    const running = this.processes.find((process) => process.isRunning);
    if (!running) return;
    try {
      await requestCancel(running.deps, videoId);
      running.worker.wake(videoId);
    } catch {
      // Ended already, or the store is down: both are answers.
    }
  }

  /** A provider's call, as the front door takes it: it names a task and wakes the job. */
  private async deliver(hook: string, taskId: string): Promise<void> {
    const running = this.processes.find((process) => process.isRunning);
    if (!running || this.chance.happens(0.1)) return;
    await deliverHook(running, hook, taskId);
  }

  private async startProcess(): Promise<void> {
    const started = new SimulatedProcess(this.processes.length + 1, this.around);
    this.processes.push(started);
    const start = async (): Promise<void> => {
      if (started.isDead) return;
      await started.worker.start().catch(() => this.clock.after(SECOND_MS, () => void start()));
    };
    void start();
    await this.quiet();
  }

  private restart(): Promise<void> {
    const running = this.processes.find((process) => process.isRunning);
    running?.kill();
    this.kills += 1;
    return this.startProcess();
  }

  /** Counts down to the crash that this seed has in store: the process dies at that very point. */
  private reachedCrashPoint(): void {
    this.crashIn -= 1;
    if (this.crashIn !== 0) return;
    this.kills += 1;
    for (const process of this.processes) process.kill();
    this.at(this.chance.between(0, 20) * SECOND_MS, () => this.startProcess());
  }

  /** One process stops for longer than its lease while another takes over, then goes on as if nothing had been. */
  private async freezeOne(): Promise<void> {
    const frozen = this.processes.find((process) => process.isRunning);
    if (!frozen) return;
    frozen.freeze();
    await this.startProcess();
    this.at(this.chance.between(30, 300) * SECOND_MS, () => frozen.unfreeze());
  }

  private async allEnded(): Promise<boolean> {
    const open = await this.database.read((tx) => statement(tx, openJobs).execute());
    return open.length === 0;
  }

  /** Lets everything that is under way in this instant run until nothing moves any more. */
  private async quiet(): Promise<void> {
    for (let still = 0; still < 2; ) {
      const before = this.stirred;
      await turn();
      still = this.stirred === before ? still + 1 : 0;
    }
  }
}

/** From fair to foul: a third of the seeds have nothing but kills to bear. */
function weatherOf(chance: Chance): Weather {
  const roughness = chance.happens(0.33) ? 0 : chance.fraction();
  const share = (most: number): number => roughness * chance.fraction() * most;
  return {
    refuse: share(0.3),
    cutBefore: share(0.3),
    cutAfter: share(0.4),
    hang: share(0.1),
    html: share(0.3),
    busy: share(0.3),
    readFault: share(0.4),
    taskFails: share(0.5),
    taskStrange: share(0.15),
    badFile: share(0.5),
  };
}

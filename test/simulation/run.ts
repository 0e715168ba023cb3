import { isNotNull } from 'drizzle-orm';
import { onCrashPoint } from '../../src/ground/crash.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import { requestCancel } from '../../src/jobs/cancel.ts';
import type { RequestRouting } from '../../src/routing/policy.ts';
import { statement, type Tx } from '../../src/store/database.ts';
import { jobs } from '../../src/store/schema.ts';
import { Chance } from './chance.ts';
import type { LostClips } from './lost.ts';
import { Scenario } from './scenario.ts';
import { capTenant } from './stage.ts';
import type { Weather } from './world.ts';

/** What one seed came to. */
export interface SimulationResult {
  readonly seed: number;
  /** Invariants that were broken, each in words; empty when all held. */
  readonly faults: readonly string[];
  readonly steps: number;
  readonly kills: number;
  readonly jobs: number;
  readonly tasks: number;
  /** Of the tasks those that were made as ordered, and how many of their clips nobody could have had, by the reason. */
  readonly made: number;
  readonly excused: LostClips['excused'];
}

/** A job lives six hours at most, a little more where the wall clock was set back: what has not ended by then never does. */
const LONGEST_MS = 9 * HOUR_MS;
const STEPS_MAX = 60_000;
/** Whether all has ended is asked now and then only. */
const ASK_END_EVERY = 5;

/** Runs one seed from its first request to the end of its last job. The same seed does the same. */
export async function simulate(seed: number): Promise<SimulationResult> {
  const chance = new Chance(seed);
  const scenario = await Scenario.open({
    seed: chance.between(1, 2 ** 31),
    weather: weatherOf(chance),
    doubtMs: chance.between(4, 12) * MINUTE_MS,
    publicUrl: chance.happens(0.7) ? 'https://reelay.example' : null,
  });
  try {
    return await new Simulation(seed, chance, scenario).run();
  } finally {
    onCrashPoint(null);
    await scenario.close();
  }
}

const openJobs = (tx: Tx) => tx.select({ id: jobs.id }).from(jobs).where(isNotNull(jobs.dueAtMs)).limit(1).prepare();

/** A scenario whose events chance has drawn. */
class Simulation {
  private readonly seed: number;
  private readonly chance: Chance;
  private readonly scenario: Scenario;
  private readonly faults: string[] = [];
  private steps = 0;
  private kills = 0;
  private toCome = 0;
  private crashIn = Number.POSITIVE_INFINITY;

  constructor(seed: number, chance: Chance, scenario: Scenario) {
    this.seed = seed;
    this.chance = chance;
    this.scenario = scenario;
    const { world } = scenario;
    const deliver = world.onCall;
    world.onCall = (hook, taskId) => {
      // Some calls never arrive.
      if (!chance.happens(0.1)) deliver(hook, taskId);
    };
  }

  async run(): Promise<SimulationResult> {
    const { scenario, seed, faults } = this;
    const { clock } = scenario;
    onCrashPoint(() => this.reachedCrashPoint());
    if (seed % 3 === 2) await capTenant(scenario.database, seed, clock.nowMs());
    const first = await scenario.start();
    // From the seed and not from chance, as the caps are: a seed without it stays what it was.
    if (seed % 4 === 1) await scenario.seeReplay(first);
    this.planEvents();
    while (faults.length === 0 && this.steps < STEPS_MAX && clock.monotonicMs() < LONGEST_MS) {
      if (!clock.step()) break;
      this.steps += 1;
      await scenario.quiet();
      faults.push(...(await scenario.faults(false)));
      if (this.toCome === 0 && this.steps % ASK_END_EVERY === 0 && (await this.allEnded())) break;
    }
    faults.push(...(await scenario.faults()));
    const { made, excused } = await scenario.lost();
    return {
      seed,
      faults: [...new Set(faults)],
      steps: this.steps,
      kills: this.kills,
      jobs: scenario.admitted.length,
      tasks: scenario.world.tasks.length,
      made,
      excused,
    };
  }

  /** Requests, cancels, kills, freezes, clock jumps and outages of the store, each at its own moment. */
  private planEvents(): void {
    const { chance } = this;
    const within = (ms: number): number => chance.between(0, ms);
    for (let count = chance.between(1, 4); count > 0; count -= 1) this.at(within(2 * MINUTE_MS), () => this.request());
    for (let count = chance.between(0, 2); count > 0; count -= 1) this.at(within(6 * MINUTE_MS), () => this.restart());
    if (chance.happens(0.5)) this.crashIn = chance.between(1, 16);
    if (chance.happens(0.2)) this.at(within(3 * MINUTE_MS), () => this.freezeOne());
    if (chance.happens(0.2)) this.at(within(5 * MINUTE_MS), () => this.scenario.clock.jump(this.jumpMs()));
    if (chance.happens(0.2)) {
      this.at(within(4 * MINUTE_MS), () => this.cutOffStore(within(40 * SECOND_MS)));
    }
  }

  private at(delayMs: number, action: () => unknown): void {
    this.toCome += 1;
    this.scenario.clock.after(delayMs, () => {
      this.toCome -= 1;
      void (async () => action())().catch((error) => this.faults.push(`the driver failed: ${error}`));
      this.scenario.stir();
    });
  }

  private jumpMs(): number {
    return this.chance.pick([-HOUR_MS, -SECOND_MS, HOUR_MS, 24 * HOUR_MS]);
  }

  private cutOffStore(forMs: number): void {
    this.scenario.storeDown = true;
    this.at(forMs, () => {
      this.scenario.storeDown = false;
    });
  }

  /** A request at whichever process runs; now and then it is cancelled. */
  private async request(): Promise<void> {
    const { scenario, chance } = this;
    const { running } = scenario;
    if (!running) return;
    const seconds = chance.between(3, 10);
    const videoId = await scenario.admit(running, this.routing(), seconds);
    if (videoId !== null && chance.happens(0.15)) {
      this.at(chance.between(0, 2 * MINUTE_MS), () => this.cancel(videoId));
    }
  }

  private routing(): Partial<RequestRouting> {
    return {
      order: this.chance.happens(0.5) ? [this.chance.pick(['alpha', 'beta', 'gamma'])] : [],
      fallback: this.chance.pick(['any', 'any', 'cheaper', 'none'] as const),
    };
  }

  private async cancel(videoId: string): Promise<void> {
    const { running } = this.scenario;
    if (!running) return;
    this.scenario.cancelled.add(videoId);
    try {
      await requestCancel(running.deps, videoId);
      running.worker.wake(videoId);
    } catch {
      // Ended already, or the store is down: both are answers.
    }
  }

  private restart(): Promise<unknown> {
    this.scenario.running?.kill();
    this.kills += 1;
    return this.scenario.start();
  }

  /** Counts down to the crash that this seed has in store: the process dies at that very point. */
  private reachedCrashPoint(): void {
    this.crashIn -= 1;
    if (this.crashIn !== 0) return;
    this.kills += 1;
    for (const process of this.scenario.processes) process.kill();
    this.at(this.chance.between(0, 20) * SECOND_MS, () => this.scenario.start());
  }

  /** One process stops, maybe for longer than its lease, then goes on as if nothing had been; another may take over. */
  private async freezeOne(): Promise<void> {
    const { running: frozen } = this.scenario;
    if (!frozen) return;
    frozen.freeze();
    if (this.chance.happens(0.7)) await this.scenario.start();
    this.at(this.chance.between(30, 300) * SECOND_MS, () => frozen.unfreeze());
  }

  private async allEnded(): Promise<boolean> {
    const open = await this.scenario.database.read((tx) => statement(tx, openJobs).execute());
    return open.length === 0;
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
    taskStrange: share(0.1),
    // In few seeds, and there often: a task without an end is followed for six hours, step by step.
    taskStuck: chance.happens(0.1) ? share(0.4) : 0,
    badFile: share(0.5),
  };
}

import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { Offer } from '../pricing/offers.ts';
import type { Place } from '../routing/fair.ts';
import type { Conditions } from '../routing/score.ts';
import type { Deps, StepResult } from './deps.ts';
import { laneOf } from './lane.ts';
import { Outlook } from './outlook.ts';
import { SlotQueue } from './queue.ts';
import { removeExpired } from './retention.ts';
import { claimAbandoned, forgetProcess, renewProcess } from './rows.ts';
import { Schedule } from './schedule.ts';
import { runStep } from './step.ts';

/** Steps at the same time: more would let the background crowd out the front door. */
const STEPS_AT_ONCE = 64;
const CLAIM_BATCH = 200;
const RENEW_EVERY_MS = 20 * SECOND_MS;
const RESCUE_EVERY_MS = 10 * SECOND_MS;
const EXPIRE_EVERY_MS = MINUTE_MS;
/** After a step that threw: our own fault or a store that is down. The row stands; the step is tried again. */
const TROUBLE_AGAIN_MS = 5 * SECOND_MS;
/** Wake-ups of one job closer than this count as one: a webhook may come any number of times. */
const WAKE_APART_MS = SECOND_MS;

/** Runs the steps of all jobs that this process holds, and takes over those whose process has ended. */
export class Worker {
  /** What is known about the accounts, and who waits for them. */
  readonly outlook: Outlook;
  readonly queue: SlotQueue;
  private readonly deps: Deps;
  private readonly schedule: Schedule;
  private readonly active = new Map<string, Promise<void>>();
  /** Jobs that were woken while a step of theirs ran. */
  private readonly wokenMeanwhile = new Set<string>();
  private readonly wokenAtMs = new Map<string, number>();
  private readonly repeating = new Map<() => Promise<void>, () => void>();
  private stopping = false;

  constructor(deps: Deps) {
    this.deps = deps;
    this.schedule = new Schedule(deps.clock, () => this.pump());
    this.outlook = new Outlook(deps);
    this.queue = new SlotQueue(deps, this.outlook, (jobId) => this.granted(jobId));
  }

  /** Announces this process, takes over what was left behind, and goes on taking over what will be. */
  async start(): Promise<void> {
    await this.renew();
    await this.outlook.refresh();
    await this.rescue();
    this.every(RENEW_EVERY_MS, () => this.renew());
    this.every(RESCUE_EVERY_MS, () => this.rescue());
    this.every(EXPIRE_EVERY_MS, () => this.expire());
  }

  /** A job that this process has just admitted, and therefore holds. */
  take(jobId: string): void {
    if (!this.stopping) this.schedule.put(jobId, 0);
  }

  /** The conditions that a new job would find: of the offer, and of the queue before it. */
  conditionsOf(offer: Offer, tenantId = ''): Conditions {
    const { account, model, capability } = offer;
    const conditions = this.outlook.conditionsOf({ account, model, upstream: capability.upstream });
    const known = this.deps.accounts.get(account);
    if (!known) return conditions;
    const { lapsing = 0n } = conditions;
    return {
      ...conditions,
      queuedAhead: this.queue.aheadOf(tenantId, laneOf(known, model)),
      lapsing: lapsing > 0n ? lapsing - this.queue.unitsAwaited(account) : 0n,
    };
  }

  /** Where the job stands while it waits for a slot; `nowhere` while nothing may be sent for it; else null. */
  placeOf(jobId: string): Place | 'nowhere' | null {
    return this.queue.isWaiting(jobId) ? (this.queue.placeOf(jobId) ?? 'nowhere') : null;
  }

  /** Something may have happened to the job: its next step is due now, or a second after it was woken last. */
  wake(jobId: string): void {
    if (this.stopping) return;
    const nowMs = this.deps.clock.monotonicMs();
    const sinceMs = nowMs - (this.wokenAtMs.get(jobId) ?? Number.NEGATIVE_INFINITY);
    this.wokenAtMs.set(jobId, nowMs);
    if (this.active.has(jobId)) this.wokenMeanwhile.add(jobId);
    else this.schedule.put(jobId, Math.max(0, WAKE_APART_MS - sinceMs));
  }

  /** A slot is free, and its tenant has a task less running: the queue deals it out. */
  slotFreed(): void {
    this.queue.wake();
  }

  /** The turn of a job has come. One whose step asks right now has its answer; one whose step ends is looked at then. */
  private granted(jobId: string): void {
    if (!this.active.has(jobId) && !this.stopping) this.schedule.put(jobId, 0);
  }

  /** Begins nothing new, waits for the steps under way, and leaves the jobs to whoever comes next. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.schedule.stop();
    this.queue.stop();
    for (const cancel of this.repeating.values()) cancel();
    await Promise.allSettled([...this.active.values()]);
    await this.deps.database.write((tx) => forgetProcess(tx, this.deps.processId));
  }

  private pump(): void {
    while (!this.stopping && this.active.size < STEPS_AT_ONCE) {
      const jobId = this.schedule.take();
      if (jobId === null) break;
      // A process that was frozen past its lease takes its own jobs over again while their steps still run: one job
      // never has two steps at once.
      if (this.active.has(jobId)) this.wokenMeanwhile.add(jobId);
      else this.active.set(jobId, this.run(jobId));
    }
    // With all places taken the next step to end looks again; a timer would only spin.
    if (this.active.size < STEPS_AT_ONCE) this.schedule.arm();
  }

  private async run(jobId: string): Promise<void> {
    let result: StepResult;
    try {
      result = await runStep(this.deps, jobId, this.queue);
    } catch (error) {
      this.deps.log.error('step failed', { video: jobId, error });
      result = { kind: 'due', inMs: TROUBLE_AGAIN_MS };
    }
    this.active.delete(jobId);
    if (!this.stopping) {
      this.after(jobId, result);
      this.pump();
    }
  }

  private after(jobId: string, result: StepResult): void {
    const woken = this.wokenMeanwhile.delete(jobId);
    if (result.kind !== 'waits_for_slot') this.queue.leave(jobId);
    switch (result.kind) {
      case 'ended':
        this.wokenAtMs.delete(jobId);
        return;
      case 'due':
        this.schedule.put(jobId, woken ? 0 : result.inMs);
        return;
      case 'waits_for_slot':
        this.schedule.put(jobId, woken || this.queue.isGranted(jobId) ? 0 : result.inMs);
        return;
    }
  }

  private async renew(): Promise<void> {
    const { database, processId, clock, settings } = this.deps;
    await database.write((tx) => renewProcess(tx, processId, clock.nowMs() + settings.leaseMs));
  }

  private async rescue(): Promise<void> {
    const { database, processId, clock, log } = this.deps;
    for (;;) {
      const nowMs = clock.nowMs();
      const claimed = await database.write((tx) => claimAbandoned(tx, processId, nowMs, CLAIM_BATCH));
      for (const job of claimed) this.schedule.put(job.id, 0);
      if (claimed.length > 0) log.info('jobs taken over', { count: claimed.length });
      if (claimed.length < CLAIM_BATCH) return;
    }
  }

  private async expire(): Promise<void> {
    const count = await removeExpired(this.deps);
    if (count > 0) this.deps.log.info('expired videos removed', { count });
  }

  /** Repeats an action until the worker stops; one that fails is logged and comes again. */
  private every(periodMs: number, action: () => Promise<void>): void {
    const round = (): void => {
      if (this.stopping) return;
      action()
        .catch((error) => this.deps.log.error('background work failed', { error }))
        .finally(() => this.repeating.set(action, this.deps.clock.after(periodMs, round)));
    };
    this.repeating.set(action, this.deps.clock.after(periodMs, round));
  }
}

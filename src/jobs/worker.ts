import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { Offer } from '../pricing/offers.ts';
import type { Place } from '../routing/fair.ts';
import type { Conditions } from '../routing/score.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { CIRCUIT_MS } from './circuits.ts';
import type { Deps, StepResult } from './deps.ts';
import { DownloadLine } from './download-line.ts';
import { FreeReads } from './free-reads.ts';
import { laneOf } from './lane.ts';
import { Outlook } from './outlook.ts';
import { SlotQueue } from './queue.ts';
import { removeExpired } from './retention.ts';
import { claimAbandoned, forgetProcess, hasAbandoned, renewProcess } from './rows.ts';
import { Schedule } from './schedule.ts';
import { runStep } from './step.ts';

/** Steps at the same time, besides those that download: more would let the background crowd out the front door. */
const STEPS_AT_ONCE = 64;
const CLAIM_BATCH = 200;
/** A lease is renewed this often in its life. */
const RENEWALS = 3;
const RESCUE_EVERY_MS = 10 * SECOND_MS;
/** Whether an account has to be read before a job may try it is looked at this often at least. */
const READS_EVERY_MAX_MS = 10 * SECOND_MS;
const EXPIRE_EVERY_MS = MINUTE_MS;
/** After a step that threw: our own fault or a store that is down. The row stands; the step is tried again. */
const TROUBLE_AGAIN_MS = 5 * SECOND_MS;
/** Submissions end within a minute, polls sooner. What takes longer at a stop is left to the next process. */
const STOP_WITHIN_MS = 65 * SECOND_MS;
/** Wake-ups of one job closer than this count as one: a webhook may come any number of times. */
const WAKE_APART_MS = SECOND_MS;

/** Runs the steps of all jobs that this process holds, and takes over those whose process has ended. */
export class Worker {
  /** What is known about the accounts, and who waits for them. */
  readonly outlook: Outlook;
  readonly queue: SlotQueue;
  private readonly deps: Deps;
  private readonly schedule: Schedule;
  private readonly downloads: DownloadLine;
  private readonly reads: FreeReads;
  private readonly active = new Map<string, Promise<void>>();
  /** Jobs that were woken while a step of theirs ran. */
  private readonly wokenMeanwhile = new Set<string>();
  /** For when each job was woken last. */
  private readonly wokenAtMs = new Map<string, number>();
  private readonly repeating = new Map<() => Promise<void>, () => void>();
  private readonly stops = new AbortController();
  private stopped = false;

  constructor(given: Deps) {
    const deps = { ...given, stopping: this.stops.signal };
    this.deps = deps;
    this.schedule = new Schedule(deps.clock, () => this.pump());
    this.outlook = new Outlook(deps);
    this.queue = new SlotQueue(deps, this.outlook, (jobId) => this.granted(jobId));
    this.downloads = new DownloadLine((jobId) => this.granted(jobId));
    this.reads = new FreeReads(deps, () => this.queue.wake());
    this.outlook.consult(this.reads);
  }

  /** Announces this process, takes over what was left behind, and goes on taking over what will be. */
  async start(): Promise<void> {
    await this.renew();
    await this.outlook.refresh();
    await this.rescue();
    this.every(this.deps.settings.leaseMs / RENEWALS, () => this.renew());
    const wantsRead = (account: ProviderAccount): boolean => this.outlook.wantsRead(account);
    this.every(RESCUE_EVERY_MS, () => this.rescue());
    this.every(this.readEveryMs(), async () => this.reads.tend(wantsRead));
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
    if (this.active.has(jobId)) this.wokenMeanwhile.add(jobId);
    else this.hasten(jobId);
  }

  /** Brings the step that the job was woken for forward, as far as it may be; one that is due sooner stays where it is. */
  private hasten(jobId: string): void {
    const nowMs = this.deps.clock.monotonicMs();
    const lastMs = this.wokenAtMs.get(jobId) ?? Number.NEGATIVE_INFINITY;
    const inMs = Math.min(WAKE_APART_MS, Math.max(0, lastMs + WAKE_APART_MS - nowMs));
    if (this.schedule.hasten(jobId, inMs)) this.wokenAtMs.set(jobId, nowMs + inMs);
  }

  /** A slot is free, and its tenant has a task less running: the queue deals it out. */
  slotFreed(): void {
    this.queue.wake();
  }

  /** The turn of a job has come. One whose step asks right now has its answer; one whose step ends is looked at then. */
  private granted(jobId: string): void {
    if (!this.active.has(jobId) && !this.stopping) this.schedule.put(jobId, 0);
  }

  /** Whether it was told to stop. */
  get stopping(): boolean {
    return this.stops.signal.aborted;
  }

  /**
   * Begins nothing new, waits for the steps under way, at most a minute, and leaves the jobs to whoever comes next. Until
   * then the lease is renewed: what the steps bring home is still theirs to write.
   */
  async stop(): Promise<void> {
    this.stops.abort();
    this.reads.stop();
    this.schedule.stop();
    this.queue.stop();
    await Promise.race([Promise.allSettled([...this.active.values()]), this.patience()]);
    this.stopped = true;
    for (const cancel of this.repeating.values()) cancel();
    const { database, log, processId } = this.deps;
    if (this.active.size > 0) log.error('steps cut off by the stop', { count: this.active.size });
    // A store that refuses this lets the lease run out by itself.
    await database
      .write((tx) => forgetProcess(tx, processId))
      .catch((error) => log.error('leases not released', { error }));
  }

  /** As long as a stop waits for the steps under way. */
  private patience(): Promise<void> {
    return new Promise((resolve) => this.deps.clock.after(STOP_WITHIN_MS, resolve));
  }

  private pump(): void {
    while (!this.stopping && this.hasRoom()) {
      const jobId = this.schedule.take();
      if (jobId === null) break;
      // Whoever put it down: one job never has two steps at once.
      if (this.active.has(jobId)) this.wokenMeanwhile.add(jobId);
      else this.active.set(jobId, this.run(jobId));
    }
    // With all places taken the next step to end looks again; a timer would only spin.
    if (this.hasRoom()) this.schedule.arm();
  }

  /** Downloads have places of their own: a slow host takes none from the other steps. */
  private hasRoom(): boolean {
    let places = STEPS_AT_ONCE;
    for (const jobId of this.downloads.downloading) if (this.active.has(jobId)) places += 1;
    return this.active.size < places;
  }

  /** A step that goes on to download leaves its place to another. */
  private takeDownload(jobId: string, host: string): boolean {
    const isTaken = this.downloads.take(jobId, host);
    if (isTaken) this.pump();
    return isTaken;
  }

  private async run(jobId: string): Promise<void> {
    let result: StepResult;
    try {
      result = await runStep(this.deps, jobId, this.queue, {
        take: (id, host) => this.takeDownload(id, host),
      });
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
    if (result.kind !== 'waits_for_download') this.downloads.leave(jobId);
    if (result.kind === 'ended') {
      this.wokenAtMs.delete(jobId);
      return;
    }
    const isCalled =
      (result.kind === 'waits_for_slot' && this.queue.isGranted(jobId)) ||
      (result.kind === 'waits_for_download' && this.downloads.isPlaced(jobId));
    this.schedule.put(jobId, isCalled ? 0 : result.inMs);
    if (woken) this.hasten(jobId);
  }

  /** Three looks for each time that a circuit stays open. */
  private readEveryMs(): number {
    const openMs = this.deps.settings.circuitMs ?? CIRCUIT_MS;
    return Math.min(READS_EVERY_MAX_MS, Math.max(SECOND_MS, openMs / 3));
  }

  private async renew(): Promise<void> {
    const { database, processId, clock, settings } = this.deps;
    await database.write((tx) => renewProcess(tx, processId, clock.nowMs() + settings.leaseMs));
  }

  /** Renews first, in the same commit: after a freeze this process may be the one whose lease has run out. */
  private async rescue(): Promise<void> {
    const { database, processId, clock, log, settings } = this.deps;
    while (!this.stopping) {
      const nowMs = clock.nowMs();
      if (!(await database.read((tx) => hasAbandoned(tx, nowMs)))) return;
      const claimed = await database.write(async (tx) => {
        await renewProcess(tx, processId, nowMs + settings.leaseMs);
        return await claimAbandoned(tx, processId, nowMs, CLAIM_BATCH);
      });
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
      action()
        .catch((error) => this.deps.log.error('background work failed', { error }))
        .finally(() => {
          if (!this.stopped) this.repeating.set(action, this.deps.clock.after(periodMs, round));
        });
    };
    this.repeating.set(action, this.deps.clock.after(periodMs, round));
  }
}

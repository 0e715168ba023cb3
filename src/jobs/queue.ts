import { sumMicros } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import { type LaneOption, type Place, planQueue, type QueueState, type Waiter } from '../routing/fair.ts';
import type { Conditions } from '../routing/score.ts';
import type { Deps } from './deps.ts';
import { offerOf } from './lane.ts';
import type { Outlook } from './outlook.ts';

/** The right to try for one slot. Only the row decides whether it is had; until then nobody else is sent for it. */
export interface Grant {
  readonly option: LaneOption;
  /** The limit of the lane that is believed now. */
  readonly slots: number;
  /** Nobody was well: this one is the least bad. */
  readonly panic: boolean;
  /** Billionths of prepaid units that it would draw only because they lapse otherwise. */
  readonly lapsing: bigint;
}

/** Where the steps of jobs ask for slots. */
export interface Slots {
  /** A grant, at once where there is room for the job; null when it has to wait, and is called when its turn comes. */
  ask(waiter: Waiter): Promise<Grant | null>;
  /** The grant was used, or could not be: whether the slot was taken is known from the row. */
  settle(jobId: string, taken: boolean): void;
  /** Whether a submission to the account may be repeated now. */
  mayRepeat(account: string): boolean;
}

/** Circuits close and limits recover while nothing happens, so those who wait are looked at again by themselves. */
const LOOK_EVERY_MS = 5 * SECOND_MS;
const PLACES_FOR_MS = SECOND_MS;

type QueueDeps = Pick<Deps, 'clock' | 'log' | 'accounts'>;

/**
 * The jobs of this process that need a slot. It keeps who waits and nothing else: slots, running tasks and dollars in
 * flight are read from rows at each look, and a restart fills it again from the open jobs.
 */
export class SlotQueue implements Slots {
  private readonly deps: QueueDeps;
  private readonly outlook: Outlook;
  private readonly onGrant: (jobId: string) => void;
  private readonly waiters = new Map<string, Waiter>();
  /** How many jobs of each tenant wait, by the lane of their first choice. */
  private readonly lines = new Map<string, Map<string, number>>();
  /** How many jobs could use each lane, with an option of it. */
  private readonly wanted = new Map<string, { readonly option: LaneOption; waiters: number }>();
  private readonly grants = new Map<string, Grant & { readonly waiter: Waiter }>();
  /** Jobs that took their slot in the step that is under way. */
  private readonly begun = new Set<string>();
  private looking: Promise<void> | null = null;
  private lookAgain: Promise<void> | null = null;
  private cancelLook: (() => void) | null = null;
  private places: { readonly atMs: number; readonly byJob: ReadonlyMap<string, Place> } | null = null;
  private stopped = false;

  /** `onGrant` is called when the turn of a job has come that was told to wait. */
  constructor(deps: QueueDeps, outlook: Outlook, onGrant: (jobId: string) => void) {
    this.deps = deps;
    this.outlook = outlook;
    this.onGrant = onGrant;
  }

  async ask(waiter: Waiter): Promise<Grant | null> {
    const before = this.grants.get(waiter.jobId);
    if (before) return before;
    this.enter(waiter);
    await this.look();
    return this.grants.get(waiter.jobId) ?? null;
  }

  settle(jobId: string, taken: boolean): void {
    const grant = this.grants.get(jobId);
    if (!grant) return;
    this.grants.delete(jobId);
    if (taken) {
      this.outlook.took(grant.option.lane);
      this.outlook.tookLapsing(grant.option.account, grant.lapsing);
      this.begun.add(jobId);
    } else {
      // Somebody else was quicker, or the rows know better: it waits on, in its old place.
      this.enter(grant.waiter);
      this.wake();
    }
  }

  /** The job needs no slot any more: it has one, has ended, or waits for something else. Its turn is the next one's. */
  leave(jobId: string): void {
    this.settle(jobId, false);
    this.exit(jobId);
    // What its submission has come to may have changed what is thought of the provider.
    if (this.begun.delete(jobId)) this.wake();
  }

  /** Whether a slot was promised to the job that it has not tried for yet. */
  isGranted(jobId: string): boolean {
    return this.grants.has(jobId);
  }

  mayRepeat(account: string): boolean {
    return this.outlook.mayRepeat(account);
  }

  /** Something has changed: a slot is free, a limit is another. Looked at soon, once for many changes. */
  wake(): void {
    if (this.stopped) return;
    this.look().catch((error) => this.deps.log.error('the queue could not be looked at', { error }));
  }

  stop(): void {
    this.stopped = true;
    this.cancelLook?.();
  }

  /** Where the job stands in the queue; null when it does not wait, or for nothing that has a length. */
  placeOf(jobId: string): Place | null {
    if (!this.waiters.has(jobId)) return null;
    const nowMs = this.deps.clock.monotonicMs();
    if (this.places === null || nowMs - this.places.atMs > PLACES_FOR_MS || !this.places.byJob.has(jobId)) {
      this.places = { atMs: nowMs, byJob: planQueue(this.state()).places };
    }
    return this.places.byJob.get(jobId) ?? null;
  }

  /** Whether the job is waiting for a slot at this moment. */
  isWaiting(jobId: string): boolean {
    return this.waiters.has(jobId);
  }

  /**
   * How many jobs a new one of this tenant would find before it in the lane: its own, and of each other tenant as many
   * as are served until its turn. A job counts in the lane of its first choice.
   */
  aheadOf(tenantId: string, lane: string): number {
    const tenants = this.lines.get(lane) ?? new Map<string, number>();
    const own = tenants.get(tenantId) ?? 0;
    const others = [...tenants].filter(([id]) => id !== tenantId);
    return others.reduce((sum, [, count]) => sum + Math.min(count, own + 1), own);
  }

  /** Jobs that wait for the lane, as the one of their first choice. */
  waitingIn(lane: string): number {
    return [...(this.lines.get(lane)?.values() ?? [])].reduce((sum, count) => sum + count, 0);
  }

  /** Billionths of prepaid units that the jobs will draw which wait for the account as their first choice. */
  unitsAwaited(account: string): bigint {
    const firsts = [...this.waiters.values()].flatMap(({ options }) => options[0] ?? []);
    return firsts.reduce((sum, option) => (option.account === account ? sum + option.units : sum), 0n);
  }

  private enter(waiter: Waiter): void {
    this.exit(waiter.jobId);
    this.waiters.set(waiter.jobId, waiter);
    this.count(waiter, 1);
  }

  private exit(jobId: string): void {
    const waiter = this.waiters.get(jobId);
    if (waiter && this.waiters.delete(jobId)) this.count(waiter, -1);
  }

  private count({ options, tenantId }: Waiter, change: 1 | -1): void {
    for (const option of options) {
      const wanted = this.wanted.get(option.lane) ?? { option, waiters: 0 };
      wanted.waiters += change;
      if (wanted.waiters > 0) this.wanted.set(option.lane, wanted);
      else this.wanted.delete(option.lane);
    }
    const lane = options[0]?.lane ?? '';
    const tenants = this.lines.get(lane) ?? new Map<string, number>();
    this.lines.set(lane, tenants);
    const count = (tenants.get(tenantId) ?? 0) + change;
    if (count > 0) tenants.set(tenantId, count);
    else tenants.delete(tenantId);
  }

  /** One look for all who ask while the one before is under way: it began before they came. */
  private look(): Promise<void> {
    if (this.looking === null) {
      this.looking = this.deal().finally(() => {
        this.looking = null;
      });
      return this.looking;
    }
    this.lookAgain ??= this.looking
      .catch(() => {})
      .then(() => {
        this.lookAgain = null;
        return this.look();
      });
    return this.lookAgain;
  }

  private async deal(): Promise<void> {
    try {
      await this.outlook.refresh();
      this.dealOut();
    } finally {
      this.cancelLook?.();
      const waits = this.waiters.size > 0 && !this.stopped;
      this.cancelLook = waits ? this.deps.clock.after(LOOK_EVERY_MS, () => this.wake()) : null;
    }
  }

  private dealOut(): void {
    if (this.waiters.size === 0) return;
    this.places = null;
    const state = this.state();
    for (const { waiter, option, panic, lapsing } of planQueue(state, true).grants) {
      this.exit(waiter.jobId);
      this.grants.set(waiter.jobId, { waiter, option, slots: state.laneOf(option).slots, panic, lapsing });
      if (panic) this.deps.log.warn('no provider is healthy', { video: waiter.jobId, account: option.account });
      this.onGrant(waiter.jobId);
    }
  }

  /** The state of the queue with what was granted and is not in the rows yet. */
  private state(): QueueState {
    const { outlook } = this;
    const known = new Map<string, Conditions>();
    const promised = [...this.grants.values()];
    return {
      nowMs: this.deps.clock.nowMs(),
      waiters: [...this.waiters.values()],
      lanes: [...this.wanted.values()].map(({ option }) => option),
      laneOf: ({ lane, account }) => {
        const own = this.deps.accounts.get(account);
        const granted = promised.filter((grant) => grant.option.lane === lane).length;
        return { slots: own ? outlook.slotsOf(own, lane) : 0, taken: outlook.runningIn(lane) + granted };
      },
      inFlightOf: (tenantId) => {
        const running = outlook.inFlightOf(tenantId);
        const granted = promised.filter(({ waiter }) => waiter.tenantId === tenantId);
        const micros = granted.reduce((sum, { option }) => sumMicros(sum, option.priceMicros), running.micros);
        return { ...running, tasks: running.tasks + granted.length, micros };
      },
      conditionsOf: (option) => {
        const name = `${option.account} ${option.model} ${option.upstream}`;
        const found = known.get(name) ?? this.conditionsOf(option, promised);
        known.set(name, found);
        return found;
      },
    };
  }

  private conditionsOf(option: LaneOption, promised: readonly (Grant & { readonly waiter: Waiter })[]): Conditions {
    const known = this.outlook.conditionsOf(option);
    const ofAccount = promised.filter((grant) => grant.option.account === option.account);
    const lapsing = ofAccount.reduce((left, grant) => left - grant.lapsing, known.lapsing ?? 0n);
    const conditions = { ...known, lapsing };
    const offer = offerOf(option);
    const probed = conditions.probe === true && promised.some((grant) => grant.option.offer === offer);
    return probed ? { ...conditions, unhealthy: 'circuit half open: one job tries it now' } : conditions;
  }
}

import { sumMicros } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { Weighed } from '../routing/explain.ts';
import { type Place, type Plan, PROBED, planQueue, type QueueState, TRIED } from '../routing/fair.ts';
import { Lines } from '../routing/lines.ts';
import type { Conditions } from '../routing/score.ts';
import type { LaneOption, Waiter } from '../routing/waiter.ts';
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
  /** What stood against what when it was dealt. */
  readonly weighed: readonly Weighed[];
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
/** At most this share of the time goes into reckoning places: they are told, and decide nothing. */
const PLACES_SHARE = 0.05;

/** The places of all who wait, as they were reckoned last. */
interface Places extends Pick<Plan, 'queuedIn'> {
  readonly atMs: number;
  readonly tookMs: number;
  readonly byJob: Plan['places'];
  /** Slots were dealt out since. */
  changed: boolean;
}

/** Whether places are to be reckoned anew: after a deal or a second, but not before that is due again by its cost. */
function isWorn({ atMs, tookMs, changed }: Places, nowMs: number): boolean {
  const ageMs = nowMs - atMs;
  return (changed || ageMs > PLACES_FOR_MS) && ageMs >= tookMs / PLACES_SHARE;
}

type QueueDeps = Pick<Deps, 'clock' | 'log' | 'accounts'>;

/**
 * The jobs of this process that need a slot. It keeps who waits and nothing else: slots, running tasks and dollars in
 * flight are read from rows at each look, and a restart fills it again from the open jobs.
 */
export class SlotQueue implements Slots {
  private readonly deps: QueueDeps;
  private readonly outlook: Outlook;
  private readonly onGrant: (jobId: string) => void;
  private readonly lines = new Lines();
  private readonly grants = new Map<string, Grant & { readonly waiter: Waiter }>();
  /** Jobs that took their slot in the step that is under way: their rows may have been read too early to show it. */
  private readonly begun = new Map<string, Grant & { readonly waiter: Waiter }>();
  private looking: Promise<void> | null = null;
  private lookAgain: Promise<void> | null = null;
  private cancelLook: (() => void) | null = null;
  private places: Places | null = null;
  /** Jobs that wait and came after those places were reckoned. */
  private readonly since = new Set<string>();
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
      this.begun.set(jobId, grant);
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
    const waiter = this.lines.get(jobId);
    if (!waiter) return null;
    const nowMs = this.deps.clock.monotonicMs();
    if (this.places === null || isWorn(this.places, nowMs)) {
      const { places, queuedIn } = planQueue(this.state());
      const tookMs = this.deps.clock.monotonicMs() - nowMs;
      this.places = { atMs: nowMs, tookMs, byJob: places, queuedIn, changed: false };
      this.since.clear();
    }
    const { byJob } = this.places;
    return this.since.has(jobId) ? this.lastPlaceOf(waiter, this.places) : (byJob.get(jobId) ?? null);
  }

  /** Whether the job is waiting for a slot at this moment. */
  isWaiting(jobId: string): boolean {
    return this.lines.get(jobId) !== undefined;
  }

  /** How many jobs a new one of this tenant would find before it in the lane. */
  aheadOf(tenantId: string, lane: string): number {
    return this.lines.aheadOf(tenantId, lane);
  }

  /** Jobs that wait for the lane, as the one of their first choice. */
  waitingIn(lane: string): number {
    return this.lines.waitingIn(lane);
  }

  /** Billionths of prepaid units that the jobs will draw which wait for the account as their first choice. */
  unitsAwaited(account: string): bigint {
    return this.lines.unitsAwaited(account);
  }

  private enter(waiter: Waiter): void {
    if (!this.isWaiting(waiter.jobId)) this.since.add(waiter.jobId);
    this.lines.enter(waiter);
  }

  private exit(jobId: string): void {
    this.lines.exit(jobId);
    this.since.delete(jobId);
  }

  /** The place of a job that came after those were reckoned: behind all of them, which is the latest it can be. */
  private lastPlaceOf(waiter: Waiter, { queuedIn }: Places): Place | null {
    const state = this.state();
    const behindAll: QueueState = {
      ...state,
      lines: [[waiter]],
      laneOf: (option) => {
        const { slots, taken } = state.laneOf(option);
        return { slots, taken: taken + queuedIn(option.lane) };
      },
    };
    const place = planQueue(behindAll).places.get(waiter.jobId);
    return place ? { ...place, position: place.position + queuedIn(place.option.lane) } : null;
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
      const waits = this.lines.size > 0 && !this.stopped;
      this.cancelLook = waits ? this.deps.clock.after(LOOK_EVERY_MS, () => this.wake()) : null;
    }
  }

  private dealOut(): void {
    if (this.lines.size === 0) return;
    if (this.places) this.places.changed = true;
    const state = this.state();
    for (const dealt of planQueue(state, true).grants) {
      const { waiter, option, panic } = dealt;
      this.exit(waiter.jobId);
      this.grants.set(waiter.jobId, { ...dealt, slots: state.laneOf(option).slots });
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
      lines: this.lines.ofTenants(),
      lanes: this.lines.lanes(),
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
    const sent = [...promised, ...this.begun.values()].map((grant) => grant.option);
    if (conditions.trial && sent.some((each) => each.account === option.account)) {
      return { ...conditions, blocked: conditions.blocked ?? TRIED };
    }
    const probed = conditions.probe === true && sent.some((each) => each.offer === offer);
    return probed ? { ...conditions, unhealthy: PROBED } : conditions;
  }
}

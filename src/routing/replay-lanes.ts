/** Slots in virtual time: what runs, who waits, and whose turn it is when a slot is free. */
import { type Micros, minusMicros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { type Plan, planQueue } from './fair.ts';
import { Lines } from './lines.ts';
import type { Conditions } from './score.ts';
import type { InFlight, LaneOption, Waiter } from './waiter.ts';

/** Where slots are counted: an account; Kling counts them for each model version. */
export interface LaneRule {
  readonly lane: string;
  readonly slots: number;
}

interface LanesTerms {
  /** Tasks a tenant may run at once; null: no limit. */
  readonly limitOf: (tenant: string) => number | null;
  /** What is known of an option's offer now, but for its slots, its running tasks and the queue before it. */
  readonly conditionsOf: (option: LaneOption, nowMs: number) => Conditions;
}

/** The tasks that run and the jobs that wait, dealt slots by the fair queue of the gateway. */
export class Lanes {
  private readonly terms: LanesTerms;
  private readonly lines = new Lines();
  private readonly slots = new Map<string, number>();
  private readonly running = new Map<string, number>();
  private readonly inFlight = new Map<string, Omit<InFlight, 'tasksMax'>>();

  constructor(terms: LanesTerms) {
    this.terms = terms;
  }

  /** Tasks that run in the lane. */
  runningIn(lane: string): number {
    return this.running.get(lane) ?? 0;
  }

  /** Jobs that a new one of the tenant would find before it in the lane. */
  aheadOf(tenant: string, lane: string): number {
    return this.lines.aheadOf(tenant, lane);
  }

  /** Puts the job where its age belongs. `rules` has the lane of each of its options. */
  enter(waiter: Waiter, rules: readonly LaneRule[]): void {
    for (const { lane, slots } of rules) this.slots.set(lane, slots);
    this.lines.enter(waiter);
  }

  /** Takes the job out of the queue; false when it does not wait. */
  leave(jobId: string): boolean {
    if (!this.lines.get(jobId)) return false;
    this.lines.exit(jobId);
    return true;
  }

  /** Whose turn it is at this moment; they wait no longer. */
  deal(nowMs: number): Plan['grants'] {
    if (this.lines.size === 0) return [];
    const known = new Map<string, Conditions>();
    const state = {
      nowMs,
      lines: this.lines.ofTenants(),
      lanes: this.lines.lanes(),
      laneOf: ({ lane }: LaneOption) => ({ slots: this.slots.get(lane) ?? 0, taken: this.runningIn(lane) }),
      inFlightOf: (tenant: string) => ({ ...this.of(tenant), tasksMax: this.terms.limitOf(tenant) }),
      conditionsOf: (option: LaneOption) => {
        const found = known.get(option.offer) ?? this.terms.conditionsOf(option, nowMs);
        known.set(option.offer, found);
        return found;
      },
    };
    const { grants } = planQueue(state, true);
    for (const { waiter } of grants) this.lines.exit(waiter.jobId);
    return grants;
  }

  /** A task of the tenant takes a slot of the lane, at that price. */
  start(lane: string, tenant: string, price: Micros): void {
    const { tasks, micros } = this.of(tenant);
    this.running.set(lane, this.runningIn(lane) + 1);
    this.inFlight.set(tenant, { tasks: tasks + 1, micros: sumMicros(micros, price) });
  }

  /** It gives the slot back. */
  end(lane: string, tenant: string, price: Micros): void {
    const { tasks, micros } = this.of(tenant);
    this.running.set(lane, this.runningIn(lane) - 1);
    this.inFlight.set(tenant, { tasks: tasks - 1, micros: minusMicros(micros, price) });
  }

  private of(tenant: string): Omit<InFlight, 'tasksMax'> {
    return this.inFlight.get(tenant) ?? { tasks: 0, micros: ZERO_MICROS };
  }
}

/**
 * The fair queue: which waiting job gets which free slot. Tenants are served by deficit, in dollars in flight: whoever
 * has the least running comes next, its oldest job first; so a flood waits behind itself, not before others. Pure.
 */
import TinyQueue from 'tinyqueue';
import { type Micros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import { choose, type Option } from './choose.ts';
import type { Choosing } from './route.ts';
import type { Conditions } from './score.ts';

/** An option, and where its slot is counted. */
export interface LaneOption extends Option {
  readonly lane: string;
  /** Whose circuit it is: the account and the model. */
  readonly offer: string;
}

/** A job that needs a slot. */
export interface Waiter {
  readonly jobId: string;
  readonly tenantId: string;
  readonly createdAtMs: number;
  /** The dearest price it can end in: its weight while nobody knows who makes it. */
  readonly holdMicros: Micros;
  /** Until when it may wait. */
  readonly untilMs: number;
  readonly options: readonly LaneOption[];
  readonly choosing: Choosing;
}

export interface Lane {
  readonly slots: number;
  readonly taken: number;
}

/** What a tenant has running now. */
export interface InFlight {
  readonly tasks: number;
  readonly micros: Micros;
  /** How many tasks it may have at once; null: as many as there are slots. */
  readonly tasksMax: number | null;
}

export interface QueueState {
  readonly nowMs: number;
  /** The jobs that wait: a line for each tenant, oldest first (`linesOf`). Whoever is asked often keeps them so. */
  readonly lines: readonly (readonly Waiter[])[];
  /** One option of each lane that somebody waits for. */
  readonly lanes: readonly LaneOption[];
  readonly laneOf: (option: LaneOption) => Lane;
  readonly inFlightOf: (tenantId: string) => InFlight;
  /** Everything but slots, running tasks and the queue, which the plan counts itself. */
  readonly conditionsOf: (option: LaneOption) => Conditions;
}

/** Where a job stands: before it are `position - 1` others for the same slots. Null: it waits for something else. */
export interface Place {
  readonly position: number;
  readonly seconds: number;
  readonly option: LaneOption;
}

export interface Plan {
  /** Who may take a slot now, and of whom. */
  readonly grants: readonly {
    readonly waiter: Waiter;
    readonly option: LaneOption;
    readonly panic: boolean;
    readonly lapsing: bigint;
  }[];
  /** The places of those that wait on; a job that nothing may be sent for now has none. */
  readonly places: ReadonlyMap<string, Place>;
  /** How many of them wait in the lane. */
  readonly queuedIn: (lane: string) => number;
}

/** Counts of one plan, as it goes. */
interface Counts {
  readonly lanes: Map<string, { slots: number; taken: number; queued: number }>;
  /** Offers whose half-open circuit has its probe. */
  readonly probed: Set<string>;
  /** Prepaid units that would lapse and that this plan has given away, by account. */
  readonly lapsing: Map<string, bigint>;
}

/**
 * Deals the free slots out. Each job in the fair order takes what scores best for it, counting those before it; if that
 * has no free slot, it waits there. With `onlyGrants` it ends as soon as no slot is left, and places are not complete.
 */
export function planQueue(state: QueueState, onlyGrants = false): Plan {
  const counts: Counts = { lanes: new Map(), probed: new Set(), lapsing: new Map() };
  const grants: Plan['grants'][number][] = [];
  const places = new Map<string, Place>();
  const queuedIn = (lane: string): number => counts.lanes.get(lane)?.queued ?? 0;
  let room = onlyGrants ? freeLanes(state, counts) : Number.POSITIVE_INFINITY;
  // With everything full, as it mostly is while a flood waits, nobody need be put in order.
  if (room <= 0) return { grants, places, queuedIn };
  for (const { waiter, line } of inFairOrder(state, onlyGrants)) {
    if (room <= 0) break;
    const full = line.tasks >= line.tasksMax;
    const chosen = choose(waiter.options, choosingNow(waiter, state.nowMs), (option) =>
      conditionsNow(state, counts, option),
    );
    if (!chosen) continue;
    const { option, conditions, score, panic, lapsing } = chosen;
    const lane = laneCounts(state, counts, option);
    if (full) {
      // Its own tenant's tasks are in its way: one of them has to end first, and nobody else waits for that.
      const seconds = Math.max(score.slotSeconds, score.expectedSeconds - score.slotSeconds);
      places.set(waiter.jobId, { position: lane.queued + 1, seconds, option });
    } else if (score.slotSeconds > 0) {
      lane.queued += 1;
      places.set(waiter.jobId, { position: lane.queued, seconds: score.slotSeconds, option });
    } else {
      lane.taken += 1;
      line.tasks += 1;
      if (lane.taken >= lane.slots) room -= 1;
      if (conditions.probe) counts.probed.add(option.offer);
      counts.lapsing.set(option.account, (counts.lapsing.get(option.account) ?? 0n) + lapsing);
      grants.push({ waiter, option, panic, lapsing });
    }
  }
  return { grants, places, queuedIn };
}

/** The waiting jobs as a state holds them: each tenant's own, oldest first. */
export function linesOf(waiters: readonly Waiter[]): Waiter[][] {
  const lines = new Map<string, Waiter[]>();
  for (const waiter of waiters.toSorted(byAge)) {
    const line = lines.get(waiter.tenantId) ?? [];
    lines.set(waiter.tenantId, line);
    line.push(waiter);
  }
  return [...lines.values()];
}

/** Older jobs first; of two that are equally old, always the same one. */
export function byAge(a: Waiter, b: Waiter): number {
  return a.createdAtMs - b.createdAtMs || (a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : 0);
}

/** The waiting jobs of one tenant as a plan goes through them, and what it has in flight with what the plan gave it. */
interface Line {
  readonly jobs: readonly Waiter[];
  readonly tasksMax: number;
  /** Whose turn it is in this line, and at which place in it that one stands. */
  head: Waiter;
  at: number;
  tasks: number;
  micros: Micros;
}

/**
 * The waiting jobs in the order in which they are served: always the tenant with the fewest dollars in flight, counting
 * what it was just given; its oldest job first. With `onlyGrants` a tenant that has all the tasks it may is left out.
 */
function* inFairOrder(
  { lines, inFlightOf }: QueueState,
  onlyGrants: boolean,
): Generator<{ waiter: Waiter; line: Line }> {
  const turns = new TinyQueue<Line>(
    lines.flatMap((jobs): Line[] => {
      const [head] = jobs;
      if (!head) return [];
      const { tasks, micros, tasksMax } = inFlightOf(head.tenantId);
      return [{ jobs, head, at: 0, tasks, micros, tasksMax: tasksMax ?? Number.POSITIVE_INFINITY }];
    }),
    byTurn,
  );
  for (let line = turns.pop(); line; line = turns.pop()) {
    if (onlyGrants && line.tasks >= line.tasksMax) continue;
    const waiter = line.head;
    line.micros = sumMicros(line.micros, waiter.holdMicros);
    yield { waiter, line };
    line.at += 1;
    const next = line.jobs[line.at];
    if (!next) continue;
    line.head = next;
    turns.push(line);
  }
}

function byTurn(a: Line, b: Line): number {
  return a.micros === b.micros ? byAge(a.head, b.head) : a.micros < b.micros ? -1 : 1;
}

/** The time that is left to wait counts, not the time that there was at admission. */
function choosingNow({ choosing, untilMs }: Waiter, nowMs: number): Choosing {
  return { ...choosing, queueSeconds: Math.max(0, untilMs - nowMs) / SECOND_MS };
}

function conditionsNow(state: QueueState, counts: Counts, option: LaneOption): Conditions {
  const { slots, taken, queued } = laneCounts(state, counts, option);
  const known = state.conditionsOf(option);
  const lapsing = (known.lapsing ?? 0n) - (counts.lapsing.get(option.account) ?? 0n);
  const conditions = { ...known, lapsing, slots, running: taken, queuedAhead: queued };
  return counts.probed.has(option.offer) ? { ...conditions, unhealthy: PROBED } : conditions;
}

const PROBED = 'circuit half open: one job tries it now';

function laneCounts(state: QueueState, counts: Counts, option: LaneOption) {
  const known = counts.lanes.get(option.lane);
  if (known) return known;
  const made = { ...state.laneOf(option), queued: 0 };
  counts.lanes.set(option.lane, made);
  return made;
}

/** How many lanes that somebody could use have a free slot. */
function freeLanes(state: QueueState, counts: Counts): number {
  for (const option of state.lanes) laneCounts(state, counts, option);
  return [...counts.lanes.values()].filter(({ slots, taken }) => taken < slots).length;
}

/** What a tenant has in flight that has nothing running. */
export const NOTHING_IN_FLIGHT: InFlight = { tasks: 0, micros: ZERO_MICROS, tasksMax: null };

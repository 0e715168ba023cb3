/**
 * The fair queue: which waiting job gets which free slot. Tenants are served by deficit, in dollars in flight: whoever
 * has the least running comes next, its oldest job first; so a flood waits behind itself, not before others. A tenant is
 * charged for what it is given, in whatever lane; what it waits for counts against it in that lane alone. Pure.
 */
import { sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import { type Choice, choose } from './choose.ts';
import { type Weighed, weigh } from './explain.ts';
import { Prospects } from './prospects.ts';
import type { Choosing } from './route.ts';
import type { Conditions } from './score.ts';
import { byAge, type Turn, Turns, unplacedIn, type Wait } from './turns.ts';
import type { InFlight, Lane, LaneOption, Waiter } from './waiter.ts';

export interface QueueState {
  readonly nowMs: number;
  /** The jobs that wait: a line for each tenant, oldest first (`linesOf`). Whoever is asked often keeps them so. */
  readonly lines: readonly (readonly Waiter[])[];
  /** One option of each lane that somebody waits for, and of each offer in it. */
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
    /** What stood against what when it was dealt. */
    readonly weighed: readonly Weighed[];
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
  /** Accounts that one job asks whether they have credit again. */
  readonly tried: Set<string>;
  /** Prepaid units that would lapse and that this plan has given away, by account. */
  readonly lapsing: Map<string, bigint>;
}

/** A plan as it is made. */
interface Planning {
  readonly state: QueueState;
  readonly counts: Counts;
  readonly turns: Turns;
  /** Lanes with a slot that somebody may use. */
  readonly free: Set<string>;
  readonly grants: Plan['grants'][number][];
  readonly places: Map<string, Place>;
  readonly prospects: Prospects;
}

/**
 * Deals the free slots out. Each job in the fair order takes what scores best for it, counting those before it; if that
 * has no free slot, it waits there. With `onlyGrants` it ends as soon as nobody can take a slot any more: the grants are the
 * same, the places not complete.
 */
export function planQueue(state: QueueState, onlyGrants = false): Plan {
  const counts: Counts = { lanes: new Map(), probed: new Set(), tried: new Set(), lapsing: new Map() };
  const [grants, places]: [Planning['grants'], Planning['places']] = [[], new Map()];
  const queuedIn = (lane: string): number => counts.lanes.get(lane)?.queued ?? 0;
  const free = freeLanes(state, counts);
  // With everything full, as it mostly is while a flood waits, nobody need be put in order.
  if (onlyGrants && free.size === 0) return { grants, places, queuedIn };
  const turns = new Turns(state.lines, state.inFlightOf);
  const prospects = new Prospects({
    ...{ nowMs: state.nowMs, lines: turns.lines, offers: state.lanes, free, dealt: () => grants.length },
    conditionsOf: (option) => conditionsNow(state, counts, option, 0),
  });
  const plan: Planning = { state, counts, turns, free, grants, places, prospects };
  if (onlyGrants && !prospects.areLeft()) return { grants, places, queuedIn };
  for (let turn = turns.next(); turn; turn = turns.next()) {
    // A tenant that has all the tasks it may is given nothing, with its whole line.
    if (onlyGrants && turn.line.tasks >= turn.line.tasksMax) continue;
    if (turn.wait) settle(plan, turn, turn.wait);
    else {
      lookAt(plan, turn);
      turns.takeUp(turn.line);
    }
    if (onlyGrants && (free.size === 0 || !prospects.areLeft())) break;
  }
  return { grants, places, queuedIn };
}

/** A job is looked at for the first time: it takes a free slot, or is to wait. */
function lookAt(plan: Planning, turn: Turn): void {
  const { options } = turn.waiter;
  const [first] = options;
  if (!first) return;
  if (!options.some(({ lane }) => plan.free.has(lane))) {
    plan.turns.putOff(turn, { lane: first.lane, chosen: null, moved: false });
    return;
  }
  const chosen = chooseNow(plan, turn);
  if (!chosen) plan.prospects.finish(turn.waiter);
  if (!chosen || grant(plan, turn, chosen)) return;
  if (isHeldOff(chosen)) placeAt(plan, turn, chosen);
  else plan.turns.putOff(turn, { lane: chosen.option.lane, chosen, moved: false });
}

/** All who wait before it have their places: it has the next one, unless by now it does better elsewhere. */
function settle(plan: Planning, turn: Turn, { lane, moved, ...wait }: Wait): void {
  const isAsBefore = wait.chosen?.conditions.queuedAhead === plan.counts.lanes.get(lane)?.queued;
  const chosen = isAsBefore ? wait.chosen : chooseNow(plan, turn);
  if (!chosen) plan.prospects.finish(turn.waiter);
  if (!chosen || grant(plan, turn, chosen)) return;
  const { option } = chosen;
  if (option.lane === lane || moved || isHeldOff(chosen)) placeAt(plan, turn, chosen);
  else plan.turns.putOff(turn, { lane: option.lane, chosen, moved: true });
}

/** What scores best for the job by now, behind those who have a place; at first sight also behind its own tenant's. */
function chooseNow(plan: Planning, turn: Turn): Choice<LaneOption> | null {
  const { options } = turn.waiter;
  return choose(options, choosingNow(turn.waiter, plan.state.nowMs), conditionsAt(plan, turn));
}

const conditionsAt =
  ({ state, counts }: Planning, { line, wait }: Turn) =>
  (option: LaneOption): Conditions =>
    conditionsNow(state, counts, option, wait ? 0 : unplacedIn(line, option.lane));

/** Gives the job the slot that it has chosen; false when there is none for it now. */
function grant(plan: Planning, turn: Turn, chosen: Choice<LaneOption>): boolean {
  const { counts, free, grants, state } = plan;
  const { line, waiter } = turn;
  const { option, conditions, score, panic, lapsing } = chosen;
  if (score.slotSeconds > 0 || line.tasks >= line.tasksMax) return false;
  const weighed = weigh(waiter.options, choosingNow(waiter, state.nowMs), conditionsAt(plan, turn), option);
  const lane = laneCounts(state, counts, option);
  lane.taken += 1;
  if (lane.taken >= lane.slots) free.delete(option.lane);
  line.tasks += 1;
  line.micros = sumMicros(line.micros, option.priceMicros);
  if (conditions.probe) counts.probed.add(option.offer);
  if (conditions.trial) counts.tried.add(option.account);
  counts.lapsing.set(option.account, (counts.lapsing.get(option.account) ?? 0n) + lapsing);
  grants.push({ waiter, option, panic, lapsing, weighed });
  plan.prospects.finish(waiter);
  return true;
}

/** It may not ask yet, where a slot is free: nobody waits behind it for that. */
const isHeldOff = ({ conditions: { running, queuedAhead, slots } }: Choice<LaneOption>): boolean =>
  running + queuedAhead < slots;

function placeAt(plan: Planning, { line, waiter }: Turn, chosen: Choice<LaneOption>): void {
  const { counts, places, state } = plan;
  const { option, score } = chosen;
  plan.prospects.finish(waiter);
  const lane = laneCounts(state, counts, option);
  if (line.tasks >= line.tasksMax) {
    // Its own tenant's tasks are in its way: one of them has to end first, and nobody else waits for that.
    const seconds = Math.max(score.slotSeconds, score.expectedSeconds - score.slotSeconds);
    places.set(waiter.jobId, { position: lane.queued + 1, seconds, option });
    return;
  }
  places.set(waiter.jobId, { position: lane.queued + 1, seconds: score.slotSeconds, option });
  if (!isHeldOff(chosen)) lane.queued += 1;
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

/** The time that is left to wait counts, not the time that there was at admission. */
function choosingNow({ choosing, untilMs }: Waiter, nowMs: number): Choosing {
  return { ...choosing, queueSeconds: Math.max(0, untilMs - nowMs) / SECOND_MS };
}

function conditionsNow(state: QueueState, counts: Counts, option: LaneOption, unplaced: number): Conditions {
  const { slots, taken, queued } = laneCounts(state, counts, option);
  const known = state.conditionsOf(option);
  const lapsing = (known.lapsing ?? 0n) - (counts.lapsing.get(option.account) ?? 0n);
  const notBeforeSeconds = Math.max(0, (option.notBeforeMs ?? 0) - state.nowMs) / SECOND_MS;
  const queuedAhead = queued + unplaced;
  const conditions = { ...known, lapsing, slots, running: taken, queuedAhead, notBeforeSeconds };
  if (counts.tried.has(option.account)) return { ...conditions, blocked: TRIED };
  return counts.probed.has(option.offer) ? { ...conditions, unhealthy: PROBED } : conditions;
}

/** Why a job is not sent where another one, sent a moment ago, is to find something out first. */
export const PROBED = 'circuit half open: one job tries it now';
export const TRIED = 'circuit open: one job asks now whether the account has credit again';

function laneCounts(state: QueueState, counts: Counts, option: LaneOption) {
  const known = counts.lanes.get(option.lane);
  if (known) return known;
  const made = { ...state.laneOf(option), queued: 0 };
  counts.lanes.set(option.lane, made);
  return made;
}

/** The lanes with a free slot that somebody may use. */
function freeLanes(state: QueueState, counts: Counts): Set<string> {
  const free = new Set<string>();
  for (const option of state.lanes) {
    const { slots, taken } = laneCounts(state, counts, option);
    if (taken < slots && state.conditionsOf(option).blocked === null) free.add(option.lane);
  }
  return free;
}

/** What a tenant has in flight that has nothing running. */
export const NOTHING_IN_FLIGHT: InFlight = { tasks: 0, micros: ZERO_MICROS, tasksMax: null };

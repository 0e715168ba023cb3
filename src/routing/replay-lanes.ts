/** Slots in virtual time: who runs, who waits, and who is next when a slot is free. */
import type { Micros } from '../ground/money.ts';
import { micros, ZERO_MICROS } from '../ground/money.ts';

/** Where slots are counted: an account; Kling counts them for each model version. */
export interface LaneRule {
  readonly lane: string;
  readonly slots: number;
}

/** Somebody who wants a slot. `number` grows with the order in which they came. */
export interface Waiter {
  readonly number: number;
  readonly tenant: string;
}

interface Line<W> {
  readonly waiters: W[];
  /** Those before have left: cutting the list at each leave would cost its length. */
  head: number;
}

interface Lane<W> {
  readonly slots: number;
  running: number;
  queued: number;
  readonly lines: Map<string, Line<W>>;
}

interface Load {
  running: number;
  inFlight: Micros;
}

/** The slots of every lane and the tasks of every tenant. It changes as jobs start, wait and end. */
export interface Lanes<W extends Waiter> {
  readonly lanes: Map<string, Lane<W>>;
  readonly loads: Map<string, Load>;
  readonly waitsIn: Map<W, string>;
  /** Tasks a tenant may run at once; null: no limit. */
  readonly limitOf: (tenant: string) => number | null;
}

export function emptyLanes<W extends Waiter>(limitOf: Lanes<W>['limitOf']): Lanes<W> {
  return { lanes: new Map(), loads: new Map(), waitsIn: new Map(), limitOf };
}

function laneOf<W extends Waiter>(all: Lanes<W>, { lane, slots }: LaneRule): Lane<W> {
  const found = all.lanes.get(lane);
  if (found) return found;
  const made: Lane<W> = { slots, running: 0, queued: 0, lines: new Map() };
  all.lanes.set(lane, made);
  return made;
}

function loadOf<W extends Waiter>(all: Lanes<W>, tenant: string): Load {
  const found = all.loads.get(tenant) ?? { running: 0, inFlight: ZERO_MICROS };
  all.loads.set(tenant, found);
  return found;
}

/** Tasks that run in the lane now, and jobs that wait for it. */
export function trafficIn<W extends Waiter>(all: Lanes<W>, rule: LaneRule): { running: number; queued: number } {
  const { running, queued } = laneOf(all, rule);
  return { running, queued };
}

const isFull = <W extends Waiter>(all: Lanes<W>, tenant: string): boolean => {
  const limit = all.limitOf(tenant);
  return limit !== null && loadOf(all, tenant).running >= limit;
};

/** Takes a slot; false when the lane or its tenant has none left, and nothing is taken. */
export function takeSlot<W extends Waiter>(all: Lanes<W>, rule: LaneRule, tenant: string, price: Micros): boolean {
  const lane = laneOf(all, rule);
  if (lane.running >= lane.slots || isFull(all, tenant)) return false;
  const load = loadOf(all, tenant);
  lane.running += 1;
  load.running += 1;
  load.inFlight = micros(load.inFlight + price);
  return true;
}

/** Gives the slot back that was taken at that price. */
export function freeSlot<W extends Waiter>(all: Lanes<W>, rule: LaneRule, tenant: string, price: Micros): void {
  const load = loadOf(all, tenant);
  laneOf(all, rule).running -= 1;
  load.running -= 1;
  load.inFlight = micros(load.inFlight - price);
}

/** Puts somebody at the end of its tenant's line. */
export function queue<W extends Waiter>(all: Lanes<W>, rule: LaneRule, waiter: W): void {
  const lane = laneOf(all, rule);
  const line = lane.lines.get(waiter.tenant) ?? { waiters: [], head: 0 };
  lane.lines.set(waiter.tenant, line);
  line.waiters.push(waiter);
  lane.queued += 1;
  all.waitsIn.set(waiter, rule.lane);
}

/** Takes somebody out of the queue, wherever it stands; false when it waits nowhere. */
export function leave<W extends Waiter>(all: Lanes<W>, waiter: W): boolean {
  const name = all.waitsIn.get(waiter);
  const lane = name === undefined ? undefined : all.lanes.get(name);
  if (!lane) return false;
  all.waitsIn.delete(waiter);
  lane.queued -= 1;
  return true;
}

/**
 * Who starts next in the lane, taken out of the queue; null when nobody can. The tenant with the fewest dollars in flight
 * comes first, the oldest job within it: the fair shares of the gateway, without their memory.
 */
export function nextIn<W extends Waiter>(all: Lanes<W>, name: string): W | null {
  const lane = all.lanes.get(name);
  if (!lane || lane.queued === 0 || lane.running >= lane.slots) return null;
  let best: { waiter: W; line: Line<W>; inFlight: Micros } | null = null;
  for (const [tenant, line] of lane.lines) {
    const waiter = headOf(all, name, line);
    if (waiter === null) lane.lines.delete(tenant);
    else if (!isFull(all, tenant)) {
      const { inFlight } = loadOf(all, tenant);
      const earlier = best === null || inFlight < best.inFlight;
      const same = best !== null && inFlight === best.inFlight && waiter.number < best.waiter.number;
      if (earlier || same) best = { waiter, line, inFlight };
    }
  }
  if (!best) return null;
  best.line.head += 1;
  leave(all, best.waiter);
  return best.waiter;
}

/** The first of the line that still waits here. */
function headOf<W extends Waiter>(all: Lanes<W>, name: string, line: Line<W>): W | null {
  for (; line.head < line.waiters.length; line.head += 1) {
    const waiter = line.waiters[line.head];
    if (waiter && all.waitsIn.get(waiter) === name) return waiter;
  }
  return null;
}

/** The lanes in which somebody of the tenant may wait. */
export function lanesOfTenant<W extends Waiter>(all: Lanes<W>, tenant: string): string[] {
  return [...all.lanes].filter(([, { lines }]) => lines.has(tenant)).map(([name]) => name);
}

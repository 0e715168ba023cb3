/** Prepaid packs: what is drawn from which, what is left, and what will lapse. Units are counted in billionths. */
import { ceilToMicros, type Micros, ratioOfMicros, times } from '../ground/money.ts';
import { DAY_MS, HOUR_MS } from '../ground/time.ts';

export interface Pack {
  readonly id: string;
  readonly units: bigint;
  readonly boughtAtMs: number;
  readonly expiresAtMs: number;
}

/** What one clip took, and when. */
export interface Draw {
  readonly atMs: number;
  readonly units: bigint;
  /** The part of it that was taken only because it would have lapsed: nobody would have paid full price for it. */
  readonly lapsing?: bigint;
}

export interface PackState<P extends Pack = Pack> {
  readonly pack: P;
  readonly drawn: bigint;
  readonly left: bigint;
  /** Clips that drew on it. */
  readonly clips: number;
  /** Units that lapse unused if the last 14 days go on; null without a clip in them, and for a pack that is over. */
  readonly expiring: bigint | null;
}

/** From when on clips are known, whoever made them. Demand is reckoned over the days since, fourteen at most. */
export interface History {
  /** Of the first clip there ever was; null: there was none. */
  readonly firstAtMs: number | null;
  /** Of the last one. */
  readonly lastAtMs: number | null;
}

export interface Inventory<P extends Pack = Pack> {
  /** In the order in which they are drawn: the one that expires first, first. */
  readonly packs: readonly PackState<P>[];
  /** The pack that a clip draws on which begins now; null when none lasts until it is done and has units left. */
  readonly next: P | null;
  /** Units of clips that no registered pack can have paid for. */
  readonly uncovered: bigint;
  /** Whether a day of traffic is known: with less, nothing is given away. */
  readonly foreseen: boolean;
}

/** Over how many days demand is reckoned. */
export const REPLAYED_DAYS = 14;
const DAY_HOURS = DAY_MS / HOUR_MS;

/**
 * Draws each clip from the packs that were valid then, the one that expires first before the others, and plays the last
 * days once more to see what will be left over. Without `history` the draws themselves are all that is known. `takeMs`:
 * how long a clip is expected to take.
 */
export function takeStock<P extends Pack>(
  packs: readonly P[],
  draws: readonly Draw[],
  nowMs: number,
  history: History = historyOf(draws),
  takeMs = 0,
): Inventory<P> {
  const shelf = [...packs]
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs || a.boughtAtMs - b.boughtAtMs || (a.id < b.id ? -1 : 1))
    .map((pack) => ({ pack, left: pack.units, clips: 0 }));
  // What was drawn before there was any pack was paid otherwise; it only tells of demand.
  const openedAtMs = Math.min(...packs.map(({ boughtAtMs }) => boughtAtMs));
  const inOrder = draws.filter(({ atMs }) => atMs >= openedAtMs).sort((a, b) => a.atMs - b.atMs);
  let uncovered = 0n;
  for (const draw of inOrder) uncovered += drawFrom(shelf, draw);
  const expiring = forecast(shelf, draws, nowMs, history);
  const states = shelf.map(({ pack, left, clips }): PackState<P> => {
    return { pack, drawn: pack.units - left, left, clips, expiring: expiring?.get(pack.id) ?? null };
  });
  return {
    packs: states,
    next: packFor(states, nowMs, takeMs),
    uncovered,
    foreseen: history.firstAtMs !== null && history.firstAtMs <= nowMs - DAY_MS,
  };
}

/** The pack that a clip draws on which begins now and takes so long; null for none. `states` in the order of drawing. */
export function packFor<P extends Pack>(states: readonly PackState<P>[], nowMs: number, takeMs: number): P | null {
  return states.find((state) => outlasts(state, nowMs, takeMs))?.pack ?? null;
}

/**
 * Units that a clip which begins now and takes so long can draw, and that would lapse otherwise: what the packs that are
 * open now, and still when it is done, leave over at full price. Zero while less than a day of traffic is known.
 */
export function lapsingOf({ packs, foreseen }: Inventory, nowMs: number, takeMs: number): bigint {
  if (!foreseen) return 0n;
  const open = packs.filter((state) => outlasts(state, nowMs, takeMs));
  return open.reduce((sum, { expiring }) => sum + (expiring ?? 0n), 0n);
}

/** Packs that are valid now and have units left. */
export function openPacks<P extends Pack>({ packs }: Inventory<P>, nowMs: number): P[] {
  return packs.filter((state) => isOpen(state, nowMs)).map(({ pack }) => pack);
}

/** Units are deducted when a clip succeeds (Kling's billing rules), so a pack that lapses before that pays nothing. */
const outlasts = (state: PackState, nowMs: number, takeMs: number): boolean =>
  isOpen(state, nowMs) && nowMs + takeMs < state.pack.expiresAtMs;

function historyOf(draws: readonly Draw[]): History {
  const times = draws.map(({ atMs }) => atMs);
  const first = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const last = times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return times.length === 0 ? { firstAtMs: null, lastAtMs: null } : { firstAtMs: first, lastAtMs: last };
}

/**
 * What a clip of that many units really costs us while so many would lapse: they are paid for whether they are used or
 * not, so only the units beyond them count. Never more than the cost, never below zero.
 */
export function marginalCost(costMicros: Micros, units: bigint, lapsing: bigint): Micros {
  if (units <= 0n || lapsing <= 0n) return costMicros;
  const paid = units > lapsing ? units - lapsing : 0n;
  return ceilToMicros(times(ratioOfMicros(costMicros), { n: paid, d: units }));
}

interface Place {
  readonly pack: Pack;
  left: bigint;
  clips: number;
}

const isOpen = ({ pack, left }: Pick<Place, 'pack' | 'left'>, atMs: number): boolean =>
  left > 0n && pack.boughtAtMs <= atMs && atMs < pack.expiresAtMs;

/** Takes the units from the shelf; what nobody could give comes back. */
function drawFrom(shelf: readonly Place[], { atMs, units }: Draw): bigint {
  let missing = units;
  for (const place of shelf) {
    if (missing === 0n) break;
    if (!isOpen(place, atMs)) continue;
    const taken = missing < place.left ? missing : place.left;
    place.left -= taken;
    place.clips += 1;
    missing -= taken;
  }
  return missing;
}

/**
 * The days that are known, at most the last 14, once more, hour by hour, over and over until the last pack has lapsed.
 * What was taken only because it would have lapsed is no demand. Null when those days saw no clip at all.
 */
function forecast(
  shelf: readonly Place[],
  draws: readonly Draw[],
  nowMs: number,
  { firstAtMs, lastAtMs }: History,
): Map<string, bigint> | null {
  if (firstAtMs === null || lastAtMs === null || lastAtMs <= nowMs - REPLAYED_DAYS * DAY_MS) return null;
  const days = Math.min(REPLAYED_DAYS, Math.max(1, Math.ceil((nowMs - firstAtMs) / DAY_MS)));
  const hours = Array.from({ length: days * DAY_HOURS }, () => 0n);
  for (const { atMs, units, lapsing = 0n } of draws) {
    // The oldest hour comes first again.
    const index = hours.length - 1 - Math.floor((nowMs - atMs) / HOUR_MS);
    const before = hours[index];
    if (before !== undefined && atMs <= nowMs) hours[index] = before + units - lapsing;
  }
  const places = shelf
    .filter((place) => place.pack.expiresAtMs > nowMs && place.left > 0n)
    .map((place) => ({ ...place, clips: 0 }));
  const last = places.at(-1)?.pack.expiresAtMs ?? nowMs;
  for (let hour = 0; nowMs + (hour + 1) * HOUR_MS <= last; hour += 1) {
    drawFrom(places, { atMs: nowMs + hour * HOUR_MS, units: hours[hour % hours.length] ?? 0n });
  }
  return new Map(places.map(({ pack, left }) => [pack.id, left]));
}

/** Prepaid packs: what is drawn from which, what is left, and what will lapse. Units are counted in billionths. */
import { DAY_MS } from '../ground/time.ts';

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
}

export interface PackState<P extends Pack = Pack> {
  readonly pack: P;
  readonly drawn: bigint;
  readonly left: bigint;
  /** Clips that drew on it. */
  readonly clips: number;
  /** Units that lapse unused if the last 14 days go on; null without a draw in them, and for a pack that is over. */
  readonly expiring: bigint | null;
}

export interface Inventory<P extends Pack = Pack> {
  /** In the order in which they are drawn: the one that expires first, first. */
  readonly packs: readonly PackState<P>[];
  /** The pack that the next clip draws on; null when none has units left. */
  readonly next: P | null;
  /** Units of clips that no registered pack can have paid for. */
  readonly uncovered: bigint;
}

const REPLAYED_DAYS = 14;

/** Draws each clip from the packs that were valid then, the one that expires first before the others. */
export function takeStock<P extends Pack>(packs: readonly P[], draws: readonly Draw[], nowMs: number): Inventory<P> {
  const shelf = [...packs]
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs || a.boughtAtMs - b.boughtAtMs || (a.id < b.id ? -1 : 1))
    .map((pack) => ({ pack, left: pack.units, clips: 0 }));
  let uncovered = 0n;
  for (const draw of [...draws].sort((a, b) => a.atMs - b.atMs)) uncovered += drawFrom(shelf, draw);
  const expiring = forecast(shelf, draws, nowMs);
  return {
    packs: shelf.map(({ pack, left, clips }) => {
      const lapses = expiring?.get(pack.id) ?? null;
      return { pack, drawn: pack.units - left, left, clips, expiring: lapses };
    }),
    next: shelf.find((place) => isOpen(place, nowMs))?.pack ?? null,
    uncovered,
  };
}

interface Place {
  readonly pack: Pack;
  left: bigint;
  clips: number;
}

const isOpen = ({ pack, left }: Place, atMs: number): boolean =>
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

/** The last 14 days once more, over and over until the last pack has lapsed. */
function forecast(shelf: readonly Place[], draws: readonly Draw[], nowMs: number): Map<string, bigint> | null {
  const days = Array.from({ length: REPLAYED_DAYS }, () => 0n);
  for (const { atMs, units } of draws) {
    const ago = Math.floor((nowMs - atMs) / DAY_MS);
    // The oldest day comes first again.
    const index = REPLAYED_DAYS - 1 - ago;
    if (ago >= 0 && index >= 0) days[index] = (days[index] ?? 0n) + units;
  }
  if (days.every((units) => units === 0n)) return null;
  const places = shelf
    .filter((place) => place.pack.expiresAtMs > nowMs && place.left > 0n)
    .map((place) => ({ ...place, clips: 0 }));
  const last = places.at(-1)?.pack.expiresAtMs ?? nowMs;
  for (let day = 0; nowMs + (day + 1) * DAY_MS <= last; day += 1) {
    drawFrom(places, { atMs: nowMs + day * DAY_MS, units: days[day % REPLAYED_DAYS] ?? 0n });
  }
  return new Map(places.map(({ pack, left }) => [pack.id, left]));
}

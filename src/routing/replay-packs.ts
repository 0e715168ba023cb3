/** Prepaid units in a replay: what is drawn from which pack, and what expires unused. Units are counted in billionths. */
import { ceilToMicros, dividedBy, type Micros, type Ratio, ratioOfMicros, sumMicros, times } from '../ground/money.ts';
import { DAY_MS } from '../ground/time.ts';
import { ofBillionths, toBillionths } from '../pricing/expected.ts';
import { type Draw, type Pack, takeStock } from '../pricing/packs.ts';
import type { ResourcePackage } from '../pricing/rate-card.ts';

/** A pack and what one of its units cost. */
export interface ReplayPack extends Pack {
  readonly unitPrice: Ratio;
}

/** The packs of one account and all that was drawn from them, before the period too. */
export interface Shelf {
  readonly packs: readonly ReplayPack[];
  readonly draws: readonly Draw[];
}

/** Units over a period, all accounts together. */
export interface UnitsTally {
  /** Packs that were valid in some of the period. */
  readonly packs: number;
  readonly drawn: bigint;
  /** Left in packs that lapsed within the period, and what they had cost. */
  readonly expired: bigint;
  readonly expiredMicros: Micros;
  /** Left at the end of the period in packs that are still valid. */
  readonly left: bigint;
  /** The part of it that lapses too if the last 14 days go on; null without a draw in them. */
  readonly expiring: bigint | null;
}

/** What the packs gave from `fromMs` to before `toMs`; null where there are none. */
export function tallyUnits(shelves: readonly Shelf[], fromMs: number, toMs: number): UnitsTally | null {
  const stocks = shelves.flatMap(({ packs, draws }) => takeStock(packs, draws, toMs).packs);
  const valid = stocks.filter(({ pack }) => pack.boughtAtMs < toMs && pack.expiresAtMs > fromMs);
  if (valid.length === 0) return null;
  const [lapsed, open] = [
    valid.filter(({ pack }) => pack.expiresAtMs <= toMs),
    valid.filter(({ pack }) => pack.expiresAtMs > toMs),
  ];
  const within = shelves.flatMap(({ draws }) => draws).filter(({ atMs }) => atMs >= fromMs);
  const forecasts = open.flatMap(({ expiring }) => expiring ?? []);
  return {
    packs: valid.length,
    drawn: sumUnits(within.map(({ units }) => units)),
    expired: sumUnits(lapsed.map(({ left }) => left)),
    expiredMicros: sumMicros(
      ...lapsed.map(({ left, pack }) => ceilToMicros(times(ofBillionths(left), pack.unitPrice))),
    ),
    left: sumUnits(open.map(({ left }) => left)),
    expiring: forecasts.length === 0 ? null : sumUnits(forecasts),
  };
}

const sumUnits = (units: readonly bigint[]): bigint => units.reduce((sum, each) => sum + each, 0n);

/** The packs of one kind that these draws would have needed: another is bought when the last is used up or has lapsed. */
export function packsAsNeeded(sold: ResourcePackage, draws: readonly Draw[]): ReplayPack[] {
  const units = toBillionths(sold.units);
  const unitPrice = dividedBy(ratioOfMicros(sold.price_usd), sold.units);
  const packs: ReplayPack[] = [];
  let left = 0n;
  for (const draw of [...draws].sort((a, b) => a.atMs - b.atMs)) {
    const last = packs.at(-1);
    if (!last || draw.atMs >= last.expiresAtMs) left = 0n;
    for (; left < draw.units; left += units) {
      const expiresAtMs = draw.atMs + sold.validity_days * DAY_MS;
      packs.push({ id: `${sold.id} ${packs.length + 1}`, units, unitPrice, boughtAtMs: draw.atMs, expiresAtMs });
    }
    left -= draw.units;
  }
  return packs;
}

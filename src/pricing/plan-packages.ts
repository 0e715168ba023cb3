import {
  ceilToMicros,
  ceilToWhole,
  compareRatio,
  dividedBy,
  type Micros,
  type Ratio,
  ratio,
  ratioOfMicros,
} from '../ground/money.ts';
import { type Load, MONTH_DAYS } from './plan-load.ts';
import { minRatio, minus, productOf } from './plan-ratio.ts';
import { isPrepaid, monthAt, type Shop } from './plan-shops.ts';
import { countSeconds, countTakes, type Takes } from './plan-takes.ts';
import type { ResourcePackage } from './rate-card.ts';

/** Everything made from packs of one kind, bought one after another: a new one when the last is used up or lapses. */
export interface PackageOutlook {
  readonly id: string;
  readonly shop: string;
  readonly packs: number;
  readonly unitsNeeded: Ratio;
  readonly unitsBought: Ratio;
  /** Units that are left when the plan ends or were left when their pack lapsed, all packs together. */
  readonly unitsExpiring: Ratio;
  /** Of one pack, the units that lapse even where production goes on at this pace. */
  readonly unitsExpiringEach: Ratio;
  /** What the packs cost, waste included; and the same per month of the plan. */
  readonly usd: Micros;
  readonly usdPerMonth: Micros;
  /** The part of `usdPerMonth` that pays for units nobody uses. */
  readonly usdWastedPerMonth: Micros;
  /** Per month where production goes on at this pace for good. */
  readonly usdPerMonthGoingOn: Micros;
  readonly validityDays: number;
  readonly concurrentTasks: number;
  readonly carriesPeak: boolean;
}

/** From which volume one pack is as cheap as paying by the clip elsewhere, within what its units make. */
export type BreakEven = { readonly packageId: string; readonly shop: string } & (
  | {
      readonly kind: 'volume';
      readonly clips: bigint;
      readonly seconds: bigint;
      readonly packs: number;
      /** Whether the plan makes that many while the pack is valid. */
      readonly reached: boolean;
    }
  | { readonly kind: 'never'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }
);

/** What the plan's takes need of the shop's packs of one kind, over `days`; null where the shop cannot make them all. */
export function outlookOf(
  shop: Shop,
  bought: ResourcePackage,
  all: readonly Takes[],
  days: number,
  load: Load,
): PackageOutlook | null {
  const month = monthAt(shop, all, bought.id);
  if (month.kind === 'unpriced' || month.units === null) return null;
  const needed = productOf(month.units, overMonths(days));
  const packs = maxWhole(ceilToWhole(dividedBy(needed, bought.units)), BigInt(Math.ceil(days / bought.validity_days)));
  const unitsBought = productOf(bought.units, { n: packs, d: 1n });
  const usd = productOf(ratioOfMicros(bought.price_usd), { n: packs, d: 1n });
  const inValidity = productOf(month.units, overMonths(bought.validity_days));
  const expiring = minus(unitsBought, needed);
  // A pack lasts until it is used up or lapses, so a month takes the larger share of one.
  const perMonth = maxRatio(dividedBy(month.units, bought.units), ratioOfWhole(MONTH_DAYS, bought.validity_days));
  return {
    id: bought.id,
    shop: shop.id,
    packs: Number(packs),
    unitsNeeded: needed,
    unitsBought,
    unitsExpiring: expiring,
    unitsExpiringEach: minus(bought.units, minRatio(bought.units, inValidity)),
    usd: ceilToMicros(usd),
    usdPerMonth: ceilToMicros(productOf(usd, ratioOfWhole(MONTH_DAYS, days))),
    usdWastedPerMonth: ceilToMicros(productOf(expiring, bought.unit_price_usd, ratioOfWhole(MONTH_DAYS, days))),
    usdPerMonthGoingOn: ceilToMicros(productOf(ratioOfMicros(bought.price_usd), perMonth)),
    validityDays: bought.validity_days,
    concurrentTasks: bought.concurrent_tasks,
    carriesPeak: load.needed <= bought.concurrent_tasks,
  };
}

/** Packs more than this are not tried one by one: by then the two prices are the same to a thousandth. */
const PACKS_TRIED = 1_000;

/**
 * The volume of these takes, whole ones, from which packs cost no more than `other` does. `never` where a unit is not
 * cheaper than what it replaces: then no volume pays the pack back.
 */
export function breakEvenOf(
  shop: Shop,
  bought: ResourcePackage,
  other: Shop,
  all: readonly Takes[],
  days: number,
): BreakEven {
  const named = { packageId: bought.id, shop: other.id };
  const [own, there] = [monthAt(shop, all, bought.id), monthAt(other, all)];
  if (own.kind === 'unpriced') return { ...named, kind: 'unknown', reason: own.reason };
  if (own.units === null) return { ...named, kind: 'unknown', reason: `${shop.id} does not draw all of it from packs` };
  if (there.kind === 'unpriced') return { ...named, kind: 'unknown', reason: there.reason };
  const drawn = productOf(own.units, bought.unit_price_usd);
  if (compareRatio(drawn, there.usd) >= 0) {
    return { ...named, kind: 'never', reason: 'its units cost no less than the clips do there' };
  }
  const [clips, seconds] = [countTakes(all), countSeconds(all)];
  const [usdEach, unitsEach] = [dividedBy(there.usd, clips), dividedBy(own.units, clips)];
  for (let packs = 1; packs <= PACKS_TRIED; packs += 1) {
    const paid = productOf(ratioOfMicros(bought.price_usd), ratio(packs));
    const volume = ceilToWhole(dividedBy(paid, usdEach));
    const held = productOf(bought.units, ratio(packs));
    if (compareRatio(productOf({ n: volume, d: 1n }, unitsEach), held) > 0) continue;
    const inTime = productOf(clips, overMonths(Math.min(days, bought.validity_days)));
    const length = ceilToWhole(productOf(dividedBy(paid, there.usd), seconds));
    const reached = compareRatio({ n: volume, d: 1n }, inTime) <= 0;
    return { ...named, kind: 'volume', clips: volume, seconds: length, packs, reached };
  }
  return { ...named, kind: 'never', reason: `not within ${PACKS_TRIED} packs: a unit saves next to nothing` };
}

/** Every package of every prepaid shop. */
export function packagesOf(shops: readonly Shop[]): { shop: Shop; bought: ResourcePackage }[] {
  return shops.filter(isPrepaid).flatMap((shop) => shop.card.packages.map((bought) => ({ shop, bought })));
}

/** How many months of 30 days that is. */
export function overMonths(days: number): Ratio {
  return ratioOfWhole(days, MONTH_DAYS);
}

export function ratioOfWhole(n: number, d: number): Ratio {
  return { n: BigInt(n), d: BigInt(d) };
}

const maxWhole = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const maxRatio = (a: Ratio, b: Ratio): Ratio => (compareRatio(a, b) >= 0 ? a : b);

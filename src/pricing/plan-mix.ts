/** The router's own mix: every kind of take where it is cheapest, and packs where they pay for themselves. */
import {
  ceilToMicros,
  ceilToWhole,
  compareRatio,
  dividedBy,
  type Micros,
  type Ratio,
  ratio,
  ratioOfMicros,
  ZERO_RATIO,
} from '../ground/money.ts';
import { type LoadRules, MONTH_DAYS, takesPerDay } from './plan-load.ts';
import { outlookOf, overMonths, packagesOf, ratioOfWhole } from './plan-packages.ts';
import { floorToWhole, minRatio, minus, productOf, sumRatios } from './plan-ratio.ts';
import { isPrepaid, monthAt, type Shop, takePrice } from './plan-shops.ts';
import type { Takes } from './plan-takes.ts';
import type { ResourcePackage } from './rate-card.ts';

/** How many takes of one kind a shop makes over the whole plan. `usd` is null where they are drawn from packs. */
export interface Share {
  readonly takes: Takes;
  readonly shop: string;
  readonly count: Ratio;
  readonly usd: Ratio | null;
}

export interface Mix {
  /** The packs it buys; null where paying by the clip is cheapest. One mix buys packs of one kind. */
  readonly packageId: string | null;
  readonly packs: number;
  readonly unitsExpiring: Ratio;
  /** Over the whole plan, the price of the packs included; and per month. */
  readonly usd: Micros;
  readonly usdPerMonth: Micros;
  readonly shares: readonly Share[];
}

export interface MixRules extends LoadRules {
  readonly days: number;
  /** How many packs of a trial the plan may buy: a trial is for trying out, and no document sells it without end. */
  readonly trialPacksMax: number;
}

/** One kind of take and the two ways to get it: by the clip, or from a pack. */
interface Way {
  readonly takes: Takes;
  readonly cheapest: { readonly shop: string; readonly usd: Ratio } | null;
  readonly units: Ratio | null;
}

/** What some days cost with a number of packs, and who makes what in them. */
interface Filled {
  readonly usd: Ratio;
  readonly unitsUsed: Ratio;
  readonly shares: readonly Share[];
}

/** The cheapest mix over the plan's days, or the reason why some takes can be had nowhere. References take no part. */
export function cheapestMix(
  shops: readonly Shop[],
  all: readonly Takes[],
  rules: MixRules,
): Mix | { readonly reason: string } {
  const routable = shops.filter(({ capabilities }) => capabilities !== null);
  const byTheClip = routable.filter((shop) => !isPrepaid(shop));
  const plain = all.map((takes): Way => ({ takes, cheapest: cheapestOf(byTheClip, takes), units: null }));
  const mixes: Mix[] = [];
  const unpacked = fill(plain, rules.days, ZERO_RATIO, 0, rules);
  if (unpacked) mixes.push(finish(unpacked, null, 0, rules));
  for (const { shop, bought } of packagesOf(routable)) {
    const ways = plain.map((way): Way => {
      const price = takePrice(shop, way.takes, bought.id);
      return { ...way, units: price.kind === 'priced' ? price.units : null };
    });
    const packed = withPacks(ways, shop, bought, rules);
    if (packed) mixes.push(packed);
    const only = onlyFrom(shop, bought, all, rules);
    if (only) mixes.push(only);
  }
  const [first, ...others] = mixes;
  if (!first) return { reason: whyNone(plain, routable) };
  return others.reduce((best, mix) => (mix.usd < best.usd ? mix : best), first);
}

function cheapestOf(shops: readonly Shop[], takes: Takes): Way['cheapest'] {
  let best: Way['cheapest'] = null;
  for (const shop of shops) {
    const price = takePrice(shop, takes);
    if (price.kind === 'unpriced') continue;
    const usd = ratioOfMicros(price.usd);
    if (best === null || compareRatio(usd, best.usd) < 0) best = { shop: shop.id, usd };
  }
  return best;
}

const isTrial = (bought: ResourcePackage): boolean => bought.id.startsWith('trial');

/**
 * The plan's days are cut where a pack bought at the start would lapse, and each piece buys the packs that save most in
 * it. Null when no number of packs makes everything, or none is worth buying.
 */
function withPacks(ways: readonly Way[], shop: Shop, bought: ResourcePackage, rules: MixRules): Mix | null {
  let packs = 0;
  let left = isTrial(bought) ? rules.trialPacksMax : Number.MAX_SAFE_INTEGER;
  const pieces: Filled[] = [];
  const known = new Map<string, ReturnType<typeof bestPiece>>();
  for (let day = 0; day < rules.days; day += bought.validity_days) {
    const days = Math.min(bought.validity_days, rules.days - day);
    const key = `${days} days, ${left} packs`;
    const best = known.get(key) ?? bestPiece(ways, bought, days, left, rules);
    if (!best) return null;
    known.set(key, best);
    packs += best.packs;
    left -= best.packs;
    pieces.push(best.filled);
  }
  if (packs === 0) return null;
  const shares = pieces.flatMap((piece) => piece.shares).map((share) => named(share, shop));
  const unitsUsed = sumRatios(pieces.map((piece) => piece.unitsUsed));
  return finish({ usd: sumRatios(pieces.map(({ usd }) => usd)), unitsUsed, shares }, bought, packs, rules);
}

const named = (share: Share, shop: Shop): Share => (share.usd === null ? { ...share, shop: shop.id } : share);

/**
 * Takes go to a pack in the order of what a unit saves, so each further pack saves less: the best whole number of packs
 * is next to the number that all worthwhile takes would fill.
 */
function bestPiece(
  ways: readonly Way[],
  bought: ResourcePackage,
  days: number,
  packsMax: number,
  rules: MixRules,
): { packs: number; filled: Filled } | null {
  const slots = bought.concurrent_tasks;
  const worthwhile = ways.filter(({ units, cheapest }) => {
    if (units === null || cheapest === null) return units !== null;
    return compareRatio(productOf(units, bought.unit_price_usd), cheapest.usd) < 0;
  });
  const everything = sumRatios(ways.map((way) => unitsOf(way, days)));
  const ideal = fill(worthwhile, days, everything, slots, rules)?.unitsUsed ?? everything;
  const share = dividedBy(ideal, bought.units);
  const tried = [floorToWhole(share), ceilToWhole(share)].map(Number);
  let best: { packs: number; filled: Filled } | null = null;
  for (const packs of tried.map((number) => Math.min(number, packsMax))) {
    const filled = fill(ways, days, productOf(bought.units, ratio(packs)), slots, rules);
    if (!filled) continue;
    const usd = sumRatios([filled.usd, productOf(ratioOfMicros(bought.price_usd), ratio(packs))]);
    if (best === null || compareRatio(usd, best.filled.usd) < 0) best = { packs, filled: { ...filled, usd } };
  }
  return best;
}

const unitsOf = ({ takes, units }: Way, days: number): Ratio =>
  units === null ? ZERO_RATIO : productOf(takes.takes, overMonths(days), units);

/**
 * Draws the takes of some days from so many units, those first that a unit saves most on, as far as the pack's slots
 * carry them; the rest is bought by the clip. Null when something is left that nobody sells by the clip.
 */
function fill(ways: readonly Way[], days: number, units: Ratio, slots: number, rules: MixRules): Filled | null {
  let unitsLeft = units;
  let takesLeft = productOf(takesPerDay(slots, rules), ratio(days));
  const shares: Share[] = [];
  for (const way of [...ways].sort(byValueOfUnit)) {
    const count = productOf(way.takes.takes, overMonths(days));
    const held = way.units === null ? ZERO_RATIO : dividedBy(unitsLeft, way.units);
    const drawn = minRatio(count, minRatio(held, takesLeft));
    const rest = minus(count, drawn);
    if (drawn.n > 0n && way.units !== null) {
      unitsLeft = minus(unitsLeft, productOf(drawn, way.units));
      takesLeft = minus(takesLeft, drawn);
      shares.push({ takes: way.takes, shop: '', count: drawn, usd: null });
    }
    if (rest.n === 0n) continue;
    if (way.cheapest === null) return null;
    shares.push({ takes: way.takes, shop: way.cheapest.shop, count: rest, usd: productOf(rest, way.cheapest.usd) });
  }
  const usd = sumRatios(shares.map((share) => share.usd ?? ZERO_RATIO));
  return { usd, unitsUsed: minus(units, unitsLeft), shares };
}

/** What nobody sells by the clip comes first, then what a unit saves most on, then what no pack makes. */
function byValueOfUnit(a: Way, b: Way): number {
  if (a.cheapest === null || b.cheapest === null) return Number(a.cheapest !== null) - Number(b.cheapest !== null);
  if (a.units === null || b.units === null) return Number(a.units === null) - Number(b.units === null);
  return compareRatio(dividedBy(b.cheapest.usd, b.units), dividedBy(a.cheapest.usd, a.units));
}

/** Everything from one kind of pack, one after another: sometimes cheaper than cutting the days where packs lapse. */
function onlyFrom(shop: Shop, bought: ResourcePackage, all: readonly Takes[], rules: MixRules): Mix | null {
  const enough = takesPerDay(bought.concurrent_tasks, rules);
  const perDay = dividedBy(sumRatios(all.map(({ takes }) => takes)), ratio(MONTH_DAYS));
  if (compareRatio(perDay, enough) > 0) return null;
  const none = { average: ZERO_RATIO, peak: ZERO_RATIO, needed: 0 };
  const outlook = outlookOf(shop, bought, all, rules.days, none);
  if (!outlook || (isTrial(bought) && outlook.packs > rules.trialPacksMax)) return null;
  const shares = all.map((takes): Share => {
    return { takes, shop: shop.id, count: productOf(takes.takes, overMonths(rules.days)), usd: null };
  });
  const filled = { usd: ratioOfMicros(outlook.usd), unitsUsed: outlook.unitsNeeded, shares };
  return finish(filled, bought, outlook.packs, rules);
}

function finish(filled: Filled, bought: ResourcePackage | null, packs: number, rules: MixRules): Mix {
  return {
    packageId: bought?.id ?? null,
    packs,
    unitsExpiring: bought ? minus(productOf(bought.units, ratio(packs)), filled.unitsUsed) : ZERO_RATIO,
    usd: ceilToMicros(filled.usd),
    usdPerMonth: ceilToMicros(productOf(filled.usd, ratioOfWhole(MONTH_DAYS, rules.days))),
    shares: joined(filled.shares),
  };
}

/** Shares of the same takes at the same shop, from several stretches of days, as one. */
function joined(shares: readonly Share[]): Share[] {
  const found = new Map<Takes, Map<string, Share>>();
  for (const share of shares) {
    const ofTakes = found.get(share.takes) ?? new Map<string, Share>();
    const before = ofTakes.get(share.shop);
    const usd = share.usd === null ? null : sumRatios([before?.usd ?? ZERO_RATIO, share.usd]);
    ofTakes.set(share.shop, { ...share, count: sumRatios([before?.count ?? ZERO_RATIO, share.count]), usd });
    found.set(share.takes, ofTakes);
  }
  return [...found.values()].flatMap((ofTakes) => [...ofTakes.values()]);
}

function whyNone(ways: readonly Way[], shops: readonly Shop[]): string {
  const stuck = ways.find(({ cheapest }) => cheapest === null);
  if (!stuck) return 'no provider has a rate card in force';
  const reasons = shops.map((shop) => monthAt(shop, [stuck.takes])).map((month) => 'reason' in month && month.reason);
  return [...new Set(reasons.filter(Boolean))].join('; ') || 'no pack carries that many at once';
}

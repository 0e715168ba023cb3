import type { ShopCost } from './plan-costs.ts';
import type { Load } from './plan-load.ts';
import { type PackageOutlook, packagesOf } from './plan-packages.ts';
import { billableOf, isPrepaid, type Shop } from './plan-shops.ts';
import type { Takes } from './plan-takes.ts';
import { quoteOn } from './quote.ts';

/** The parts of a plan that are looked at. */
interface Found {
  readonly takes: readonly Takes[];
  readonly load: Load;
  readonly shops: readonly ShopCost[];
  readonly packages: readonly PackageOutlook[];
}

interface Limits {
  readonly days: number;
  readonly trialPacksMax: number;
}

/** What somebody who reads only the totals would miss: what packs cannot carry, cards that have aged, sound unasked. */
export function warningsOf(found: Found, limits: Limits, nowMs: number): string[] {
  return [
    ...packageWarnings(found, limits),
    ...slotWarnings(found),
    ...new Set(found.shops.flatMap(({ shop }) => cardWarnings(found.takes, shop, nowMs))),
  ];
}

function packageWarnings({ load, shops, packages }: Found, limits: Limits): string[] {
  return packagesOf(shops.map(({ shop }) => shop)).flatMap(({ bought }) => {
    const { id, concurrent_tasks: slots, validity_days: validity } = bought;
    const units = Number(bought.units.n / bought.units.d);
    const packs = packages.find((outlook) => outlook.id === id)?.packs ?? 0;
    const tooMany = load.needed > slots ? `; this plan needs ${load.needed} at once in its busiest hour` : '';
    const tooLong = limits.days > validity ? `; this plan runs for ${limits.days} days` : '';
    const isTrial = id.startsWith('trial');
    const says = `${id}: a pack of ${units} units cannot carry more than ${slots} at once, nor past ${validity} days`;
    const notes = isTrial || tooMany ? [says + tooMany + tooLong] : [];
    if (isTrial && packs > limits.trialPacksMax) {
      notes.push(`${id}: ${packs} of them are reckoned; ask Kling whether a trial can be bought more than once`);
    }
    return notes;
  });
}

function slotWarnings({ load, shops }: Found): string[] {
  return shops
    .filter(({ shop, carriesPeak, usdPerMonth }) => {
      return carriesPeak === false && usdPerMonth !== null && !isPrepaid(shop);
    })
    .map(({ shop }) => `${shop.id}: its usual ${shop.slots} slots do not carry the ${load.needed} of the busiest hour`);
}

function cardWarnings(takes: readonly Takes[], shop: Shop, nowMs: number): string[] {
  return takes.flatMap((each) => {
    const quote = quoteOn(shop.card, billableOf(each), { markupPercent: '0', nowMs });
    return 'kind' in quote ? [] : quote.warnings;
  });
}

import { ceilToMicros, dividedBy, type Micros, ratio } from '../ground/money.ts';
import type { Load } from './plan-load.ts';
import { productOf } from './plan-ratio.ts';
import { monthAt, type Shop, takePrice } from './plan-shops.ts';
import type { Takes } from './plan-takes.ts';

/** What a shop asks for the plan's month, or why it cannot make it. */
export interface ShopCost {
  readonly shop: Shop;
  readonly usdPerMonth: Micros | null;
  /** Per clip wanted, its takes included. */
  readonly usdPerClip: Micros | null;
  /** What each of the plan's volumes costs there, in their order. */
  readonly usdAtVolumes: readonly Micros[] | null;
  readonly reason: string | null;
  /** Whether the slots it is believed to have carry the busiest hour; null on reference cards. */
  readonly carriesPeak: boolean | null;
}

/** What the shop asks for these takes a month, and for the volumes; `load` is held against its slots. */
export function costAt(
  shop: Shop,
  takes: readonly Takes[],
  clips: number,
  load: Load,
  volumes: readonly number[],
): ShopCost {
  const month = monthAt(shop, takes);
  const carriesPeak = shop.slots === null ? null : load.needed <= shop.slots;
  if (month.kind === 'unpriced') {
    return { shop, usdPerMonth: null, usdPerClip: null, usdAtVolumes: null, reason: whyNot(shop, takes), carriesPeak };
  }
  const each = dividedBy(month.usd, ratio(clips));
  return {
    shop,
    usdPerMonth: ceilToMicros(month.usd),
    usdPerClip: ceilToMicros(each),
    usdAtVolumes: volumes.map((volume) => ceilToMicros(productOf(each, ratio(volume)))),
    reason: null,
    carriesPeak,
  };
}

/** Why the first kind of take that it cannot price has no price there, and how many kinds have none. */
function whyNot(shop: Shop, takes: readonly Takes[]): string {
  const reasons = takes.flatMap((each) => {
    const price = takePrice(shop, each);
    return price.kind === 'unpriced' ? [price.reason] : [];
  });
  const share = takes.length > 1 ? ` (so ${reasons.length} of ${takes.length} kinds of take)` : '';
  return `${reasons[0] ?? ''}${share}`;
}

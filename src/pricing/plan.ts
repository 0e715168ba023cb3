/**
 * What a month of clips costs: at each provider, from each resource pack, and mixed as the router would; what would
 * expire, how many tasks run at once, and from which volume a pack pays. Pure, and exact until the last rounding, up.
 */
import { dividedBy, type Ratio, ratio } from '../ground/money.ts';
import { type Advice, adviceFor } from './plan-advice.ts';
import type { Clips } from './plan-clips.ts';
import { costAt, type ShopCost } from './plan-costs.ts';
import { type Load, loadOf } from './plan-load.ts';
import { cheapestMix, type Mix, type MixRules } from './plan-mix.ts';
import { type BreakEven, breakEvenOf, outlookOf, type PackageOutlook, packagesOf } from './plan-packages.ts';
import { isPrepaid, type Shop } from './plan-shops.ts';
import { type StorageCost, storageOf } from './plan-storage.ts';
import { countSeconds, countTakes, type TakeRules, type Takes, takesFor } from './plan-takes.ts';
import { warningsOf } from './plan-warnings.ts';

export interface PlanRules extends TakeRules, MixRules {
  /** Dollars for a gigabyte kept for a month; null leaves storage out. */
  readonly storageUsdPerGb: Ratio | null;
  /** The numbers of clips for the table of costs at scale. */
  readonly volumes: readonly number[];
}

export interface Plan {
  readonly rows: readonly Clips[];
  readonly rules: PlanRules;
  readonly takes: readonly Takes[];
  readonly clipsPerMonth: number;
  /** Takes of every kind for one clip, on average: 1 / success, and one more where drafts come first. */
  readonly takesPerClip: Ratio;
  readonly takesPerMonth: Ratio;
  readonly secondsPerMonth: Ratio;
  readonly load: Load;
  readonly shops: readonly ShopCost[];
  readonly packages: readonly PackageOutlook[];
  readonly mix: Mix | { readonly reason: string };
  readonly breakEven: readonly BreakEven[];
  readonly advice: readonly Advice[];
  readonly storage: StorageCost | null;
  readonly warnings: readonly string[];
}

/** The plan for these clips a month at these shops, at the prices of their cards. `nowMs` only tells how old a card is. */
export function makePlan(rows: readonly Clips[], shops: readonly Shop[], rules: PlanRules, nowMs: number): Plan {
  const takes = rows.flatMap((clips) => takesFor(clips, rules));
  const clipsPerMonth = rows.reduce((sum, { count }) => sum + count, 0);
  const load = loadOf(takes, rules);
  const packages = packagesOf(shops).flatMap(
    ({ shop, bought }) => outlookOf(shop, bought, takes, rules.days, load) ?? [],
  );
  const others = shops.filter((shop) => !isPrepaid(shop));
  const costs = shops.map((shop) => costAt(shop, takes, clipsPerMonth, load, rules.volumes));
  const plan = {
    rows,
    rules,
    takes,
    clipsPerMonth,
    takesPerClip: dividedBy(countTakes(takes), ratio(clipsPerMonth)),
    takesPerMonth: countTakes(takes),
    secondsPerMonth: countSeconds(takes),
    load,
    shops: costs,
    packages,
    mix: cheapestMix(shops, takes, rules),
    breakEven: packagesOf(shops).flatMap(({ shop, bought }) =>
      others.map((other) => breakEvenOf(shop, bought, other, takes, rules.days)),
    ),
    advice: adviceFor(rows, shops, rules),
    storage: rules.storageUsdPerGb && storageOf(takes, rules.storageUsdPerGb),
  };
  return { ...plan, warnings: warningsOf(plan, rules, nowMs) };
}

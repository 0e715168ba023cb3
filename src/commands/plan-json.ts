import { type Micros, toDisplayNumber, toUsdNumber } from '../ground/money.ts';
import type { Plan } from '../pricing/plan.ts';
import type { Clips } from '../pricing/plan-clips.ts';
import type { Mix } from '../pricing/plan-mix.ts';
import type { BreakEven, PackageOutlook } from '../pricing/plan-packages.ts';
import type { Takes } from '../pricing/plan-takes.ts';

/** The plan as programs read it: dollars with at most six decimals, rounded up once; other figures for showing. */
export function planAsJson(plan: Plan, day: string): Record<string, unknown> {
  const { rules, load, storage } = plan;
  return {
    date: day,
    days: rules.days,
    clips_per_month: plan.clipsPerMonth,
    success: toDisplayNumber(rules.success),
    takes_per_clip: toDisplayNumber(plan.takesPerClip),
    takes_per_month: toDisplayNumber(plan.takesPerMonth),
    seconds_per_month: toDisplayNumber(plan.secondsPerMonth),
    clips: plan.rows.map(clipsAsJson),
    takes: plan.takes.map(takesAsJson),
    concurrency: {
      generation_seconds: rules.generationSeconds,
      peak_share: toDisplayNumber(rules.peakShare),
      average: toDisplayNumber(load.average),
      peak: toDisplayNumber(load.peak),
      needed: load.needed,
    },
    providers: plan.shops.map((cost) => ({
      id: cost.shop.id,
      routable: cost.shop.capabilities !== null,
      card: { id: cost.shop.card.card, effective: cost.shop.card.effective },
      usd_per_month: usdOrNull(cost.usdPerMonth),
      usd_per_clip: usdOrNull(cost.usdPerClip),
      usd_at_volumes: cost.usdAtVolumes && volumesAsJson(rules.volumes, cost.usdAtVolumes),
      slots: cost.shop.slots,
      carries_peak: cost.carriesPeak,
      reason: cost.reason,
    })),
    packages: plan.packages.map(packageAsJson),
    mix: 'reason' in plan.mix ? null : mixAsJson(plan.mix),
    mix_reason: 'reason' in plan.mix ? plan.mix.reason : null,
    break_even: plan.breakEven.map(breakEvenAsJson),
    advice: plan.advice.map((advice) => ({
      id: advice.id,
      chosen: advice.chosen,
      usd_per_month: usdOrNull(advice.usdPerMonth),
      pays_below_success: advice.paysBelowSuccess && toDisplayNumber(advice.paysBelowSuccess),
    })),
    storage: storage && {
      gigabytes_per_month: toDisplayNumber(storage.gigabytes),
      usd_per_month: toUsdNumber(storage.usd),
    },
    warnings: plan.warnings,
  };
}

const usdOrNull = (amount: Micros | null): number | null => (amount === null ? null : toUsdNumber(amount));

const clipsAsJson = ({ model, task, seconds, resolution, audio, count }: Clips) => ({
  model,
  task,
  seconds,
  resolution,
  audio,
  count,
});

const takesAsJson = ({ clips, stage, resolution, audio, takes }: Takes) => ({
  ...clipsAsJson({ ...clips, resolution, audio }),
  stage,
  count: toDisplayNumber(takes),
});

const volumesAsJson = (volumes: readonly number[], amounts: readonly Micros[]) =>
  volumes.map((clips, index) => ({ clips, usd: usdOrNull(amounts[index] ?? null) }));

const packageAsJson = (outlook: PackageOutlook) => ({
  id: outlook.id,
  provider: outlook.shop,
  packs: outlook.packs,
  units_needed: toDisplayNumber(outlook.unitsNeeded),
  units_bought: toDisplayNumber(outlook.unitsBought),
  units_expiring: toDisplayNumber(outlook.unitsExpiring),
  units_expiring_each_going_on: toDisplayNumber(outlook.unitsExpiringEach),
  usd: toUsdNumber(outlook.usd),
  usd_per_month: toUsdNumber(outlook.usdPerMonth),
  usd_wasted_per_month: toUsdNumber(outlook.usdWastedPerMonth),
  usd_per_month_going_on: toUsdNumber(outlook.usdPerMonthGoingOn),
  validity_days: outlook.validityDays,
  concurrent_tasks: outlook.concurrentTasks,
  carries_peak: outlook.carriesPeak,
});

const mixAsJson = (mix: Mix) => ({
  package: mix.packageId,
  packs: mix.packs,
  units_expiring: toDisplayNumber(mix.unitsExpiring),
  usd: toUsdNumber(mix.usd),
  usd_per_month: toUsdNumber(mix.usdPerMonth),
  shares: mix.shares.map((share) => ({
    ...takesAsJson({ ...share.takes, takes: share.count }),
    provider: share.shop,
    from_pack: share.usd === null,
    usd: share.usd && toDisplayNumber(share.usd),
  })),
});

function breakEvenAsJson(found: BreakEven): Record<string, unknown> {
  const named = { package: found.packageId, against: found.shop };
  switch (found.kind) {
    case 'volume': {
      const { packs, reached } = found;
      return { ...named, clips: Number(found.clips), seconds: Number(found.seconds), packs, reached };
    }
    case 'never':
      return { ...named, clips: 'never', seconds: 'never', reason: found.reason };
    case 'unknown':
      return { ...named, clips: null, seconds: null, reason: found.reason };
  }
}

/** The documents' advice, reckoned: what drafting small, adding sound late or dubbing would change for these clips. */

import { findModel } from '../ground/models.ts';
import { compareRatio, type Micros, type Ratio, ratio, ratioOfMicros, ZERO_RATIO } from '../ground/money.ts';
import type { Clips } from './plan-clips.ts';
import { cheapestMix, type MixRules } from './plan-mix.ts';
import { minus, productOf, sumRatios } from './plan-ratio.ts';
import { type Shop, takePrice } from './plan-shops.ts';
import { type TakeRules, type Takes, takesFor } from './plan-takes.ts';

export interface Advice {
  readonly id: 'as_ordered' | 'drafts_720p' | 'audio_later' | 'drafts_720p_audio_later' | 'dubbed';
  /** The cheapest mix of this way of working; null where nobody makes it. */
  readonly usdPerMonth: Micros | null;
  /** Whether this is how the plan was asked for. */
  readonly chosen: boolean;
  /** The first-take success below which drafting pays; null where it is no way of drafting. */
  readonly paysBelowSuccess: Ratio | null;
}

type Rules = TakeRules & MixRules;

/** Each way of working that makes a difference for these clips, the plain one first. */
export function adviceFor(rows: readonly Clips[], shops: readonly Shop[], rules: Rules): Advice[] {
  const plain: Rules = { ...rules, takesAt: null, audioLater: false };
  const silent = rows.map((row): Clips => (canBeSilent(row) ? { ...row, audio: false } : row));
  const ways = [
    { id: 'as_ordered', rows, rules: plain },
    { id: 'drafts_720p', rows, rules: { ...plain, takesAt: '720p' } },
    { id: 'audio_later', rows, rules: { ...plain, audioLater: true } },
    { id: 'drafts_720p_audio_later', rows, rules: { ...plain, takesAt: '720p', audioLater: true } },
    { id: 'dubbed', rows: silent, rules: plain },
  ] as const;
  const asked = nameOf(rows.flatMap((row) => takesFor(row, rules)));
  const seen = new Set<string>();
  return ways.flatMap((way): Advice[] => {
    const takes = way.rows.flatMap((row) => takesFor(row, way.rules));
    const name = nameOf(takes);
    if (seen.has(name)) return [];
    seen.add(name);
    const mix = cheapestMix(shops, takes, way.rules);
    const usdPerMonth = 'reason' in mix ? null : mix.usdPerMonth;
    return [{ id: way.id, usdPerMonth, chosen: name === asked, paysBelowSuccess: thresholdOf(takes, shops) }];
  });
}

const canBeSilent = ({ model, audio }: Clips): boolean => audio && findModel(model)?.sound === 'optional';

const nameOf = (all: readonly Takes[]): string =>
  all.map((takes) => [takes.stage, takes.resolution, takes.audio].join(' ')).join();

/**
 * With t drafts at D and one production take at A, against t takes at A: drafting is cheaper where t is above
 * A / (A - D), so where the success rate 1 / t is below (A - D) / A. Reckoned at the cheapest price of a single take.
 */
function thresholdOf(all: readonly Takes[], shops: readonly Shop[]): Ratio | null {
  const drafts = all.filter(({ stage }) => stage === 'draft');
  if (drafts.length === 0) return null;
  const [small, full] = [costOf(drafts, shops), costOf(drafts.map(asOrdered), shops)];
  if (small === null || full === null || full.n === 0n) return null;
  const saved = minus(full, small);
  return saved.n <= 0n ? ZERO_RATIO : { n: saved.n * full.d, d: saved.d * full.n };
}

const asOrdered = (draft: Takes): Takes => ({ ...draft, resolution: draft.clips.resolution, audio: draft.clips.audio });

function costOf(all: readonly Takes[], shops: readonly Shop[]): Ratio | null {
  const costs: Ratio[] = [];
  for (const takes of all) {
    const prices = shops
      .filter(({ capabilities }) => capabilities !== null)
      .flatMap((shop) => {
        const price = takePrice(shop, takes);
        return price.kind === 'priced' ? [ratioOfMicros(price.usd)] : [];
      });
    const [first, ...others] = prices;
    if (!first) return null;
    const least = others.reduce((a, b) => (compareRatio(a, b) <= 0 ? a : b), first);
    costs.push(productOf(least, ratio(takes.clips.count)));
  }
  return sumRatios(costs);
}

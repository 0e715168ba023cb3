import { ceilToWhole, dividedBy, type Ratio, ratio } from '../ground/money.ts';
import { DAY_MS, HOUR_MS, SECOND_MS } from '../ground/time.ts';
import { productOf } from './plan-ratio.ts';
import { countTakes, type Takes } from './plan-takes.ts';

/** A month, for every figure per month: as long as a trial pack lives. */
export const MONTH_DAYS = 30;

/** How the takes of a month spread over its days, and how long each occupies a slot. */
export interface LoadRules {
  readonly generationSeconds: number;
  /** The share of a day's takes that its busiest hour brings; an even day is 1/24. */
  readonly peakShare: Ratio;
}

/** The share that every hour of an even day has. */
export const EVEN_SHARE: Ratio = { n: 1n, d: 24n };

/** Tasks running at once: exact over the day, and in its busiest hour. */
export interface Load {
  readonly average: Ratio;
  readonly peak: Ratio;
  /** The slots that the busiest hour needs: its tasks at once, rounded up. */
  readonly needed: number;
}

/** Little's law: tasks at once are tasks started per second times the seconds that each takes (Little, 1961). */
export function loadOf(all: readonly Takes[], rules: LoadRules): Load {
  const perDay = dividedBy(countTakes(all), ratio(MONTH_DAYS));
  const average = productOf(perDay, ratio(rules.generationSeconds), { n: BigInt(SECOND_MS), d: BigInt(DAY_MS) });
  const inHour = productOf(perDay, rules.peakShare);
  const peak = productOf(inHour, ratio(rules.generationSeconds), { n: BigInt(SECOND_MS), d: BigInt(HOUR_MS) });
  return { average, peak, needed: Number(ceilToWhole(peak)) };
}

/** How many takes a day so many slots carry when its busiest hour just fills them. */
export function takesPerDay(slots: number, rules: LoadRules): Ratio {
  const inHour = dividedBy(ratio(slots * (HOUR_MS / SECOND_MS)), ratio(rules.generationSeconds));
  return productOf(dividedBy(inHour, rules.peakShare));
}

/** Why a job was given the slot that it was given: what stood against what, in dollars, at that moment. Pure. */
import { z } from 'zod';
import { type Micros, micros, toUsdNumber } from '../ground/money.ts';
import type { Option } from './choose.ts';
import { compareCandidates, type Rankable, withoutUnhealthy } from './rank.ts';
import type { Choosing } from './route.ts';
import { type Conditions, type Score, scoreOf } from './score.ts';

/** An option as it stood when a slot was dealt. */
export interface Weighed {
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly priceMicros: Micros;
  readonly score: Score;
  readonly chosen: boolean;
  /** Why it did not come into question; null where only its score decided. */
  readonly reason: string | null;
}

/** The options as they stood: the chosen one first, then the others in their order, then those that nothing could be sent to. */
export function weigh<O extends Option>(
  options: readonly O[],
  choosing: Choosing,
  conditionsOf: (option: O) => Conditions,
  chosen: O,
): Weighed[] {
  const all = options.map((option, position) => {
    const conditions = conditionsOf(option);
    const score = scoreOf(option, conditions, choosing.valueOfTimeMicrosPerSecond);
    return { option, provider: option.provider, model: option.model, conditions, score, position };
  });
  const { candidates, panic } = withoutUnhealthy(all.filter(({ conditions }) => conditions.blocked === null));
  const asked = new Set<Rankable>(candidates);
  const compare = compareCandidates(choosing, panic);
  const group = (each: (typeof all)[number]): number => (each.option === chosen ? 0 : asked.has(each) ? 1 : 2);
  return all
    .toSorted((a, b) => group(a) - group(b) || compare(a, b))
    .map((each) => ({
      provider: each.provider,
      account: each.option.account,
      model: each.model,
      priceMicros: each.option.priceMicros,
      score: each.score,
      chosen: each.option === chosen,
      reason: asked.has(each) ? null : (each.conditions.blocked ?? each.conditions.unhealthy ?? null),
    }));
}

const amount = z.string().transform((text): Micros => micros(BigInt(text)));
const storedChoice = z.array(
  z.strictObject({
    provider: z.string(),
    account: z.string(),
    model: z.string(),
    price: amount,
    score: z.strictObject({ total: amount, cost: amount, failures: amount, wait: amount }),
    chosen: z.boolean(),
    reason: z.string().nullable(),
  }),
);

/** The choice as JSON text, to be kept with the attempt. */
export function writeChoice(weighed: readonly Weighed[]): string {
  const stored: z.input<typeof storedChoice> = weighed.map(({ priceMicros, score, ...named }) => ({
    ...named,
    price: String(priceMicros),
    score: {
      total: String(score.totalMicros),
      cost: String(score.costMicros),
      failures: String(score.failuresMicros),
      wait: String(score.waitMicros),
    },
  }));
  return JSON.stringify(stored);
}

/** An option of a choice in the shape of the API. */
export interface ShownWeighed {
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly price_usd: number;
  readonly score: { readonly total: number; readonly cost: number; readonly failures: number; readonly wait: number };
  readonly chosen: boolean;
  readonly reason: string | null;
}

/** What `writeChoice` wrote, in the shape of the API; null for an attempt of before it was kept. */
export function showChoice(text: string | null): ShownWeighed[] | null {
  if (text === null) return null;
  return storedChoice.parse(JSON.parse(text)).map(({ price, score, ...named }) => ({
    ...named,
    price_usd: toUsdNumber(price),
    score: {
      total: toUsdNumber(score.total),
      cost: toUsdNumber(score.cost),
      failures: toUsdNumber(score.failures),
      wait: toUsdNumber(score.wait),
    },
  }));
}

import { dividedBy, type Ratio, ratio, times } from '../ground/money.ts';
import { billableSeconds } from './price.ts';
import { type Rate, type RateCard, sellsSeconds } from './rate-card.ts';

/** What a card row expects a clip to take, in the row's own unit: units, credits, or dollars and the seconds behind them. */
export interface Expected {
  readonly rate: Rate;
  readonly unit: 'unit' | 'credit' | 'usd';
  readonly quantity: Ratio;
  readonly seconds: Ratio;
}

/** The expectation of the row of that name for a clip of that length; null where the card has no such row or length. */
export function expectedOf(card: RateCard, rateName: string, lengthMs: number): Expected | null {
  for (const rate of card.rates.filter(({ name }) => name === rateName)) {
    const whole = billableSeconds(rate, lengthMs);
    if (!sellsSeconds(rate.limits, whole)) continue;
    const seconds = ratio(whole);
    const of = (unit: Expected['unit'], quantity: Ratio): Expected => ({ rate, unit, quantity, seconds });
    const block = (blocks: Readonly<Record<string, Ratio>> | undefined) => blocks?.[String(whole)];
    const [units, dollars] = [block(rate.units_per_block), block(rate.usd_per_block)];
    if (rate.units_per_second) return of('unit', times(rate.units_per_second, seconds));
    if (units) return of('unit', units);
    if (rate.credits_per_second) return of('credit', times(rate.credits_per_second, seconds));
    if (rate.usd_per_second) return of('usd', times(rate.usd_per_second, seconds));
    if (dollars) return of('usd', dollars);
  }
  return null;
}

/** PiAPI's own unit of account (its documented examples of 2026: 3 s at 0.15 consume 4,500,000). */
const POINTS_PER_USD = ratio(10_000_000);

/**
 * What the provider reported, in the unit of the expectation; null where the two cannot be compared. Billed seconds
 * stand for dollars at the row's own price.
 */
export function reportedAs(
  expected: Expected,
  usage: { readonly quantity: string; readonly unit: string },
): Ratio | null {
  let quantity: Ratio;
  try {
    quantity = ratio(usage.quantity);
  } catch {
    return null;
  }
  const unit = usage.unit.toLowerCase();
  if (unit === expected.unit || unit === `${expected.unit}s`) return quantity;
  if (expected.unit !== 'usd') return null;
  if (unit === 'point') return dividedBy(quantity, POINTS_PER_USD);
  if (unit === 'second') return times(quantity, dividedBy(expected.quantity, expected.seconds));
  return null;
}

/** Billionths: sums of any length stay short, where sums of fractions would not. Rounded down. */
export const toBillionths = ({ n, d }: Ratio): bigint => (n * 1_000_000_000n) / d;

/** Billionths as the fraction they are. */
export const ofBillionths = (n: bigint): Ratio => ({ n, d: 1_000_000_000n });

import { plus, ratio, toDisplayNumber } from '../../src/ground/money.ts';
import type { ReportedUsage } from '../contract.ts';

/** One charge of a task, as either generation writes it. */
export interface Charge {
  readonly amount: string;
  readonly unit: string;
}

const DECIMAL = /^\d{1,12}(\.\d{1,9})?$/;

/** What a task has drawn: charges of one unit together. Nothing where there is none, or none that can be read. */
export function usageOf(charges: readonly Charge[]): { usage?: ReportedUsage } {
  const [first] = charges;
  if (!first || !charges.every(({ unit, amount }) => unit === first.unit && DECIMAL.test(amount))) return {};
  if (charges.length === 1) return { usage: { quantity: first.amount, unit: first.unit } };
  const total = charges.map(({ amount }) => ratio(amount)).reduce(plus);
  return { usage: { quantity: String(toDisplayNumber(total)), unit: first.unit } };
}

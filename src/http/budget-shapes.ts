/** Budgets as the admin API and the tenant see them. */
import { z } from 'zod';
import { type Micros, toUsdNumber, usd } from '../ground/money.ts';
import { type BudgetState, leftOf } from '../ledger/budget-counters.ts';
import { BUDGET_PERIODS, BUDGET_SCOPES } from '../store/schema-budgets.ts';

const CAP_USD_MAX = 1_000_000_000;
const CAP = `expected dollars from 0 to ${CAP_USD_MAX} with at most six decimals, such as 250 or 19.99`;

const cap = z.union([z.number(), z.string()], { error: CAP }).transform((value, context): Micros => {
  try {
    const amount = usd(value);
    if (amount >= 0n && amount <= usd(CAP_USD_MAX)) return amount;
  } catch {
    // Told below.
  }
  context.addIssue({ code: 'custom', message: CAP });
  return z.NEVER;
});

export const periodSchema = z.enum(BUDGET_PERIODS, { error: `expected one of ${BUDGET_PERIODS.join(', ')}` });

export const budgetChange = z.strictObject({
  cap_usd: cap.meta({ override: { type: ['number', 'string'] } }),
  alert_percent: z
    .number()
    .int('expected a whole number of percent')
    .min(1, 'expected 1 to 100')
    .max(100, 'expected 1 to 100')
    .nullish()
    .meta({ description: 'Percent of the cap at which an alert is raised besides the one at the cap.' }),
});

const dollars = z.number().meta({ description: 'USD' });
const shape = {
  scope: z.enum(BUDGET_SCOPES),
  period: periodSchema,
  cap_usd: dollars,
  spent_usd: dollars,
  held_usd: dollars,
  left_usd: dollars,
};

export const adminBudgetSchema = z
  .object({ ...shape, alert_percent: z.number().int().nullable() })
  .meta({ id: 'Budget' });

export const tenantBudgets = z.object({
  data: z.array(
    z
      .object({
        ...shape,
        left_clips: z
          .number()
          .int()
          .nullable()
          .meta({ description: 'About how many clips of kling-v3, 5 s, 1080p, still fit at the cheapest price.' }),
      })
      .meta({ id: 'TenantBudget' }),
  ),
});

function showBudget(state: BudgetState): z.infer<z.ZodObject<typeof shape>> {
  const { budget, settledMicros, heldMicros } = state;
  return {
    scope: budget.scope,
    period: budget.period,
    cap_usd: toUsdNumber(budget.capMicros),
    spent_usd: toUsdNumber(settledMicros),
    held_usd: toUsdNumber(heldMicros),
    left_usd: toUsdNumber(leftOf(state)),
  };
}

/** The budget as the operator set it, and as it stands in the running period. */
export function showAdminBudget(state: BudgetState): z.infer<typeof adminBudgetSchema> {
  return { ...showBudget(state), alert_percent: state.budget.alertPercent };
}

/** The budget as its tenant sees it; `clipMicros` is what one more clip would cost, null where nobody makes it. */
export function showTenantBudget(
  state: BudgetState,
  clipMicros: Micros | null,
): z.infer<typeof tenantBudgets>['data'][number] {
  const clips = clipMicros === null || clipMicros === 0n ? null : Number(leftOf(state) / clipMicros);
  return { ...showBudget(state), left_clips: clips };
}

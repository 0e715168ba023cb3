/**
 * Alerts of budgets: raised in the transaction that crosses a threshold, once per budget, period and threshold. The row
 * is what remembers that, and it is the outbox of the operator's alarm.
 */
import { and, asc, eq, gt, lte, sql } from 'drizzle-orm';
import type { Mint } from '../ground/id.ts';
import { type Micros, minusMicros, toUsdNumber } from '../ground/money.ts';
import { toUnixSeconds } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import { type BudgetAlertRow, type BudgetPeriod, type BudgetScope, budgetAlerts } from '../store/schema-budgets.ts';
import { type BudgetState, leftOf, usedOf } from './budget-counters.ts';

/** The type of the event that a tenant is told of. */
export const BUDGET_ALERT = 'budget.alert';
/** Percent of the cap at which an alert is raised always. */
const AT_CAP = 100;

/** Who raises an alert and when. */
export interface AlertStamp {
  readonly nowMs: number;
  readonly mint: Mint;
}

/** What an alert tells; money in dollars. */
export interface AlertData {
  readonly scope: BudgetScope;
  readonly tenant: string;
  /** The key whose budget it is; null for the tenant's own. */
  readonly key: string | null;
  readonly period: BudgetPeriod;
  /** The period itself: `2026-11-21`, `2026-11`, `total`. */
  readonly span: string;
  readonly percent: number;
  readonly cap_usd: number;
  readonly spent_usd: number;
  readonly held_usd: number;
  readonly left_usd: number;
}

export interface BudgetAlert {
  readonly id: string;
  readonly tenantId: string;
  readonly data: AlertData;
}

const percentsOf = ({ alertPercent }: BudgetState['budget']): number[] =>
  alertPercent === null || alertPercent === AT_CAP ? [AT_CAP] : [alertPercent, AT_CAP];

const reaches = (used: Micros, cap: Micros, percent: number): boolean =>
  used > 0n && used * 100n >= cap * BigInt(percent);

/**
 * Raises what has been crossed by the last `added` of what is in use, and has not been raised before. A threshold is a
 * percentage of one cap: under a changed cap it is another one.
 */
export async function raiseAlerts(
  tx: Tx,
  state: BudgetState,
  added: Micros,
  stamp: AlertStamp,
): Promise<BudgetAlert[]> {
  const { budget } = state;
  const after = usedOf(state);
  const before = minusMicros(after, added);
  const crossed = percentsOf(budget).filter(
    (percent) => reaches(after, budget.capMicros, percent) && !reaches(before, budget.capMicros, percent),
  );
  const alerts: BudgetAlert[] = [];
  for (const percent of crossed) alerts.push(...(await raiseAlert(tx, state, percent, stamp)));
  return alerts;
}

/**
 * Raises the alert of the cap because it has turned a clip away that would fit into the cap alone: prices seldom add up
 * to a cap, so what is in use would seldom reach it.
 */
export async function raiseAtRefusal(tx: Tx, state: BudgetState, stamp: AlertStamp): Promise<BudgetAlert[]> {
  return await raiseAlert(tx, state, AT_CAP, stamp);
}

/** Whether turning away a clip of this price says that the cap is reached, and that has not been told yet. */
export async function isNewsAtRefusal(tx: Tx, state: BudgetState, priceMicros: Micros): Promise<boolean> {
  const { budget, span } = state;
  if (priceMicros > budget.capMicros || usedOf(state) === 0n) return false;
  const { id: budgetId, capMicros } = budget;
  const told = await statement(tx, tellings).execute({ budgetId, span, percent: AT_CAP, capMicros });
  return told.length === 0;
}

const tellings = (tx: Tx) =>
  tx
    .select({ id: budgetAlerts.id })
    .from(budgetAlerts)
    .where(
      and(
        eq(budgetAlerts.budgetId, sql.placeholder('budgetId')),
        eq(budgetAlerts.span, sql.placeholder('span')),
        eq(budgetAlerts.percent, sql.placeholder('percent')),
        eq(budgetAlerts.capMicros, sql.placeholder('capMicros')),
      ),
    )
    .prepare();

async function raiseAlert(tx: Tx, state: BudgetState, percent: number, stamp: AlertStamp): Promise<BudgetAlert[]> {
  const { budget, span } = state;
  const { tenantId } = budget;
  const id = stamp.mint('alr');
  const data = dataOf(state, percent);
  const body = JSON.stringify({ id, type: BUDGET_ALERT, created_at: toUnixSeconds(stamp.nowMs), data });
  const made = await tx
    .insert(budgetAlerts)
    .values({
      ...{ id, budgetId: budget.id, tenantId, span, percent, capMicros: budget.capMicros, body },
      ...{ tries: 0, dueAtMs: stamp.nowMs, createdAtMs: stamp.nowMs },
    })
    .onConflictDoNothing()
    .returning({ id: budgetAlerts.id });
  return made.length === 0 ? [] : [{ id, tenantId, data }];
}

function dataOf(state: BudgetState, percent: number): AlertData {
  const { budget, span } = state;
  return {
    scope: budget.scope,
    tenant: budget.tenantId,
    key: budget.scope === 'key' ? budget.ownerId : null,
    period: budget.period,
    span,
    percent,
    cap_usd: toUsdNumber(budget.capMicros),
    spent_usd: toUsdNumber(state.settledMicros),
    held_usd: toUsdNumber(state.heldMicros),
    left_usd: toUsdNumber(leftOf(state)),
  };
}

/** The alarms that are due to the operator, oldest first; those made before `sinceMs` are news no more. */
export async function dueAlarms(
  tx: Tx,
  { nowMs, sinceMs, limit }: { readonly nowMs: number; readonly sinceMs: number; readonly limit: number },
): Promise<BudgetAlertRow[]> {
  return await tx
    .select()
    .from(budgetAlerts)
    .where(and(lte(budgetAlerts.dueAtMs, nowMs), gt(budgetAlerts.createdAtMs, sinceMs)))
    .orderBy(asc(budgetAlerts.dueAtMs))
    .limit(limit);
}

/** Writes down a sending: the alarm has ended, or is due again then. */
export async function recordAlarm(
  tx: Tx,
  { id, tries }: Pick<BudgetAlertRow, 'id' | 'tries'>,
  dueAtMs: number | null,
): Promise<void> {
  await tx
    .update(budgetAlerts)
    .set({ dueAtMs, tries: tries + 1 })
    .where(eq(budgetAlerts.id, id));
}

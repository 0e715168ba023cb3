/**
 * Budgets: what a tenant or a key may have settled and held in a day, in a month, or altogether. No budget, no cap.
 * A job is charged to every budget over it, in the periods of its admission, wherever it ends.
 */
import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import { GatewayError } from '../ground/errors.ts';
import { formatUsd, type Micros } from '../ground/money.ts';
import { DAY_MS } from '../ground/time.ts';
import type { Tx } from '../store/database.ts';
import {
  type BudgetPeriod,
  type BudgetRow,
  type BudgetScope,
  budgetCounters,
  budgets,
} from '../store/schema-budgets.ts';
import { type AlertStamp, type BudgetAlert, raiseAlerts } from './budget-alerts.ts';
import {
  type BudgetedJob,
  type BudgetState,
  budgetsOver,
  leftOf,
  makeCounter,
  raiseHeld,
  spanOf,
  stateOf,
  usedOf,
} from './budget-counters.ts';

/** Whose budget, and of which period. */
export interface BudgetName {
  readonly scope: BudgetScope;
  /** The tenant's id, or the key's. */
  readonly ownerId: string;
  readonly period: BudgetPeriod;
}

export interface NewBudget extends BudgetName {
  readonly tenantId: string;
  readonly capMicros: Micros;
  readonly alertPercent: number | null;
}

/** No room under a cap: 429, which no client should repeat by itself. Nothing was held. */
export class BudgetFull extends GatewayError {
  /** The tightest of the budgets that had no room. */
  readonly state: BudgetState;
  readonly priceMicros: Micros;

  constructor(state: BudgetState, priceMicros: Micros) {
    super('insufficient_quota', { message: refusalOf(state, priceMicros), headers: { 'x-should-retry': 'false' } });
    this.state = state;
    this.priceMicros = priceMicros;
  }
}

const OWNERS = { tenant: "your account's", key: "this API key's" } as const satisfies Record<BudgetScope, string>;

function refusalOf(state: BudgetState, price: Micros): string {
  const { budget, span, settledMicros, heldMicros } = state;
  const which = span === 'total' ? 'total budget' : `budget for ${span} (UTC)`;
  const again = span === 'total' ? '' : `wait for ${nextStart(budget.period, span)}, or `;
  return (
    `This clip may cost up to ${formatUsd(price)}, and ${OWNERS[budget.scope]} ${which} has ${formatUsd(leftOf(state))} ` +
    `left: cap ${formatUsd(budget.capMicros)}, spent ${formatUsd(settledMicros)}, held ${formatUsd(heldMicros)}. ` +
    `Nothing was charged; ${again}ask the operator of this gateway for a higher cap.`
  );
}

/** The first day of the period after this one. */
function nextStart(period: BudgetPeriod, span: string): string {
  if (period === 'day') return new Date(Date.parse(span) + DAY_MS).toISOString().slice(0, 10);
  const [year = 0, month = 0] = span.split('-').map(Number);
  return new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 10);
}

/**
 * Holds the job's price under every budget over it, or throws BudgetFull, naming the tightest: the caller's transaction
 * is undone then. The alerts come back that this hold has raised.
 */
export async function holdInBudgets(tx: Tx, job: BudgetedJob, stamp: AlertStamp): Promise<BudgetAlert[]> {
  const raised: BudgetState[] = [];
  const full: BudgetState[] = [];
  for (const budget of await budgetsOver(tx, job)) {
    const span = spanOf(budget.period, job.createdAtMs);
    const used = await raiseHeld(tx, budget, span, job.holdMicros);
    if (used) raised.push({ budget, span, ...used });
    else full.push(await stateOf(tx, budget, job.createdAtMs));
  }
  const [first, ...others] = full;
  if (first) {
    const tightest = others.reduce((least, state) => (leftOf(state) < leftOf(least) ? state : least), first);
    throw new BudgetFull(tightest, job.holdMicros);
  }
  const alerts: BudgetAlert[] = [];
  for (const state of raised) alerts.push(...(await raiseAlerts(tx, state, job.holdMicros, stamp)));
  return alerts;
}

/**
 * Sets the budget, new or changed. What is settled and held already in the running period counts; a cap below that
 * admits nothing and disturbs nothing. The budget comes back as it stands, with the alerts that it raises at once.
 */
export async function setBudget(
  tx: Tx,
  wanted: NewBudget,
  stamp: AlertStamp,
): Promise<{ readonly state: BudgetState; readonly alerts: readonly BudgetAlert[] }> {
  const { capMicros, alertPercent } = wanted;
  const stamped = { createdAtMs: stamp.nowMs, updatedAtMs: stamp.nowMs };
  const [budget] = await tx
    .insert(budgets)
    .values({ id: stamp.mint('bud'), ...wanted, ...stamped })
    .onConflictDoUpdate({
      target: [budgets.scope, budgets.ownerId, budgets.period],
      set: { capMicros, alertPercent, updatedAtMs: stamp.nowMs },
    })
    .returning();
  if (!budget) throw new Error('an upsert gave no row back');
  const inUse = sql`${budgetCounters.settledMicros} + ${budgetCounters.heldMicros}`;
  await tx
    .update(budgetCounters)
    .set({ ceilingMicros: sql`case when ${inUse} > ${capMicros} then ${inUse} else ${capMicros} end` })
    .where(eq(budgetCounters.budgetId, budget.id));
  await makeCounter(tx, budget, spanOf(budget.period, stamp.nowMs));
  const state = await stateOf(tx, budget, stamp.nowMs);
  return { state, alerts: await raiseAlerts(tx, state, usedOf(state), stamp) };
}

/** Takes the cap away, from the next admission on; false when there is none. */
export async function removeBudget(tx: Tx, { scope, ownerId, period }: BudgetName): Promise<boolean> {
  const named = and(eq(budgets.scope, scope), eq(budgets.ownerId, ownerId), eq(budgets.period, period));
  const [budget] = await tx.select({ id: budgets.id }).from(budgets).where(named);
  if (!budget) return false;
  await tx.delete(budgetCounters).where(eq(budgetCounters.budgetId, budget.id));
  await tx.delete(budgets).where(eq(budgets.id, budget.id));
  return true;
}

/** The budgets over a caller, the tenant's first, as they stand now. */
export async function budgetsOfCaller(
  tx: Tx,
  caller: { readonly tenantId: string; readonly keyId: string },
  nowMs: number,
): Promise<BudgetState[]> {
  return await statesOf(tx, await budgetsOver(tx, caller), nowMs);
}

/** The budgets of these owners, as they stand now: the tenants' first, then by owner, day before month before total. */
export async function budgetsOfOwners(
  tx: Tx,
  scope: BudgetScope,
  ownerIds: readonly string[],
  nowMs: number,
): Promise<BudgetState[]> {
  if (ownerIds.length === 0) return [];
  const named = and(eq(budgets.scope, scope), inArray(budgets.ownerId, [...ownerIds]));
  return await statesOf(tx, await tx.select().from(budgets).where(named).orderBy(asc(budgets.ownerId)), nowMs);
}

async function statesOf(tx: Tx, rows: readonly BudgetRow[], nowMs: number): Promise<BudgetState[]> {
  const rank = ({ scope, period }: BudgetRow): number =>
    (scope === 'tenant' ? 0 : 10) + ['day', 'month', 'total'].indexOf(period);
  const states: BudgetState[] = [];
  for (const row of [...rows].sort((a, b) => rank(a) - rank(b))) states.push(await stateOf(tx, row, nowMs));
  return states;
}

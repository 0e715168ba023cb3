/**
 * What is settled and held under each budget in each of its periods, moved in the transaction of the entry that moves
 * the money. A counter is at every instant what the entries come to, so it can be made late and be audited.
 */
import { and, asc, between, eq, inArray, or, type SQL, sql } from 'drizzle-orm';
import { type Micros, maxMicros, minusMicros, sumMicros, ZERO_MICROS } from '../ground/money.ts';
import { utcDay, utcMonth } from '../ground/time.ts';
import { statement, type Tx } from '../store/database.ts';
import { entries, type JobRow } from '../store/schema.ts';
import { type BudgetPeriod, type BudgetRow, budgetCounters, budgets } from '../store/schema-budgets.ts';

/** What a budget must know of a job. */
export type BudgetedJob = Pick<JobRow, 'tenantId' | 'keyId' | 'createdAtMs' | 'holdMicros'>;

/** What is in use under a budget in one of its periods. */
export interface Used {
  readonly settledMicros: Micros;
  readonly heldMicros: Micros;
}

/** A budget and what is in use of it in the period `span`. */
export interface BudgetState extends Used {
  readonly budget: BudgetRow;
  readonly span: string;
}

export const usedOf = ({ settledMicros, heldMicros }: Used): Micros => sumMicros(settledMicros, heldMicros);

/** What may still be held; zero where the cap was lowered below what is in use. */
export const leftOf = ({ budget, ...used }: BudgetState): Micros =>
  maxMicros(ZERO_MICROS, minusMicros(budget.capMicros, usedOf(used)));

/** The period that an instant falls in, in UTC and half-open: `2026-11-21`, `2026-11`, `total`. */
export function spanOf(period: BudgetPeriod, atMs: number): string {
  switch (period) {
    case 'day':
      return utcDay(atMs);
    case 'month':
      return utcMonth(atMs);
    case 'total':
      return 'total';
  }
}

/** The tenant's budgets and the key's, found by their owners: a tenant may have thousands of keys. */
const isOver = or(
  and(eq(budgets.scope, 'tenant'), eq(budgets.ownerId, sql.placeholder('tenantId'))),
  and(eq(budgets.scope, 'key'), eq(budgets.ownerId, sql.placeholder('keyId'))),
);

const covering = (tx: Tx) => tx.select().from(budgets).where(isOver).orderBy(asc(budgets.id)).prepare();

/** The budgets that a job of this tenant and key is charged to, in id order: so that two jobs never wait for each other. */
export async function budgetsOver(
  tx: Tx,
  { tenantId, keyId }: Pick<BudgetedJob, 'tenantId' | 'keyId'>,
): Promise<BudgetRow[]> {
  return await statement(tx, covering).execute({ tenantId, keyId });
}

const used = { settledMicros: budgetCounters.settledMicros, heldMicros: budgetCounters.heldMicros };

const raise = (tx: Tx) =>
  tx
    .update(budgetCounters)
    .set({ heldMicros: sql`${budgetCounters.heldMicros} + ${sql.placeholder('hold')}` })
    .where(
      and(
        eq(budgetCounters.budgetId, sql.placeholder('budgetId')),
        eq(budgetCounters.span, sql.placeholder('span')),
        sql`${budgetCounters.settledMicros} + ${budgetCounters.heldMicros} + ${sql.placeholder('hold')}
          <= (select ${budgets.capMicros} from ${budgets} where ${budgets.id} = ${sql.placeholder('budgetId')})`,
      ),
    )
    .returning(used)
    .prepare();

/**
 * Takes `hold` out of the budget in the period, if it fits: check and change are one statement, so nobody can come in
 * between. Null where it does not fit, and nothing has changed then.
 */
export async function raiseHeld(tx: Tx, budget: BudgetRow, span: string, hold: Micros): Promise<Used | null> {
  const attempt = async (): Promise<Used | undefined> =>
    (await statement(tx, raise).execute({ budgetId: budget.id, span, hold }))[0];
  const raised = await attempt();
  if (raised) return raised;
  return (await makeCounter(tx, budget, span)) ? ((await attempt()) ?? null) : null;
}

/**
 * Makes the counter of the period, at what the entries come to: nothing, as a rule, but a budget may be younger than
 * its period, and clocks of two processes may disagree about midnight. False when there is one already.
 */
export async function makeCounter(tx: Tx, budget: BudgetRow, span: string): Promise<boolean> {
  const counted = await usedInEntries(tx, budget, span);
  const ceilingMicros = maxMicros(budget.capMicros, usedOf(counted));
  const made = await tx
    .insert(budgetCounters)
    .values({ budgetId: budget.id, span, ...counted, ceilingMicros })
    .onConflictDoNothing()
    .returning({ span: budgetCounters.span });
  return made.length === 1;
}

/** The days of a period as entries name them. */
function daysOf(span: string): SQL | undefined {
  if (span === 'total') return undefined;
  return span.length === 10 ? eq(entries.day, span) : between(entries.day, `${span}-01`, `${span}-31`);
}

/** What the entries say is settled and held under the budget in that period. */
export async function usedInEntries(tx: Tx, budget: BudgetRow, span: string): Promise<Used> {
  const open = sql`not exists (select 1 from ${entries} ending
    where ending.job_id = ${entries.jobId} and ending.kind in ('settlement', 'release'))`;
  const sumWhere = (condition: SQL) =>
    sql<Micros>`coalesce(sum(case when ${condition} then ${entries.amountMicros} else 0 end), 0)`.mapWith(
      entries.amountMicros,
    );
  const [counted] = await tx
    .select({
      settledMicros: sumWhere(sql`${entries.kind} = 'settlement'`),
      heldMicros: sumWhere(sql`${entries.kind} = 'hold' and ${open}`),
    })
    .from(entries)
    .where(
      and(
        eq(entries.tenantId, budget.tenantId),
        budget.scope === 'key' ? eq(entries.keyId, budget.ownerId) : undefined,
        daysOf(span),
        inArray(entries.kind, ['hold', 'settlement']),
      ),
    );
  return counted ?? { settledMicros: ZERO_MICROS, heldMicros: ZERO_MICROS };
}

const cap = sql`(select ${budgets.capMicros} from ${budgets} where ${budgets.id} = ${budgetCounters.budgetId})`;
const lowered = sql`${budgetCounters.settledMicros} + ${budgetCounters.heldMicros} - ${sql.placeholder('freed')}`;

const lower = (tx: Tx) =>
  tx
    .update(budgetCounters)
    .set({
      heldMicros: sql`${budgetCounters.heldMicros} - ${sql.placeholder('hold')}`,
      settledMicros: sql`${budgetCounters.settledMicros} + ${sql.placeholder('settled')}`,
      ceilingMicros: sql`case when ${lowered} > ${cap} then ${lowered} else ${cap} end`,
    })
    .where(
      and(
        inArray(budgetCounters.span, [sql.placeholder('day'), sql.placeholder('month'), 'total']),
        inArray(budgetCounters.budgetId, tx.select({ id: budgets.id }).from(budgets).where(isOver)),
      ),
    )
    .prepare();

/**
 * Gives the job's hold back to every budget it was charged to and settles `settled` of it, in the periods of its
 * admission. A period without a counter needs none: whoever makes one later counts the entries.
 */
export async function endInBudgets(tx: Tx, job: BudgetedJob, settled: Micros): Promise<void> {
  const { tenantId, keyId, createdAtMs, holdMicros: hold } = job;
  const spans = { day: utcDay(createdAtMs), month: utcMonth(createdAtMs) };
  const freed = minusMicros(hold, settled);
  await statement(tx, lower).execute({ tenantId, keyId, hold, settled, freed, ...spans });
}

const counterOf = (tx: Tx) =>
  tx
    .select(used)
    .from(budgetCounters)
    .where(
      and(eq(budgetCounters.budgetId, sql.placeholder('budgetId')), eq(budgetCounters.span, sql.placeholder('span'))),
    )
    .prepare();

/** The budget as it stands in the period of that instant. */
export async function stateOf(tx: Tx, budget: BudgetRow, atMs: number): Promise<BudgetState> {
  const span = spanOf(budget.period, atMs);
  const [counter] = await statement(tx, counterOf).execute({ budgetId: budget.id, span });
  return { budget, span, ...(counter ?? (await usedInEntries(tx, budget, span))) };
}

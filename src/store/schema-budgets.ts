/** The tables of budgets: the caps, what is used of each in its periods, and the alerts that were raised. */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { money } from './columns.ts';
import { tenants } from './schema.ts';

export const BUDGET_SCOPES = ['tenant', 'key'] as const;
export type BudgetScope = (typeof BUDGET_SCOPES)[number];

export const BUDGET_PERIODS = ['day', 'month', 'total'] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

export const budgets = sqliteTable(
  'budgets',
  {
    id: text('id').primaryKey(),
    /** Who pays; for a key's budget, the key's tenant. */
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    scope: text('scope').notNull().$type<BudgetScope>(),
    /** The tenant or the key. */
    ownerId: text('owner_id').notNull(),
    period: text('period').notNull().$type<BudgetPeriod>(),
    capMicros: money('cap_micros').notNull(),
    /** Percent of the cap at which an alert is raised, besides the one at the cap itself; null for none. */
    alertPercent: integer('alert_percent'),
    createdAtMs: integer('created_at_ms').notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
  },
  (table) => [uniqueIndex('budgets_owner').on(table.scope, table.ownerId, table.period)],
);

/** Always what the ledger's entries come to; made on first use, never reset. */
export const budgetCounters = sqliteTable(
  'budget_counters',
  {
    budgetId: text('budget_id')
      .notNull()
      .references(() => budgets.id),
    /** The period it counts, in UTC: `2026-11-21`, `2026-11`, `total`. */
    span: text('span').notNull(),
    settledMicros: money('settled_micros').notNull(),
    heldMicros: money('held_micros').notNull(),
    /** The cap, or what was in use when the cap was lowered below that. */
    ceilingMicros: money('ceiling_micros').notNull(),
  },
  (table) => [uniqueIndex('budget_counters_span').on(table.budgetId, table.span)],
);

/** Thresholds that were crossed, each once. They outlive their budget: the alarm may still be on its way. */
export const budgetAlerts = sqliteTable(
  'budget_alerts',
  {
    id: text('id').primaryKey(),
    budgetId: text('budget_id').notNull(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    span: text('span').notNull(),
    percent: integer('percent').notNull(),
    capMicros: money('cap_micros').notNull(),
    /** Exactly what the operator's alarm says, each time. */
    body: text('body').notNull(),
    /** Sendings to the operator that have failed. */
    tries: integer('tries').notNull(),
    /** When the alarm is sent next; null once it was delivered or given up. */
    dueAtMs: integer('due_at_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [
    uniqueIndex('budget_alerts_once').on(table.budgetId, table.span, table.percent, table.capMicros),
    index('budget_alerts_due').on(table.dueAtMs).where(sql`due_at_ms is not null`),
  ],
);

export type BudgetRow = typeof budgets.$inferSelect;
export type BudgetCounterRow = typeof budgetCounters.$inferSelect;
export type BudgetAlertRow = typeof budgetAlerts.$inferSelect;

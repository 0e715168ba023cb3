/** The tables of what operators are told besides budgets, and of what providers said was left on an account. */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

export const ALARM_TYPES = [
  'rate_card.drift',
  'provider.drift',
  'suspected_cost.open',
  'audit.difference',
  'circuit.opened',
  'circuit.closed',
  'task.reused',
  'video.at_risk',
  'video.damaged',
  'account.missing',
] as const;
export type AlarmType = (typeof ALARM_TYPES)[number];

export const alarms = sqliteTable(
  'alarms',
  {
    id: text('id').primaryKey(),
    type: text('type').notNull().$type<AlarmType>(),
    /** What it is about: a row of a rate card, an account, a model there. */
    subject: text('subject').notNull(),
    /** What is new about it: the same news of one subject is told once. */
    mark: text('mark').notNull(),
    /** Exactly what the operator's alarm says, each time. */
    body: text('body').notNull(),
    /** Sendings that have failed. */
    tries: integer('tries').notNull(),
    /** When it is sent next; null once it was delivered or given up. */
    dueAtMs: integer('due_at_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [
    uniqueIndex('alarms_once').on(table.type, table.subject, table.mark),
    index('alarms_due').on(table.dueAtMs).where(sql`due_at_ms is not null`),
  ],
);

export const BALANCE_UNITS = ['usd', 'unit'] as const;
export type BalanceUnit = (typeof BALANCE_UNITS)[number];

export const accountBalances = sqliteTable('account_balances', {
  account: text('account').primaryKey(),
  unit: text('unit').notNull().$type<BalanceUnit>(),
  /** What the figure is a sum of: the packs, by the provider's ids. Figures of another basis are not compared. */
  basis: text('basis').notNull(),
  /** Exact decimal: what was left when our entries last explained it. Later readings are held against this one. */
  leftAtAnchor: text('left_at_anchor').notNull(),
  anchorAtMs: integer('anchor_at_ms').notNull(),
  /** Exact decimal: what was left when it was read last. */
  leftNow: text('left_now').notNull(),
  readAtMs: integer('read_at_ms').notNull(),
});

export type AlarmRow = typeof alarms.$inferSelect;
export type AccountBalanceRow = typeof accountBalances.$inferSelect;

/** What operators have decided about provider accounts while the gateway runs. The checks stand in the migrations. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { flag } from './columns.ts';

export const accountSettings = sqliteTable('account_settings', {
  account: text('account').primaryKey(),
  enabled: flag('enabled').notNull(),
  isolated: flag('isolated').notNull(),
  /** Tasks at once, instead of what is configured. */
  concurrency: integer('concurrency'),
  /** What happened before this says nothing about the account any more. */
  healthSinceMs: integer('health_since_ms').notNull(),
  changedAtMs: integer('changed_at_ms').notNull(),
});

export type AccountSettingsRow = typeof accountSettings.$inferSelect;

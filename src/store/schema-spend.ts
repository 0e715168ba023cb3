/** The tables of spend: sums that are kept with every entry, and the prepaid packages that units are drawn from. */
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { money } from './columns.ts';

/** What a sum is kept by: the day of the job's admission, and what was ordered, by whom, and from whom it came. */
const cell = () => ({
  day: text('day').notNull(),
  tenantId: text('tenant_id').notNull(),
  keyId: text('key_id').notNull(),
  /** The model that was ordered. */
  model: text('model').notNull(),
  /** Who delivered or had the job last; of a cost, who charged it. Empty while nobody has. */
  provider: text('provider').notNull(),
  task: text('task').notNull(),
  resolution: text('resolution').notNull(),
});

const sums = () => ({
  jobs: integer('jobs').notNull(),
  completed: integer('completed').notNull(),
  failed: integer('failed').notNull(),
  cancelled: integer('cancelled').notNull(),
  /** What tenants owe, in tenant price. */
  settledMicros: money('settled_micros').notNull(),
  /** The part of it that is for delivered videos; the rest is for cancelled ones that could not be stopped. */
  deliveredMicros: money('delivered_micros').notNull(),
  deliveredMs: integer('delivered_ms').notNull(),
  costMicros: money('cost_micros').notNull(),
  /** The part of the cost that paid for attempts that nobody was charged for. */
  failureMicros: money('failure_micros').notNull(),
  /** What providers may have charged besides, less what has been resolved. */
  suspectedMicros: money('suspected_micros').notNull(),
});

export const spend = sqliteTable('spend', { ...cell(), ...sums() }, (table) => [
  uniqueIndex('spend_cell').on(
    ...[table.day, table.tenantId, table.keyId, table.model],
    ...[table.provider, table.task, table.resolution],
  ),
  index('spend_tenant').on(table.tenantId, table.day),
]);

/** The same once more for each tag of a job. */
export const spendTags = sqliteTable(
  'spend_tags',
  { ...cell(), tag: text('tag').notNull(), value: text('value').notNull(), ...sums() },
  (table) => [
    uniqueIndex('spend_tags_cell').on(
      ...[table.day, table.tenantId, table.tag, table.value, table.keyId],
      ...[table.model, table.provider, table.task, table.resolution],
    ),
    index('spend_tags_tag').on(table.tag, table.day),
    index('spend_tags_tenant').on(table.tenantId, table.day),
  ],
);

/** Prepaid packages as they were bought. What is drawn from each is reckoned from the attempts. */
export const packages = sqliteTable(
  'packages',
  {
    id: text('id').primaryKey(),
    account: text('account').notNull(),
    /** The package of the rate card that it is. */
    package: text('package').notNull(),
    /** Exact decimal. */
    units: text('units').notNull(),
    priceMicros: money('price_micros').notNull(),
    concurrency: integer('concurrency').notNull(),
    boughtAtMs: integer('bought_at_ms').notNull(),
    expiresAtMs: integer('expires_at_ms').notNull(),
    /** What the provider says is left, as of when, and its own id of the pack. */
    reportedId: text('reported_id'),
    reportedLeft: text('reported_left'),
    reportedAtMs: integer('reported_at_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [
    index('packages_account').on(table.account, table.expiresAtMs),
    uniqueIndex('packages_reported').on(table.reportedId),
  ],
);

export type SpendRow = typeof spend.$inferSelect;
export type SpendTagRow = typeof spendTags.$inferSelect;
export type PackageRow = typeof packages.$inferSelect;

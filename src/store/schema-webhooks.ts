/** The tables of webhooks to tenants: where events go, the events, and what became of each at each place. */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { jobs, tenants } from './schema.ts';

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

export const webhookEndpoints = sqliteTable(
  'webhook_endpoints',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    url: text('url').notNull(),
    /** JSON list of the types that are sent there. */
    eventTypes: text('event_types').notNull(),
    /** What signs, encrypted; it is shown once. */
    secretSealed: text('secret_sealed').notNull(),
    /** Its beginning and its end, to recognise it by. */
    secretHint: text('secret_hint').notNull(),
    /** The one before, which signs too until then. */
    oldSecretSealed: text('old_secret_sealed'),
    oldSecretUntilMs: integer('old_secret_until_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
    /** When its receiver answered that it is gone for good. */
    disabledAtMs: integer('disabled_at_ms'),
  },
  (table) => [index('webhook_endpoints_tenant').on(table.tenantId, table.createdAtMs)],
);

export const webhookEvents = sqliteTable(
  'webhook_events',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    /** The job that ended; null for an event of something else. */
    jobId: text('job_id').references(() => jobs.id),
    type: text('type').notNull(),
    /** Exactly what is signed and sent, each time. */
    body: text('body').notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
  },
  (table) => [
    uniqueIndex('webhook_events_job').on(table.jobId).where(sql`job_id is not null`),
    index('webhook_events_created').on(table.createdAtMs),
  ],
);

export const webhookDeliveries = sqliteTable(
  'webhook_deliveries',
  {
    id: text('id').primaryKey(),
    eventId: text('event_id')
      .notNull()
      .references(() => webhookEvents.id),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    endpointId: text('endpoint_id').references(() => webhookEndpoints.id),
    /** The `callback_url` of the request; null where the delivery belongs to an endpoint. */
    callbackUrl: text('callback_url'),
    state: text('state').notNull().$type<DeliveryState>(),
    /** Tries that have failed since the schedule began. */
    tries: integer('tries').notNull(),
    /** JSON list of the latest tries: when, and what status was answered. */
    log: text('log').notNull(),
    /** When it is sent next; while it is being sent, when it counts as not sent. Null once it has ended. */
    dueAtMs: integer('due_at_ms'),
    /** Grows with each claim: the fence of what its sender writes. */
    leaseToken: integer('lease_token').notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    endedAtMs: integer('ended_at_ms'),
  },
  (table) => [
    uniqueIndex('webhook_deliveries_once').on(table.eventId, table.endpointId),
    index('webhook_deliveries_endpoint').on(table.endpointId, table.createdAtMs, table.id),
    index('webhook_deliveries_due_at').on(table.dueAtMs).where(sql`state = 'pending'`),
    index('webhook_deliveries_ended').on(table.endedAtMs).where(sql`ended_at_ms is not null`),
  ],
);

export type WebhookEndpointRow = typeof webhookEndpoints.$inferSelect;
export type WebhookEventRow = typeof webhookEvents.$inferSelect;
export type WebhookDeliveryRow = typeof webhookDeliveries.$inferSelect;

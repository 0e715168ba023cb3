-- Webhooks to tenants: where events go, the events, and what became of each at each place.
create table webhook_endpoints (
  id text primary key not null,
  tenant_id text not null references tenants (id),
  name text not null,
  url text not null,
  event_types text not null,
  secret_sealed text not null,
  secret_hint text not null,
  old_secret_sealed text,
  old_secret_until_ms integer,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  disabled_at_ms integer
);
--> statement-breakpoint
create index webhook_endpoints_tenant on webhook_endpoints (tenant_id, created_at_ms);
--> statement-breakpoint
create table webhook_events (
  id text primary key not null,
  tenant_id text not null references tenants (id),
  job_id text references jobs (id),
  type text not null,
  body text not null,
  created_at_ms integer not null
);
--> statement-breakpoint
create unique index webhook_events_job on webhook_events (job_id) where job_id is not null;
--> statement-breakpoint
create index webhook_events_created on webhook_events (created_at_ms);
--> statement-breakpoint
create table webhook_deliveries (
  id text primary key not null,
  event_id text not null references webhook_events (id),
  tenant_id text not null references tenants (id),
  endpoint_id text references webhook_endpoints (id),
  callback_url text,
  state text not null,
  tries integer not null,
  log text not null,
  due_at_ms integer,
  lease_token integer not null,
  created_at_ms integer not null,
  ended_at_ms integer,
  constraint webhook_deliveries_state check (state in ('pending', 'delivered', 'failed')),
  constraint webhook_deliveries_due check ((due_at_ms is null) = (state <> 'pending')),
  constraint webhook_deliveries_place check ((endpoint_id is null) <> (callback_url is null))
);
--> statement-breakpoint
create unique index webhook_deliveries_once on webhook_deliveries (event_id, endpoint_id);
--> statement-breakpoint
create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, created_at_ms, id);
--> statement-breakpoint
create index webhook_deliveries_due_at on webhook_deliveries (due_at_ms) where state = 'pending';
--> statement-breakpoint
create index webhook_deliveries_ended on webhook_deliveries (ended_at_ms) where ended_at_ms is not null;
--> statement-breakpoint
-- What signs the deliveries to a request's own `callback_url`.
alter table tenants add column callback_secret_sealed text;
--> statement-breakpoint
alter table tenants add column old_callback_secret_sealed text;
--> statement-breakpoint
alter table tenants add column old_callback_secret_until_ms integer;

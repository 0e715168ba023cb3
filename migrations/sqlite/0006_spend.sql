-- Sums of the ledger and of the jobs, kept in the commit of each entry, so that a report reads days and not jobs.
create table spend (
  day text not null,
  tenant_id text not null,
  key_id text not null,
  model text not null,
  provider text not null,
  task text not null,
  resolution text not null,
  jobs integer not null,
  completed integer not null,
  failed integer not null,
  cancelled integer not null,
  settled_micros integer not null,
  delivered_micros integer not null,
  delivered_ms integer not null,
  cost_micros integer not null,
  failure_micros integer not null,
  suspected_micros integer not null
);
--> statement-breakpoint
create unique index spend_cell on spend (day, tenant_id, key_id, model, provider, task, resolution);
--> statement-breakpoint
create index spend_tenant on spend (tenant_id, day);
--> statement-breakpoint
create table spend_tags (
  day text not null,
  tenant_id text not null,
  key_id text not null,
  model text not null,
  provider text not null,
  task text not null,
  resolution text not null,
  tag text not null,
  value text not null,
  jobs integer not null,
  completed integer not null,
  failed integer not null,
  cancelled integer not null,
  settled_micros integer not null,
  delivered_micros integer not null,
  delivered_ms integer not null,
  cost_micros integer not null,
  failure_micros integer not null,
  suspected_micros integer not null
);
--> statement-breakpoint
create unique index spend_tags_cell on spend_tags (
  day, tenant_id, tag, value, key_id, model, provider, task, resolution
);
--> statement-breakpoint
create index spend_tags_tag on spend_tags (tag, day);
--> statement-breakpoint
create index spend_tags_tenant on spend_tags (tenant_id, day);
--> statement-breakpoint
-- The ledger is read page by page, by the day that pays.
create index entries_day on entries (day, id);
--> statement-breakpoint
create index entries_tenant on entries (tenant_id, day, id);
--> statement-breakpoint
-- Prepaid packages as they were bought.
create table packages (
  id text primary key not null,
  account text not null,
  package text not null,
  units text not null,
  price_micros integer not null,
  concurrency integer not null,
  bought_at_ms integer not null,
  expires_at_ms integer not null,
  reported_id text,
  reported_left text,
  reported_at_ms integer,
  created_at_ms integer not null,
  constraint packages_price check (price_micros > 0),
  constraint packages_valid check (expires_at_ms > bought_at_ms)
);
--> statement-breakpoint
create index packages_account on packages (account, expires_at_ms);
--> statement-breakpoint
create unique index packages_reported on packages (reported_id);

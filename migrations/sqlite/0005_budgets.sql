-- Budgets: what a tenant or a key may spend in a day, in a month, or altogether.
create table budgets (
  id text primary key not null,
  tenant_id text not null references tenants (id),
  scope text not null,
  owner_id text not null,
  period text not null,
  cap_micros integer not null,
  alert_percent integer,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  constraint budgets_scope check (scope in ('tenant', 'key')),
  constraint budgets_period check (period in ('day', 'month', 'total')),
  constraint budgets_cap check (cap_micros >= 0),
  constraint budgets_alert check (alert_percent between 1 and 100)
);
--> statement-breakpoint
create unique index budgets_owner on budgets (scope, owner_id, period);
--> statement-breakpoint
-- What is settled and held under a budget in each of its periods. The ceiling is the cap, or what was in use when the cap
-- was lowered below it: so the last check holds at every instant, whatever is done to the cap.
create table budget_counters (
  budget_id text not null references budgets (id),
  span text not null,
  settled_micros integer not null,
  held_micros integer not null,
  ceiling_micros integer not null,
  constraint budget_counters_settled check (settled_micros >= 0),
  constraint budget_counters_held check (held_micros >= 0),
  constraint budget_counters_ceiling check (settled_micros + held_micros <= ceiling_micros)
);
--> statement-breakpoint
create unique index budget_counters_span on budget_counters (budget_id, span);
--> statement-breakpoint
-- Each threshold that was crossed, once, and what became of the alarm to the operator.
create table budget_alerts (
  id text primary key not null,
  budget_id text not null,
  tenant_id text not null references tenants (id),
  span text not null,
  percent integer not null,
  cap_micros integer not null,
  body text not null,
  tries integer not null,
  due_at_ms integer,
  created_at_ms integer not null
);
--> statement-breakpoint
create unique index budget_alerts_once on budget_alerts (budget_id, span, percent, cap_micros);
--> statement-breakpoint
create index budget_alerts_due on budget_alerts (due_at_ms) where due_at_ms is not null;
--> statement-breakpoint
-- What a key may ask for, as JSON lists (null: everything), and how often.
alter table api_keys add column models text;
--> statement-breakpoint
alter table api_keys add column providers text;
--> statement-breakpoint
alter table api_keys add column rate_per_minute integer;

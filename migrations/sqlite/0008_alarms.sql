-- Alarms for the operator that no budget has raised: each subject's news once, and what became of the sending.
create table alarms (
  id text primary key not null,
  type text not null,
  subject text not null,
  mark text not null,
  body text not null,
  tries integer not null,
  due_at_ms integer,
  created_at_ms integer not null,
  constraint alarms_type check (type in ('rate_card.drift', 'provider.drift', 'suspected_cost.open', 'audit.difference'))
);
--> statement-breakpoint
create unique index alarms_once on alarms (type, subject, mark);
--> statement-breakpoint
create index alarms_due on alarms (due_at_ms) where due_at_ms is not null;
--> statement-breakpoint
-- What each account had left when it was read last, and when our own entries were last seen to explain it.
create table account_balances (
  account text primary key not null,
  unit text not null,
  basis text not null,
  left_at_anchor text not null,
  anchor_at_ms integer not null,
  left_now text not null,
  read_at_ms integer not null,
  constraint account_balances_unit check (unit in ('usd', 'unit')),
  constraint account_balances_order check (anchor_at_ms <= read_at_ms)
);
--> statement-breakpoint
-- Jobs by state, newest first; attempts by what became of them; costs that are suspected still.
create index jobs_state on jobs (state, id);
--> statement-breakpoint
create index attempts_outcomes on attempts (provider, state);
--> statement-breakpoint
create index entries_suspected on entries (attempt_id) where kind in ('suspected_cost', 'cost_resolution');

-- What operators have decided about provider accounts while the gateway runs.
create table account_settings (
  account text primary key not null,
  enabled integer not null,
  isolated integer not null,
  concurrency integer,
  health_since_ms integer not null,
  changed_at_ms integer not null,
  constraint account_settings_flags check (enabled in (0, 1) and isolated in (0, 1)),
  constraint account_settings_concurrency check (concurrency > 0)
);
--> statement-breakpoint
-- Health, refusals and durations are read from what attempts came to, latest first.
create index attempts_ended on attempts (ended_at_ms) where ended_at_ms is not null;
--> statement-breakpoint
create index attempts_accepted on attempts (accepted_at_ms) where accepted_at_ms is not null;
--> statement-breakpoint
create index attempts_unanswered on attempts (created_at_ms) where state in ('submitting', 'in_doubt');

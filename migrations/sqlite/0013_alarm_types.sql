-- Operators are also told when a provider names one task for two clips, when a paid clip is about to be lost, when a saved
-- one is damaged, and when an account that clips wait for is gone from the configuration. SQLite cannot change a check, so
-- the table is made again and its rows are carried over.
create table alarms_with_clips (
  id text primary key not null,
  type text not null,
  subject text not null,
  mark text not null,
  body text not null,
  tries integer not null,
  due_at_ms integer,
  created_at_ms integer not null,
  constraint alarms_type check (type in ('rate_card.drift', 'provider.drift', 'suspected_cost.open', 'audit.difference', 'circuit.opened', 'circuit.closed', 'task.reused', 'video.at_risk', 'video.damaged', 'account.missing'))
);
--> statement-breakpoint
insert into alarms_with_clips (id, type, subject, mark, body, tries, due_at_ms, created_at_ms)
select id, type, subject, mark, body, tries, due_at_ms, created_at_ms from alarms;
--> statement-breakpoint
drop table alarms;
--> statement-breakpoint
alter table alarms_with_clips rename to alarms;
--> statement-breakpoint
create unique index alarms_once on alarms (type, subject, mark);
--> statement-breakpoint
create index alarms_due on alarms (due_at_ms) where due_at_ms is not null;

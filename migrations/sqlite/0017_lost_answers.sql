-- When the answer of a submission was lost first, which no later trouble with its task overwrites; and how often whoever
-- could tell of it did not answer past the end of doubt, which is no failed read of a task.
alter table attempts add column lost_at_ms integer;
--> statement-breakpoint
alter table attempts add column look_failures integer not null default 0;
--> statement-breakpoint
update attempts set lost_at_ms = troubled_at_ms
where troubled_at_ms is not null and (accepted_at_ms is null or troubled_at_ms <= accepted_at_ms);
--> statement-breakpoint
update attempts set look_failures = read_failures, read_failures = 0 where accepted_at_ms is null and read_failures > 0;

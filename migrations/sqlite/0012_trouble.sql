-- Reads of a task that failed one after another, and when the provider was last found wanting after it had accepted: a
-- read that failed or was answered again, or a video that could not be had.
alter table attempts add column read_failures integer not null default 0;
--> statement-breakpoint
alter table attempts add column troubled_at_ms integer;
--> statement-breakpoint
create index attempts_troubled on attempts (troubled_at_ms) where troubled_at_ms is not null;

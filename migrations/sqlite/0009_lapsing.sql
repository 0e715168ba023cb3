-- Prepaid units that an attempt draws only because they would lapse: they are no demand, and are spoken for while it runs.
alter table attempts add column lapsing_units integer not null default 0;
--> statement-breakpoint
create index attempts_lapsing on attempts (account) where lapsing_units > 0 and ended_at_ms is null;

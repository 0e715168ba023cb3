-- How often an attempt was sent again after its absence was proven: past a few times its job goes to the next candidate.
alter table attempts add column repeats integer not null default 0;

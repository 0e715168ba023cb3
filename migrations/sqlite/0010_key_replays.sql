-- Whether an account answers a submission that is repeated under its key with the task of the first: as it was last seen.
create table key_replays (
  account text primary key not null,
  credential_digest text not null,
  replays integer not null,
  held_ms integer not null,
  seen_at_ms integer not null,
  constraint key_replays_flag check (replays in (0, 1)),
  constraint key_replays_held check (held_ms >= 0)
);
--> statement-breakpoint
-- What it takes to write a submission again to the byte, for the minutes in which it may be sent once more.
create table kept_submissions (
  attempt_id text primary key not null references attempts (id),
  sealed text not null,
  request_digest text not null,
  kept_at_ms integer not null,
  sent_again_at_ms integer
);
--> statement-breakpoint
create index kept_submissions_age on kept_submissions (kept_at_ms);

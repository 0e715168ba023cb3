-- Replays: what a create request was, and under which key of the caller's, so that its repeat finds the same job.
alter table jobs add column fingerprint text;
--> statement-breakpoint
alter table jobs add column idempotency_key text;
--> statement-breakpoint
alter table jobs add column retry_count integer not null default 0;
--> statement-breakpoint
create unique index jobs_idempotency on jobs (key_id, idempotency_key) where idempotency_key is not null;
--> statement-breakpoint
create index jobs_fingerprint on jobs (key_id, fingerprint, created_at_ms) where fingerprint is not null;
--> statement-breakpoint
-- Retention: when the file of a finished video was removed.
alter table jobs add column file_removed_at_ms integer;
--> statement-breakpoint
create index jobs_expiring on jobs (expires_at_ms) where expires_at_ms is not null and file_removed_at_ms is null;
--> statement-breakpoint
-- Cancelling: when the provider was asked to stop the task.
alter table attempts add column cancel_asked_at_ms integer;
--> statement-breakpoint
-- How long generations take, per account and offer: the latest ones are looked at.
create index attempts_measured on attempts (account, model, upstream, ended_at_ms) where state = 'succeeded';

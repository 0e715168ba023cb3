create table tenants (
  id text primary key not null,
  name text not null,
  markup_percent text not null,
  policy text not null,
  concurrency integer,
  rate_per_minute integer,
  created_at_ms integer not null
);
--> statement-breakpoint
create table api_keys (
  id text primary key not null,
  tenant_id text not null references tenants (id),
  name text not null,
  digest text not null,
  prefix text not null,
  last_four text not null,
  created_at_ms integer not null,
  expires_at_ms integer,
  revoked_at_ms integer
);
--> statement-breakpoint
create unique index api_keys_digest on api_keys (digest);
--> statement-breakpoint
create index api_keys_tenant on api_keys (tenant_id, created_at_ms);
--> statement-breakpoint
create table jobs (
  id text primary key not null,
  tenant_id text not null references tenants (id),
  key_id text not null references api_keys (id),
  state text not null,
  model text not null,
  task text not null,
  resolution text not null,
  seconds integer,
  audio integer not null,
  request text not null,
  presentation text not null,
  decision text not null,
  hold_micros integer not null,
  settled_micros integer not null,
  provider text,
  attempts integer not null,
  error_code text,
  error_message text,
  lease_owner text,
  lease_token integer not null,
  due_at_ms integer,
  created_at_ms integer not null,
  started_at_ms integer,
  ended_at_ms integer,
  queue_until_ms integer not null,
  deadline_at_ms integer not null,
  cancel_requested_at_ms integer,
  save_tries integer not null,
  file_bytes integer,
  file_digest text,
  file_type text,
  file_width integer,
  file_height integer,
  file_duration_ms integer,
  expires_at_ms integer,
  deleted_at_ms integer,
  constraint jobs_state check (state in ('queued', 'running', 'saving', 'completed', 'failed', 'cancelled')),
  constraint jobs_money check (settled_micros >= 0 and settled_micros <= hold_micros),
  constraint jobs_due check ((due_at_ms is null) = (state in ('completed', 'failed', 'cancelled'))),
  constraint jobs_file check (
    state <> 'completed' or (file_digest is not null and file_bytes is not null and file_bytes > 0)
  )
);
--> statement-breakpoint
create index jobs_tenant_created on jobs (tenant_id, created_at_ms, id) where deleted_at_ms is null;
--> statement-breakpoint
create index jobs_open on jobs (lease_owner) where due_at_ms is not null;
--> statement-breakpoint
create table attempts (
  id text primary key not null,
  job_id text not null references jobs (id),
  number integer not null,
  state text not null,
  provider text not null,
  account text not null,
  lane text not null,
  model text not null,
  upstream text not null,
  cost_micros integer not null,
  price_micros integer not null,
  card text not null,
  rate text not null,
  task_id text,
  handle text,
  video_url_sealed text,
  usage text,
  slot_held integer not null,
  hook_token_digest text,
  announced_task_id text,
  failure_kind text,
  failure_detail text,
  absences integer not null,
  absent_at_ms integer,
  created_at_ms integer not null,
  send_by_ms integer not null,
  accepted_at_ms integer,
  ended_at_ms integer,
  constraint attempts_state check (
    state in ('submitting', 'running', 'in_doubt', 'succeeded', 'failed', 'cancelled')
  ),
  constraint attempts_task_known check (state not in ('running', 'succeeded') or task_id is not null)
);
--> statement-breakpoint
create unique index attempts_number on attempts (job_id, number);
--> statement-breakpoint
create unique index attempts_live on attempts (job_id) where state in ('submitting', 'running', 'in_doubt');
--> statement-breakpoint
create unique index attempts_task on attempts (account, task_id) where task_id is not null;
--> statement-breakpoint
create unique index attempts_hook on attempts (hook_token_digest) where hook_token_digest is not null;
--> statement-breakpoint
create index attempts_slots on attempts (lane) where slot_held = 1;
--> statement-breakpoint
create table lanes (
  lane text primary key not null,
  running integer not null,
  constraint lanes_running check (running >= 0)
);
--> statement-breakpoint
create table entries (
  id text primary key not null,
  at_ms integer not null,
  kind text not null,
  tenant_id text not null,
  key_id text not null,
  job_id text not null,
  attempt_id text,
  amount_micros integer not null,
  day text not null,
  priced_by text not null,
  constraint entries_kind check (
    kind in ('hold', 'settlement', 'release', 'adjustment', 'cost', 'suspected_cost', 'cost_resolution')
  ),
  constraint entries_amount check (amount_micros >= 0 or kind in ('adjustment', 'cost_resolution'))
);
--> statement-breakpoint
create index entries_job on entries (job_id);
--> statement-breakpoint
create unique index entries_one_hold on entries (job_id) where kind = 'hold';
--> statement-breakpoint
create unique index entries_one_ending on entries (job_id) where kind in ('settlement', 'release');
--> statement-breakpoint
create trigger entries_are_never_changed before update on entries begin
  select raise (abort, 'ledger entries are never changed');
end;
--> statement-breakpoint
create trigger entries_are_never_removed before delete on entries begin
  select raise (abort, 'ledger entries are never removed');
end;
--> statement-breakpoint
create table processes (
  id text primary key not null,
  lease_until_ms integer not null
);

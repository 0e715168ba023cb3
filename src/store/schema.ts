/**
 * The store owns rows and files. This file describes the tables; `migrations/` creates them, and a test keeps the
 * two equal. Columns are `bigint` and `text` only, so that another database can hold the same tables. The checks and the
 * triggers that repeat what code asserts stand in the migrations alone.
 */
import { sql } from 'drizzle-orm';
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';
import { billionths, flag, money } from './columns.ts';

export * from './schema-accounts.ts';
export * from './schema-spend.ts';

export const JOB_STATES = ['queued', 'running', 'saving', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

export const ATTEMPT_STATES = ['submitting', 'running', 'in_doubt', 'succeeded', 'failed', 'cancelled'] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

export const ENTRY_KINDS = [
  'hold',
  'settlement',
  'release',
  'adjustment',
  'cost',
  'suspected_cost',
  'cost_resolution',
] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

export const tenants = sqliteTable('tenants', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  markupPercent: text('markup_percent').notNull(),
  policy: text('policy').notNull(),
  concurrency: integer('concurrency'),
  ratePerMinute: integer('rate_per_minute'),
  createdAtMs: integer('created_at_ms').notNull(),
  /** What signs deliveries to a request's own `callback_url`, encrypted; it is shown once. */
  callbackSecretSealed: text('callback_secret_sealed'),
  /** The one before, which signs too until then. */
  oldCallbackSecretSealed: text('old_callback_secret_sealed'),
  oldCallbackSecretUntilMs: integer('old_callback_secret_until_ms'),
});

export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    name: text('name').notNull(),
    /** Keyed hash of the whole key; the key itself is shown once and kept nowhere. */
    digest: text('digest').notNull(),
    /** The beginning and the last four characters, to recognise a key by. */
    prefix: text('prefix').notNull(),
    lastFour: text('last_four').notNull(),
    createdAtMs: integer('created_at_ms').notNull(),
    expiresAtMs: integer('expires_at_ms'),
    revokedAtMs: integer('revoked_at_ms'),
    /** JSON list of the models it may ask for; null: all. */
    models: text('models'),
    /** JSON list of the providers that may serve it; null: all. */
    providers: text('providers'),
    ratePerMinute: integer('rate_per_minute'),
  },
  (table) => [
    uniqueIndex('api_keys_digest').on(table.digest),
    index('api_keys_tenant').on(table.tenantId, table.createdAtMs),
  ],
);

export const jobs = sqliteTable(
  'jobs',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    keyId: text('key_id')
      .notNull()
      .references(() => apiKeys.id),
    state: text('state').notNull().$type<JobState>(),
    model: text('model').notNull(),
    task: text('task').notNull(),
    resolution: text('resolution').notNull(),
    seconds: integer('seconds'),
    audio: flag('audio').notNull(),
    /** VideoRequest as JSON. */
    request: text('request').notNull(),
    /** What the caller sees of its own request: model as asked for, size, tags, warnings. JSON. */
    presentation: text('presentation').notNull(),
    /** The decision at admission, with every candidate and number. JSON. */
    decision: text('decision').notNull(),
    holdMicros: money('hold_micros').notNull(),
    settledMicros: money('settled_micros').notNull(),
    /** Who delivered, or who is at it. */
    provider: text('provider'),
    attempts: integer('attempts').notNull(),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    /** The process that works on the job, and the number that grows with each claim: the fence of every write. */
    leaseOwner: text('lease_owner'),
    leaseToken: integer('lease_token').notNull(),
    /** When the next step is due; null once the job has ended. */
    dueAtMs: integer('due_at_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
    startedAtMs: integer('started_at_ms'),
    endedAtMs: integer('ended_at_ms'),
    queueUntilMs: integer('queue_until_ms').notNull(),
    deadlineAtMs: integer('deadline_at_ms').notNull(),
    cancelRequestedAtMs: integer('cancel_requested_at_ms'),
    /** How often the finished file could not be saved. */
    saveTries: integer('save_tries').notNull(),
    fileBytes: integer('file_bytes'),
    /** SHA-256, hex. */
    fileDigest: text('file_digest'),
    fileType: text('file_type'),
    fileWidth: integer('file_width'),
    fileHeight: integer('file_height'),
    fileDurationMs: integer('file_duration_ms'),
    expiresAtMs: integer('expires_at_ms'),
    deletedAtMs: integer('deleted_at_ms'),
    /** SHA-256 of the decoded request: a repeat of it finds this job. */
    fingerprint: text('fingerprint'),
    /** The caller's own `Idempotency-Key`, as its SHA-256. */
    idempotencyKey: text('idempotency_key'),
    /** The highest retry of the SDK's that was answered with this job. */
    retryCount: integer('retry_count').notNull(),
    fileRemovedAtMs: integer('file_removed_at_ms'),
  },
  (table) => [
    uniqueIndex('jobs_idempotency').on(table.keyId, table.idempotencyKey).where(sql`idempotency_key is not null`),
    index('jobs_fingerprint').on(table.keyId, table.fingerprint, table.createdAtMs).where(sql`fingerprint is not null`),
    index('jobs_expiring').on(table.expiresAtMs).where(sql`expires_at_ms is not null and file_removed_at_ms is null`),
    index('jobs_tenant_created').on(table.tenantId, table.createdAtMs, table.id).where(sql`deleted_at_ms is null`),
    index('jobs_open').on(table.leaseOwner).where(sql`due_at_ms is not null`),
    index('jobs_state').on(table.state, table.id),
  ],
);

export const attempts = sqliteTable(
  'attempts',
  {
    id: text('id').primaryKey(),
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id),
    number: integer('number').notNull(),
    state: text('state').notNull().$type<AttemptState>(),
    provider: text('provider').notNull(),
    account: text('account').notNull(),
    /** Where the slot is counted: the account, for Kling the account and the model version. */
    lane: text('lane').notNull(),
    model: text('model').notNull(),
    upstream: text('upstream').notNull(),
    costMicros: money('cost_micros').notNull(),
    priceMicros: money('price_micros').notNull(),
    card: text('card').notNull(),
    rate: text('rate').notNull(),
    taskId: text('task_id'),
    /** The adapter's handle as JSON. */
    handle: text('handle'),
    /** The finished video's address, encrypted: it is a signed link. */
    videoUrlSealed: text('video_url_sealed'),
    usage: text('usage'),
    /** The provider's own id of the finished video. */
    providerVideoId: text('provider_video_id'),
    slotHeld: flag('slot_held').notNull(),
    /** SHA-256 of the token in this attempt's own webhook address. */
    hookTokenDigest: text('hook_token_digest'),
    /** The task that an announcement named while the attempt was in doubt: looked at, never believed. */
    announcedTaskId: text('announced_task_id'),
    /** Billionths of prepaid units that it draws only because they would lapse: at full price it had gone elsewhere. */
    lapsingUnits: billionths('lapsing_units').notNull(),
    /** What stood against what when it was given its slot, as JSON. */
    choice: text('choice'),
    failureKind: text('failure_kind'),
    failureDetail: text('failure_detail'),
    /** From when on the job may ask this candidate again that has refused it; null: at once, or never. */
    againAtMs: integer('again_at_ms'),
    /** Reads of the task that failed one after another. */
    readFailures: integer('read_failures').notNull(),
    /**
     * News about the provider: when the answer of its submission was lost first; once it is accepted, when a read failed
     * last, or was answered again, or the video was given up.
     */
    troubledAtMs: integer('troubled_at_ms'),
    /** When the answer of its submission was lost first, kept from before other news took that place; see `lossOf`. */
    lostAtMs: integer('lost_at_ms'),
    /** How often whoever could tell of it has not answered past the end of doubt. */
    lookFailures: integer('look_failures').notNull().default(0),
    /** How often it was sent again after its absence was proven. */
    repeats: integer('repeats').notNull().default(0),
    /** Look-ups of an attempt in doubt that found nothing, and when the last of them was. */
    absences: integer('absences').notNull(),
    absentAtMs: integer('absent_at_ms'),
    createdAtMs: integer('created_at_ms').notNull(),
    /** The last instant at which its submission could have left. */
    sendByMs: integer('send_by_ms').notNull(),
    acceptedAtMs: integer('accepted_at_ms'),
    endedAtMs: integer('ended_at_ms'),
    cancelAskedAtMs: integer('cancel_asked_at_ms'),
  },
  (table) => [
    index('attempts_measured')
      .on(table.account, table.model, table.upstream, table.endedAtMs)
      .where(sql`state = 'succeeded'`),
    uniqueIndex('attempts_number').on(table.jobId, table.number),
    uniqueIndex('attempts_live').on(table.jobId).where(sql`state in ('submitting', 'running', 'in_doubt')`),
    uniqueIndex('attempts_task').on(table.account, table.taskId).where(sql`task_id is not null`),
    uniqueIndex('attempts_hook').on(table.hookTokenDigest).where(sql`hook_token_digest is not null`),
    index('attempts_lapsing').on(table.account).where(sql`lapsing_units > 0 and ended_at_ms is null`),
    index('attempts_troubled').on(table.troubledAtMs).where(sql`troubled_at_ms is not null`),
    index('attempts_slots').on(table.lane).where(sql`slot_held = 1`),
    index('attempts_outcomes').on(table.provider, table.state),
    index('attempts_ended').on(table.endedAtMs).where(sql`ended_at_ms is not null`),
    index('attempts_accepted').on(table.acceptedAtMs).where(sql`accepted_at_ms is not null`),
    index('attempts_unanswered').on(table.createdAtMs).where(sql`state in ('submitting', 'in_doubt')`),
  ],
);

/** Running tasks per lane: the durable count that a claim raises under its limit, in one statement. */
export const lanes = sqliteTable('lanes', { lane: text('lane').primaryKey(), running: integer('running').notNull() });

/** The ledger: rows are only ever added, triggers refuse the rest. */
export const entries = sqliteTable(
  'entries',
  {
    id: text('id').primaryKey(),
    atMs: integer('at_ms').notNull(),
    kind: text('kind').notNull().$type<EntryKind>(),
    tenantId: text('tenant_id').notNull(),
    keyId: text('key_id').notNull(),
    jobId: text('job_id').notNull(),
    attemptId: text('attempt_id'),
    amountMicros: money('amount_micros').notNull(),
    /** The UTC day in which the job was admitted: the period that pays, wherever the job ends. */
    day: text('day').notNull(),
    /** `card@effective row` that priced it. */
    pricedBy: text('priced_by').notNull(),
  },
  (table) => [
    index('entries_job').on(table.jobId),
    index('entries_day').on(table.day, table.id),
    index('entries_tenant').on(table.tenantId, table.day, table.id),
    index('entries_suspected').on(table.attemptId).where(sql`kind in ('suspected_cost', 'cost_resolution')`),
    uniqueIndex('entries_one_hold').on(table.jobId).where(sql`kind = 'hold'`),
    uniqueIndex('entries_one_ending').on(table.jobId).where(sql`kind in ('settlement', 'release')`),
  ],
);

/** Processes that hold leases: each renews its own row, and jobs of a row that ran out are rescued. */
export const processes = sqliteTable('processes', {
  id: text('id').primaryKey(),
  leaseUntilMs: integer('lease_until_ms').notNull(),
});

export type TenantRow = typeof tenants.$inferSelect;
export type ApiKeyRow = typeof apiKeys.$inferSelect;
export type JobRow = typeof jobs.$inferSelect;
export type AttemptRow = typeof attempts.$inferSelect;
export type EntryRow = typeof entries.$inferSelect;

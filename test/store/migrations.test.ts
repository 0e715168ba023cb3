/**
 * The tables that the code describes are the tables that the migrations make, and the tables refuse by themselves what
 * the code asserts. Every column, index and key is read back from a migrated file.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { getTableConfig, SQLiteSyncDialect, type SQLiteTable } from 'drizzle-orm/sqlite-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { micros } from '../../src/ground/money.ts';
import { ATTEMPT_TRANSITIONS, JOB_TRANSITIONS } from '../../src/jobs/job.ts';
import * as schema from '../../src/store/schema.ts';
import { ATTEMPT_STATES, ENTRY_KINDS, JOB_STATES } from '../../src/store/schema.ts';
import * as alarms from '../../src/store/schema-alarms.ts';
import * as budgets from '../../src/store/schema-budgets.ts';
import * as resend from '../../src/store/schema-resend.ts';
import * as webhooks from '../../src/store/schema-webhooks.ts';
import { openSqlite } from '../../src/store/sqlite.ts';
import { attemptRow, COMPLETED, FAILED, jobRow, openStoreWithTenant, ROOT, store } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const { tenants, apiKeys, jobs, attempts, lanes, entries, processes, accountSettings } = schema;
const { webhookEndpoints, webhookEvents, webhookDeliveries } = webhooks;
const SPEND_TABLES: readonly SQLiteTable[] = [schema.spend, schema.spendTags, schema.packages];
const WEBHOOK_TABLES: readonly SQLiteTable[] = [webhookEndpoints, webhookEvents, webhookDeliveries];
const BUDGET_TABLES: readonly SQLiteTable[] = [budgets.budgets, budgets.budgetCounters, budgets.budgetAlerts];
const ALARM_TABLES: readonly SQLiteTable[] = [alarms.alarms, alarms.accountBalances];
const RESEND_TABLES: readonly SQLiteTable[] = [resend.keyReplays, resend.keptSubmissions];
const TABLES: readonly SQLiteTable[] = [
  ...[tenants, apiKeys, jobs, attempts, lanes, entries, processes, accountSettings],
  ...WEBHOOK_TABLES,
  ...SPEND_TABLES,
  ...BUDGET_TABLES,
  ...ALARM_TABLES,
  ...RESEND_TABLES,
];
const described = TABLES.map((table) => [getTableConfig(table).name, table] as const);

describe('the tables of the migrations', () => {
  it('are those that the code describes, and the one of the migrator', async () => {
    const made = await inMigrated("select name from sqlite_master where type = 'table'");
    const expected = [...described.map(([name]) => name), '__drizzle_migrations'];
    expect(new Set(made.map(({ name }) => name))).toEqual(new Set(expected));
  });

  it.each(described)(
    '%s has the columns that the code describes, of the same type, as nullable, in the same key',
    async (name, table) => {
      const made = await inMigrated(`select name, lower(type) type, "notnull", pk from pragma_table_info('${name}')`);
      const expected = getTableConfig(table).columns.map((column) => ({
        name: column.name,
        type: column.getSQLType(),
        notnull: Number(column.notNull),
        pk: Number(column.primary),
      }));
      expect(byName(made)).toEqual(byName(expected));
    },
  );

  it.each(described)('%s has the indexes that the code describes, over the same rows', async (name, table) => {
    const made = await inMigrated(
      `select list.name, list."unique", group_concat(info.name) columns, master.sql
       from pragma_index_list('${name}') list, pragma_index_info(list.name) info
       join sqlite_master master on master.name = list.name
       where list.origin = 'c' group by list.name`,
    );
    const expected = getTableConfig(table).indexes.map(({ config }) => ({
      name: config.name,
      unique: Number(config.unique),
      columns: config.columns.map((column) => ('name' in column ? column.name : 'an expression')).join(),
      where: config.where && new SQLiteSyncDialect().sqlToQuery(config.where).sql,
    }));
    const shown = made.map(({ sql, ...index }) => ({ ...index, where: String(sql).split(' where ')[1] }));
    expect(byName(shown)).toEqual(byName(expected));
  });

  it.each(described)('%s points to the tables that the code describes', async (name, table) => {
    const made = await inMigrated(`select "from", "table", "to" from pragma_foreign_key_list('${name}')`);
    const expected = getTableConfig(table).foreignKeys.map((key) => {
      const { columns, foreignTable, foreignColumns } = key.reference();
      return { from: columns[0]?.name, table: getTableConfig(foreignTable).name, to: foreignColumns[0]?.name };
    });
    expect(new Set(made)).toEqual(new Set(expected));
  });

  it.each([
    ['jobs_state', JOB_STATES],
    ['attempts_state', ATTEMPT_STATES],
    ['entries_kind', ENTRY_KINDS],
    ['webhook_deliveries_state', webhooks.DELIVERY_STATES],
    ['budgets_scope', budgets.BUDGET_SCOPES],
    ['budgets_period', budgets.BUDGET_PERIODS],
    ['alarms_type', alarms.ALARM_TYPES],
    ['account_balances_unit', alarms.BALANCE_UNITS],
  ])('the check %s has the words of the code', async (check, words) => {
    expect(await wordsIn(`constraint ${check} check (`)).toEqual(words);
  });

  it.each([
    ['jobs that are due', 'constraint jobs_due check (', JOB_TRANSITIONS, true],
    ['attempts that are live', 'attempts_live on attempts (job_id) where ', ATTEMPT_TRANSITIONS, false],
  ])('the words for %s are those of the states', async (_, before, transitions, ended) => {
    const states = Object.entries(transitions).filter(([, next]) => (next.length === 0) === ended);
    expect(new Set(await wordsIn(before))).toEqual(new Set(states.map(([state]) => state)));
  });

  it('are made once: opening again changes nothing', async () => {
    const folder = temporaryFolder();
    const open = () => openSqlite({ folder, migrationsFolder: join(ROOT, 'migrations') });
    await open().close();
    const before = look(folder, 'select * from sqlite_master');
    await open().close();
    expect(look(folder, 'select * from sqlite_master')).toEqual(before);
  });
});

describe('the tables refuse by themselves', () => {
  const job = (change: Partial<schema.JobRow>) => ({ jobs: [jobRow({ id: 'video_2', ...change })] });
  const attempt = (change: Partial<schema.AttemptRow>) => ({
    attempts: [attemptRow({ id: 'att_2', number: 2, ...change })],
  });
  const unknown = 'forgotten' as schema.JobState & schema.AttemptState;

  it.each([
    ['a job of an unknown state', job({ state: unknown }), 'jobs_state'],
    ['a settlement above the hold', job({ settledMicros: micros(1_000_001n) }), 'jobs_money'],
    ['a negative settlement', job({ settledMicros: micros(-1n) }), 'jobs_money'],
    ['an open job that is never due', job({ dueAtMs: null }), 'jobs_due'],
    ['an ended job that is due', job({ ...FAILED, dueAtMs: 1 }), 'jobs_due'],
    ['a completed job without a digest', job({ ...COMPLETED, fileDigest: null }), 'jobs_file'],
    ['a completed job without bytes', job({ ...COMPLETED, fileBytes: 0 }), 'jobs_file'],
    ['a job of an unknown tenant', job({ tenantId: 'ten_nobody' }), 'FOREIGN KEY'],
    ['a job of an unknown key', job({ keyId: 'key_nobody' }), 'FOREIGN KEY'],
    ['an attempt of an unknown state', attempt({ state: unknown }), 'attempts_state'],
    ['an attempt of an unknown job', attempt({ jobId: 'video_9' }), 'FOREIGN KEY'],
    ['a running attempt without its task', attempt({ state: 'running' }), 'attempts_task_known'],
    ['a finished attempt without its task', attempt({ state: 'succeeded' }), 'attempts_task_known'],
    ['a second attempt of one number', attempt({ number: 1, state: 'failed' }), 'attempts.job_id, attempts.number'],
    ['a second live attempt', attempt({ state: 'in_doubt' }), 'UNIQUE constraint failed: attempts.job_id'],
    ['one task in two attempts', attempt({ state: 'failed', taskId: 'task_1' }), 'attempts.account, attempts.task_id'],
  ])('%s', async (_, rows, says) => {
    const database = await openStoreWithTenant();
    await store(database, { jobs: [jobRow()], attempts: [attemptRow({ state: 'running', taskId: 'task_1' })] });
    await expect(store(database, rows)).rejects.toThrow(says);
  });

  it.each([
    ['a delivery of an unknown state', { state: 'lost' as webhooks.DeliveryState }, 'webhook_deliveries_state'],
    ['a pending delivery that is never due', { dueAtMs: null }, 'webhook_deliveries_due'],
    ['an ended delivery that is due', { state: 'failed' as const }, 'webhook_deliveries_due'],
    ['a delivery to nowhere', { callbackUrl: null }, 'webhook_deliveries_place'],
    ['a delivery of no event', { eventId: 'evt_9' }, 'FOREIGN KEY'],
    ['a delivery to no endpoint', { callbackUrl: null, endpointId: 'whe_9' }, 'FOREIGN KEY'],
  ])('%s', async (_, change, says) => {
    const database = await openStoreWithTenant();
    const event = { id: 'evt_1', tenantId: 'ten_acme', jobId: null, type: 'video.failed', body: '{}', createdAtMs: 0 };
    const delivery = {
      id: 'whd_1',
      eventId: 'evt_1',
      tenantId: 'ten_acme',
      endpointId: null,
      callbackUrl: 'https://a',
    };
    const fresh = { state: 'pending', tries: 0, log: '[]', dueAtMs: 0, leaseToken: 0, createdAtMs: 0 } as const;
    await database.write((tx) => tx.insert(webhookEvents).values(event));
    const insert = (row: object) =>
      database.write((tx) => tx.insert(webhookDeliveries).values({ ...delivery, ...fresh, ...row }));
    await expect(insert(change)).rejects.toThrow(says);
    await insert({});
  });

  it('a second event of one job', async () => {
    const database = await openStoreWithTenant();
    await store(database, { jobs: [jobRow()] });
    const event = { tenantId: 'ten_acme', jobId: 'video_1', type: 'video.failed', body: '{}', createdAtMs: 0 };
    await database.write((tx) => tx.insert(webhookEvents).values({ id: 'evt_1', ...event }));
    const second = database.write((tx) => tx.insert(webhookEvents).values({ id: 'evt_2', ...event }));
    await expect(second).rejects.toThrow('webhook_events.job_id');
  });

  it.each([
    ['a budget of an unknown scope', { scope: 'team' as budgets.BudgetScope }, 'budgets_scope'],
    ['a budget of an unknown period', { period: 'week' as budgets.BudgetPeriod }, 'budgets_period'],
    ['a negative cap', { capMicros: micros(-1n) }, 'budgets_cap'],
    ['an alert above the cap', { alertPercent: 101 }, 'budgets_alert'],
    ['a budget of an unknown tenant', { tenantId: 'ten_nobody' }, 'FOREIGN KEY'],
  ])('%s', async (_, change, says) => {
    const database = await openStoreWithTenant();
    await expect(database.write((tx) => tx.insert(budgets.budgets).values({ ...BUDGET, ...change }))).rejects.toThrow(
      says,
    );
    await database.write((tx) => tx.insert(budgets.budgets).values(BUDGET));
  });

  it.each([
    ['more in use than the cap', { heldMicros: micros(51n) }, 'budget_counters_ceiling'],
    ['less held than nothing', { heldMicros: micros(-1n) }, 'budget_counters_held'],
    ['less settled than nothing', { settledMicros: micros(-1n) }, 'budget_counters_settled'],
    ['a counter of no budget', { budgetId: 'bud_9' }, 'FOREIGN KEY'],
  ])('%s', async (_, change, says) => {
    const database = await openStoreWithTenant();
    await database.write((tx) => tx.insert(budgets.budgets).values(BUDGET));
    const counter = { budgetId: BUDGET.id, span: '2026-11', settledMicros: micros(50n), heldMicros: micros(50n) };
    const insert = (row: object) =>
      database.write((tx) =>
        tx.insert(budgets.budgetCounters).values({ ...counter, ceilingMicros: micros(100n), ...row }),
      );
    await expect(insert(change)).rejects.toThrow(says);
    await insert({});
    await expect(insert({})).rejects.toThrow('budget_counters.budget_id, budget_counters.span');
  });

  it('fewer tasks in a lane than none', async () => {
    const database = await openStoreWithTenant();
    await expect(database.write((tx) => tx.insert(lanes).values({ lane: 'a', running: -1 }))).rejects.toThrow(
      'lanes_running',
    );
  });

  it.each([
    ['an entry of an unknown kind', { kind: 'gift' as schema.EntryKind }, 'entries_kind'],
    ['a negative hold', { kind: 'hold' as const, amountMicros: micros(-1n) }, 'entries_amount'],
    ['a negative settlement', { kind: 'settlement' as const, amountMicros: micros(-1n) }, 'entries_amount'],
    ['a negative cost', { kind: 'cost' as const, amountMicros: micros(-1n) }, 'entries_amount'],
  ])('%s', async (_, change, says) => {
    const database = await openStoreWithTenant();
    await expect(database.write((tx) => tx.insert(entries).values({ ...ENTRY, ...change }))).rejects.toThrow(says);
  });

  it('a change and a removal of a ledger entry', async () => {
    const database = await openStoreWithTenant();
    await database.write((tx) =>
      tx.insert(entries).values({ ...ENTRY, kind: 'adjustment', amountMicros: micros(-5n) }),
    );
    const changed = database.write((tx) => tx.update(entries).set({ day: '2026-11-22' }));
    await expect(changed).rejects.toThrow('ledger entries are never changed');
    await expect(database.write((tx) => tx.delete(entries))).rejects.toThrow('ledger entries are never removed');
    expect(await database.read((tx) => tx.select({ day: entries.day }).from(entries))).toEqual([{ day: ENTRY.day }]);
  });
});

const ENTRY = {
  ...{ id: 'ent_1', kind: 'hold', tenantId: 'ten_acme', keyId: 'key_acme', jobId: 'video_1', attemptId: null },
  ...{ atMs: 0, amountMicros: micros(1n), day: '2026-11-21', pricedBy: 'card row' },
} as const;

const BUDGET: budgets.BudgetRow = {
  id: 'bud_1',
  tenantId: 'ten_acme',
  scope: 'tenant',
  ownerId: 'ten_acme',
  period: 'month',
  capMicros: micros(100n),
  alertPercent: null,
  createdAtMs: 0,
  updatedAtMs: 0,
};

type Row = Readonly<Record<string, unknown>>;

/** What a query finds in a new store. */
async function inMigrated(query: string): Promise<Row[]> {
  const folder = temporaryFolder();
  await openSqlite({ folder, migrationsFolder: join(ROOT, 'migrations') }).close();
  return look(folder, query);
}

function look(folder: string, query: string): Row[] {
  const connection = new Sqlite(join(folder, 'reelay.db'), { readonly: true });
  onTestFinished(() => {
    connection.close();
  });
  return connection.prepare<[], Row>(query).all();
}

/** The words of the first list after `before`, in the order in which the migrations have them. */
async function wordsIn(before: string): Promise<string[]> {
  const text = (await inMigrated('select sql from sqlite_master')).map(({ sql }) => sql).join('\n');
  const [, after = ''] = text.split(before);
  const [, list = ''] = /\bin \(([^)]*)\)/.exec(after) ?? [];
  return [...list.matchAll(/'([\w.]+)'/g)].map(([, word = '']) => word);
}

const byName = (rows: readonly Row[]) => Object.fromEntries(rows.map((row) => [row.name, row]));

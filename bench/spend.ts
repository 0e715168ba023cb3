/**
 * What a report of spend costs beside the number of jobs: `npx tsx bench/spend.ts [days]`.
 *
 * Two stores of one month and 200 tenants, of 10,000 and of 1,000,000 jobs with their entries and sums, are filled by
 * prepared statements, a job at a time. Then the same reports are made on both, in turn, in one run. The median counts.
 * Machines differ; the ratio does not depend on them.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { ledgerPage } from '../src/ledger/page.ts';
import { type Grouping, spendReport } from '../src/ledger/spend.ts';
import type { Database } from '../src/store/database.ts';
import { openSqlite } from '../src/store/sqlite.ts';

const DAYS = Number(process.argv[2] ?? 30);
const SIZES = [10_000, 1_000_000];
const TENANTS = 200;
const ROUNDS = 21;
const BATCH = 10_000;
const PRICE = 420_000;

const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url));
const dayOf = (index: number): string => new Date(Date.UTC(2026, 10, 1 + index)).toISOString().slice(0, 10);
const range = { from: dayOf(0), to: dayOf(DAYS - 1) };

/** Each tenant has one key, two models and a provider for each; one clip in twenty fails. */
function fill(file: string, count: number): void {
  const connection = new Sqlite(file);
  connection.pragma('synchronous = OFF');
  connection.pragma('foreign_keys = OFF');
  const addEntry = connection.prepare(
    `insert into entries (id, at_ms, kind, tenant_id, key_id, job_id, attempt_id, amount_micros, day, priced_by)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'card row')`,
  );
  const addSums = connection.prepare(
    `insert into spend values (?, ?, ?, ?, ?, 'text_to_video', '720p', 1, ?, ?, 0, ?, ?, ?, ?, 0, 0)
     on conflict (day, tenant_id, key_id, model, provider, task, resolution) do update set
       jobs = jobs + 1, completed = completed + excluded.completed, failed = failed + excluded.failed,
       settled_micros = settled_micros + excluded.settled_micros,
       delivered_micros = delivered_micros + excluded.delivered_micros,
       delivered_ms = delivered_ms + excluded.delivered_ms, cost_micros = cost_micros + excluded.cost_micros`,
  );
  for (let from = 0; from < count; from += BATCH) {
    connection.exec('begin');
    for (let job = from; job < Math.min(count, from + BATCH); job += 1) {
      const tenant = `ten_${job % TENANTS}`;
      const key = `key_${job % TENANTS}`;
      // Jobs come in the order of their days, as ids do.
      const day = dayOf(Math.floor((job * DAYS) / count));
      const [model, provider] = (job / TENANTS) % 2 < 1 ? ['kling-v3', 'kling'] : ['kling-o3', 'atlas'];
      const failed = job % 20 === 0 ? 1 : 0;
      const paid = failed ? 0 : PRICE;
      const id = String(job).padStart(10, '0');
      const write = (kind: string, n: number, amount: number) =>
        addEntry.run(`ent_${id}${n}`, job, kind, tenant, key, `video_${id}`, n === 0 ? null : `att_${id}`, amount, day);
      write('hold', 0, PRICE);
      write(failed ? 'release' : 'settlement', 1, failed ? PRICE : paid);
      if (!failed) write('cost', 2, PRICE);
      addSums.run(day, tenant, key, model, provider, 1 - failed, failed, paid, paid, failed ? 0 : 5_000, paid);
    }
    connection.exec('commit');
  }
  connection.exec('analyze');
  connection.close();
}

interface Filled {
  readonly count: number;
  readonly cells: number;
  readonly megabytes: number;
  readonly database: Database;
}

function open(folder: string, count: number): Filled {
  const options = { folder: mkdtempSync(join(folder, 'store-')), migrationsFolder };
  const file = join(options.folder, 'reelay.db');
  const made = openSqlite(options);
  fill(file, count);
  const connection = new Sqlite(file, { readonly: true });
  const cells = Number(connection.prepare('select count(*) from spend').pluck().get());
  connection.close();
  return { count, cells, megabytes: Math.round(statSync(file).size / 1e6), database: made };
}

const report =
  (tenantId: string | null, ...groupBy: Grouping[]) =>
  async (database: Database): Promise<unknown> =>
    await database.read((tx) => spendReport(tx, { ...range, tenantId, groupBy }));
const page = async (database: Database): Promise<unknown> =>
  await database.read((tx) =>
    ledgerPage(tx, { tenantId: 'ten_7', jobId: null, from: range.from, to: null, after: null, limit: 101 }),
  );

const READS: readonly (readonly [string, (database: Database) => Promise<unknown>])[] = [
  ['all tenants by day', report(null, 'day')],
  ['all tenants by tenant', report(null, 'tenant')],
  ['all tenants by month, provider and model', report(null, 'month', 'provider', 'model')],
  ['one tenant by day', report('ten_7', 'day')],
  ["a page of one tenant's ledger", page],
];

async function timeOf(read: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await read();
  return performance.now() - startedAt;
}

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1] ?? 0;
const print = (line: string): boolean => process.stdout.write(`${line}\n`);

const folder = mkdtempSync(join(tmpdir(), 'reelay-bench-'));
try {
  const filled = SIZES.map((count) => open(folder, count));
  for (const { count, cells, megabytes } of filled) {
    print(`${count} jobs of ${TENANTS} tenants in ${DAYS} days: ${cells} cells, ${megabytes} MB`);
  }
  for (const [name, read] of READS) {
    const times: number[][] = filled.map(() => []);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [index, { database }] of filled.entries()) times[index]?.push(await timeOf(() => read(database)));
    }
    const [small = 0, large = 0] = times.map(median);
    print(`${name}: ${small.toFixed(2)} ms, ${large.toFixed(2)} ms, ratio ${(large / small).toFixed(2)}`);
  }
  print(`peak memory ${Math.round(process.resourceUsage().maxRSS / 1_024)} MB`);
  for (const { database } of filled) await database.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

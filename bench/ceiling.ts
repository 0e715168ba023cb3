/**
 * What this machine can do at best, for `accept.ts` to compare with; a process of its own. `/echo` answers a request
 * with its own body; `/group` keeps a job, its hold and its entry by the fewest statements there are, all requests of one
 * turn in one commit; `/tx` does the same with one commit each. No key, no routing, no log. Prints where it listens.
 */
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import Sqlite from 'better-sqlite3';
import { Hono } from 'hono';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: ceiling.ts <folder>');

const connection = new Sqlite(join(folder, 'ceiling.db'));
// The pragmas of the gateway's own store.
for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = ON', 'cache_size = -65536']) {
  connection.pragma(pragma);
}
connection.exec(`
  create table budgets (id text primary key, cap bigint not null, held bigint not null);
  create table jobs (id text primary key, tenant text not null, state text not null, request text not null,
    hold bigint not null, due_at_ms bigint, created_at_ms bigint not null);
  create index jobs_tenant on jobs (tenant, created_at_ms);
  create table entries (id text primary key, job_id text not null, amount bigint not null, at_ms bigint not null);
  create index entries_job on entries (job_id);
  insert into budgets values ('ten', 1000000000000000, 0);
`);
const hold = connection.prepare('update budgets set held = held + ? where id = ? and held + ? <= cap');
const addJob = connection.prepare("insert into jobs values (?, 'ten', 'queued', ?, ?, ?, ?)");
const addEntry = connection.prepare('insert into entries values (?, ?, ?, ?)');

const PRICE = 420_000;
let made = 0;

/** Time-ordered, as the gateway's own: random keys would make the inserts dearer. */
function nextId(nowMs: number): string {
  made += 1;
  return `${nowMs.toString(36)}${made.toString(36).padStart(6, '0')}`;
}

function accept(body: object): object {
  const nowMs = Date.now();
  const id = `video_${nextId(nowMs)}`;
  if (hold.run(PRICE, 'ten', PRICE).changes !== 1) throw new Error('the budget is full');
  addJob.run(id, JSON.stringify(body), PRICE, nowMs, nowMs);
  addEntry.run(`ent_${nextId(nowMs)}`, id, PRICE, nowMs);
  return { id, object: 'video', status: 'queued', progress: 0, created_at: Math.floor(nowMs / 1_000), ...body };
}

const acceptOne = connection.transaction(accept).immediate;
const acceptAll = connection.transaction((bodies: readonly object[]) => bodies.map(accept)).immediate;

interface Waiting {
  readonly body: object;
  readonly resolve: (answer: object) => void;
}
let queue: Waiting[] = [];

/** Joins the commit of this turn of the event loop. */
function acceptInGroup(body: object): Promise<object> {
  return new Promise((resolve) => {
    if (queue.push({ body, resolve }) > 1) return;
    setImmediate(() => {
      const group = queue;
      queue = [];
      const answers = acceptAll(group.map((waiting) => waiting.body));
      for (const [index, waiting] of group.entries()) waiting.resolve(answers[index] ?? {});
    });
  });
}

const app = new Hono();
app.post('/echo', async (c) => c.json(await c.req.json()));
app.post('/tx', async (c) => c.json(acceptOne(await c.req.json())));
app.post('/group', async (c) => c.json(await acceptInGroup(await c.req.json())));
app.get('/metrics', (c) => {
  const { user, system } = process.cpuUsage();
  return c.text(`process_cpu_seconds_total ${(user + system) / 1e6}\n`);
});
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
});

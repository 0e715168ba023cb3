/** A tenant's `concurrency`: so many of its videos are at providers at once, the others wait, and nobody else does. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ REELAY_SANDBOX_SECONDS: '0.3' });
});
afterAll(() => gateway.remove());

async function newKey(id: string, change: object): Promise<string> {
  await gateway.admin('POST', '/tenants', { id, name: id, ...change });
  const answer = await gateway.admin('POST', `/tenants/${id}/keys`, {});
  return ((await answer.json()) as { key: string }).key;
}

async function create(key: string): Promise<void> {
  const body = JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 3 });
  const headers = { 'content-type': 'application/json' };
  expect((await gateway.fetch('/v1/videos', { method: 'POST', key, headers, body })).status).toBe(200);
}

interface Seen {
  readonly tenant: string;
  readonly running: number;
}

it('is never passed, lets every video be made in turn, and holds nobody else up', async () => {
  const [narrow, wide] = [await newKey('narrow', { concurrency: 2 }), await newKey('wide', {})];
  const connection = new Sqlite(join(gateway.dataDir, 'reelay.db'), { readonly: true });
  const running = connection.prepare<[], Seen>(
    `select tenant_id tenant, count(*) running from attempts join jobs on jobs.id = job_id
     where slot_held = 1 group by tenant_id`,
  );
  const most: Record<string, number> = { narrow: 0, wide: 0 };
  const look = (): void => {
    for (const { tenant, running: count } of running.all()) most[tenant] = Math.max(most[tenant] ?? 0, count);
  };
  await Promise.all([
    ...Array.from({ length: 9 }, () => create(narrow)),
    ...Array.from({ length: 6 }, () => create(wide)),
  ]);
  const startedAt = performance.now();
  await until('the end of all of them', () => {
    look();
    const query = "select count(*) open from jobs where state in ('queued', 'running', 'saving')";
    return connection.prepare<[], { open: number }>(query).get()?.open === 0;
  });
  const tookMs = performance.now() - startedAt;
  const ended = connection.prepare<[], { state: string }>('select distinct state from jobs').all();
  connection.close();
  expect(most.narrow).toBe(2);
  expect(most.wide).toBeGreaterThan(2);
  expect(ended).toEqual([{ state: 'completed' }]);
  // Whoever ends wakes the next one: nobody waits for the look that comes by itself every ten seconds.
  expect(tookMs).toBeLessThan(9_000);
});

it('counts at once when it is changed', async () => {
  const key = await newKey('later', { concurrency: 1 });
  await Promise.all(Array.from({ length: 3 }, () => create(key)));
  await gateway.admin('PATCH', '/tenants/later', { concurrency: null });
  const shown = (await (await gateway.admin('GET', '/tenants/later')).json()) as { concurrency: number | null };
  expect(shown.concurrency).toBeNull();
  await until('all of them', async () => {
    const { data } = (await (await gateway.fetch('/v1/videos', { key })).json()) as { data: { status: string }[] };
    return data.every(({ status }) => status === 'completed');
  });
});

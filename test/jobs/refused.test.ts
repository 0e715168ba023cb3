/** A job that was refused with "too many requests" is back in the queue at once: it is seen there, and goes on from there. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ROOT } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

interface Refusing {
  readonly url: string;
  readonly asked: number;
}

/** A provider that takes nothing. */
async function refusing(retryAfter: string, message = 'too many requests'): Promise<Refusing> {
  const state = { url: '', asked: 0 };
  const server = createServer((request, response) => {
    request.resume();
    if (request.method === 'POST') state.asked += 1;
    const headers = {
      'content-type': 'application/json',
      'retry-after': retryAfter,
    };
    response.writeHead(429, headers).end(JSON.stringify({ code: 429, message, msg: message }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

const refuser = ({ url }: Refusing) => ({
  ...{ id: 'one', provider: 'atlas', base_url: url, credentials: { ATLASCLOUD_API_KEY: 'test' } },
});

interface Opened {
  readonly gateway: TestGateway;
  readonly show: (id: string) => Promise<Shown>;
  readonly create: () => Promise<string>;
}

interface Shown {
  readonly status: string;
  readonly provider: string | null;
  readonly queue: { readonly position: number; readonly estimated_start: number } | null;
  readonly created_at: number;
  readonly attempts: readonly { readonly provider: string; readonly error: string | null }[];
}

async function open(accounts: readonly object[], policy: object): Promise<Opened> {
  const file = join(temporaryFolder(), 'reelay.yaml');
  writeFileSync(file, JSON.stringify({ accounts }));
  const environment = { REELAY_CONFIG: file, REELAY_ALLOW_NETWORKS: '127.0.0.0/8' };
  const gateway = await startTestGateway(environment);
  onTestFinished(() => gateway.remove());
  await gateway.admin('POST', '/tenants', { id: 'hasty', name: 'Hasty', policy });
  const { key } = (await (await gateway.admin('POST', '/tenants/hasty/keys', {})).json()) as { key: string };
  const fetched = async (path: string, init: RequestInit = {}) =>
    (await (await gateway.fetch(path, { ...init, key })).json()) as Shown & { id: string };
  const body = JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 5 });
  const headers = { 'content-type': 'application/json' };
  return {
    gateway,
    show: (id) => fetched(`/v1/videos/${id}`),
    create: async () => (await fetched('/v1/videos', { method: 'POST', headers, body })).id,
  };
}

const refusedOnce = ({ show }: Opened, id: string) =>
  until(
    'the first refusal',
    async () => (await show(id)).attempts.at(0)?.error !== undefined && (await show(id)).queue !== null,
  );

describe('a job that was refused with "too many requests"', () => {
  it.each(['too many requests', 'too many concurrent requests'])(
    'goes to another at once where that is worth it: "%s"',
    async (message) => {
      const refuses = await refusing('120', message);
      const sandbox = await startSandbox({
        ...{ dataDir: temporaryFolder(), sandboxSeconds: 0.2, clipsDir: join(ROOT, 'src/sandbox/clips') },
      });
      onTestFinished(() => sandbox.stop());
      const evolink = sandbox.emulators.find(({ id }) => id === 'evolink')?.url;
      const other = { id: 'two', provider: 'evolink', base_url: evolink, credentials: { EVOLINK_API_KEY: 'test' } };
      // Two minutes are worth more than a dollar, the other costs four cents more.
      const opened = await open([refuser(refuses), other], { value_of_time_usd_per_hour: 36 });
      const id = await opened.create();
      await until('the clip', async () => (await opened.show(id)).status === 'completed', 8_000);
      const { provider, attempts } = await opened.show(id);
      expect([provider, attempts.map((attempt) => attempt.provider)]).toEqual(['evolink', ['atlas', 'evolink']]);
      expect(refuses.asked).toBe(1);
    },
  );

  it('shows its place and when it may ask again, where there is nobody else, and does not ask before', async () => {
    const refuses = await refusing('120');
    const opened = await open([refuser(refuses)], {});
    const id = await opened.create();
    await refusedOnce(opened, id);
    const { status, queue, created_at } = await opened.show(id);
    expect([status, queue?.position]).toEqual(['queued', 1]);
    expect((queue?.estimated_start ?? 0) - created_at).toBeGreaterThanOrEqual(118);
    expect((queue?.estimated_start ?? 0) - created_at).toBeLessThanOrEqual(125);
    expect(refuses.asked).toBe(1);
  });

  it('asks again when the wish of the provider is over', async () => {
    const refuses = await refusing('1');
    const opened = await open([refuser(refuses)], {});
    const id = await opened.create();
    await refusedOnce(opened, id);
    const { asked } = refuses;
    await until('another try', () => refuses.asked > asked, 8_000);
    const database = new Sqlite(join(opened.gateway.dataDir, 'reelay.db'), { readonly: true });
    onTestFinished(() => void database.close());
    const tries = database
      .prepare<[string], { made: number; again: number }>(
        'select created_at_ms made, again_at_ms again from attempts where job_id = ? order by number',
      )
      .all(id);
    expect(tries.length).toBeGreaterThanOrEqual(2);
    for (const [index, { made }] of tries.entries()) {
      if (index > 0) expect(made).toBeGreaterThanOrEqual(tries[index - 1]?.again ?? Number.POSITIVE_INFINITY);
    }
  });

  it('fails when its time in the queue is over, however long it was told to stay away', async () => {
    const opened = await open([refuser(await refusing('20'))], { queue_timeout_seconds: 1 });
    const beganMs = performance.now();
    const id = await opened.create();
    await until('its end', async () => (await opened.show(id)).status === 'failed', 6_000);
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    expect(await opened.show(id)).toMatchObject({ error: { code: 'queue_timeout' }, usage: { cost: 0 } });
  });
});

/**
 * A gateway that cannot have its port buys nothing; one that is told to stop admits nothing more, goes on answering reads,
 * and ends when the submissions under way have ended. Real processes; the providers are in one of their own.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gatewayOn } from '../support/emulated.ts';
import { spawnSandbox } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const spawnLongTasks = (folder: string) =>
  spawnSandbox({ REELAY_DATA_DIR: join(folder, 'sandbox'), REELAY_SANDBOX_SECONDS: '600' });

type Running = Awaited<ReturnType<typeof gatewayOn>>;

const create = (gateway: Running, provider: string) =>
  gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 3, provider: { only: [provider] } }),
  });

describe('a gateway whose port is taken', () => {
  it('fails before a queued clip of its store is bought, and leaves the traces of an unclean stop to the next one', async () => {
    const folder = temporaryFolder();
    const sandbox = await spawnLongTasks(folder);
    const first = await gatewayOn(sandbox.urls, join(folder, 'data'), undefined, { ATLASCLOUD_CONCURRENCY: '1' });
    for (let count = 0; count < 4; count += 1) await first.create('atlas');
    await until('the first task', async () => (await sandbox.tasks('atlas')).length === 1);
    await first.kill();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      taken.close();
    });
    const PORT = String((taken.address() as AddressInfo).port);
    const store = new Sqlite(join(folder, 'data/reelay.db'), { readonly: true });
    onTestFinished(() => {
      store.close();
    });
    const rows = () =>
      store.prepare('select (select count(*) from attempts), (select count(*) from processes)').raw().get();
    const before = rows();
    expect(before).toEqual([1, 1]);
    const environment = { ATLASCLOUD_CONCURRENCY: '10', PORT };
    const second = gatewayOn(sandbox.urls, join(folder, 'data'), first.key, environment);
    await expect(second).rejects.toThrow(/EADDRINUSE/);
    expect([(await sandbox.tasks('atlas')).length, rows()]).toEqual([1, before]);
  });
});

describe('a gateway that is told to stop while a submission is under way', () => {
  /** One whose provider has made the task, and answers when `release` is called. */
  async function stopping() {
    const folder = temporaryFolder();
    const sandbox = await spawnLongTasks(folder);
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = createServer(async (asked, answer) => {
      const body = Buffer.concat(await asked.toArray());
      const { method = 'GET', url } = asked;
      const headers = { 'content-type': 'application/json', 'x-api-key': String(asked.headers['x-api-key']) };
      const given = await fetch(`${sandbox.urls.piapi}${url}`, { method, headers, ...(body.length > 0 && { body }) });
      const text = await given.text();
      if (method === 'POST') await released;
      answer.writeHead(given.status, { 'content-type': 'application/json' }).end(text);
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      slow.close();
      slow.closeAllConnections();
    });
    const piapi = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
    const gateway = await gatewayOn({ ...sandbox.urls, piapi }, join(folder, 'data'));
    const id = await gateway.create('piapi');
    await until('the submission', async () => (await sandbox.tasks('piapi')).length === 1);
    const gone = new Promise<number | null>((resolve) => gateway.child.once('exit', (code) => resolve(code)));
    gateway.child.kill('SIGTERM');
    await until('its /readyz to say so', async () => (await gateway.fetch('/readyz')).status === 503);
    return { gateway, id, gone, release, store: join(folder, 'data/reelay.db') };
  }

  it('answers reads, refuses creates with 503 and retry-after 1, and ends with the answer written down', async () => {
    const { gateway, id, gone, release, store } = await stopping();
    expect(await gateway.show(id)).toMatchObject({ status: 'queued' });
    const refused = await create(gateway, 'piapi');
    const { headers } = refused;
    expect([refused.status, headers.get('retry-after'), headers.get('connection')]).toEqual([503, '1', 'close']);
    expect(await refused.json()).toMatchObject({ error: { message: expect.stringContaining('being stopped') } });
    expect((await gateway.fetch('/healthz')).status).toBe(200);
    expect(await Promise.race([gone, pause(200, 'still there')])).toBe('still there');

    release();
    expect(await gone).toBe(0);
    const rows = new Sqlite(store, { readonly: true });
    onTestFinished(() => {
      rows.close();
    });
    const known = rows.prepare("select count(*) from attempts where state = 'running' and task_id is not null").pluck();
    expect([known.get(), rows.prepare('select count(*) from processes').pluck().get()]).toEqual([1, 0]);
  });

  it('ends at once at the second signal', async () => {
    const { gateway, gone } = await stopping();
    gateway.child.kill('SIGTERM');
    expect(await gone).toBe(1);
  });
});

/**
 * After a stop that was none: the books are looked through before anything is admitted. A real store is left as a kill
 * leaves it, with its process row, and a counter is set wrong behind the gateway's back.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { quickCheck } from '../../src/store/check.ts';
import { createVideo, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'reelay-test-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
});

const start = (environment: Record<string, string> = {}): Promise<TestGateway> =>
  startTestGateway({ REELAY_DATA_DIR: dataDir, REELAY_SANDBOX_SECONDS: '600', ...environment });

const create = (gateway: TestGateway) =>
  gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a red kite', model: 'kling-v3', seconds: 3 }),
  });

/** Changes the store while nobody has it open. */
function inStore(...statements: readonly string[]): void {
  const file = new Sqlite(join(dataDir, 'reelay.db'));
  for (const statement of statements) file.exec(statement);
  file.close();
}

const KILLED = "insert into processes values ('process_killed', 0)";
const MISCOUNTED = 'update budget_counters set held_micros = held_micros + 1, ceiling_micros = ceiling_micros + 1';
const COUNTED = 'update budget_counters set held_micros = held_micros - 1';

/** A store with one open job under a monthly budget, stopped well. */
async function used(): Promise<void> {
  const gateway = await start();
  const put = await gateway.admin('PUT', '/tenants/sandbox/budgets/month', { cap_usd: 100 });
  expect(put.status).toBe(200);
  await createVideo(gateway, { model: 'kling-v3', seconds: 3 });
  await gateway.stop();
}

async function alarmsAt(): Promise<{ url: string; bodies: { type: string; data: Record<string, unknown> }[] }> {
  const bodies: { type: string; data: Record<string, unknown> }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      bodies.push(JSON.parse(text));
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, bodies };
}

describe('after a kill', () => {
  it('with budgets that do not agree nothing is admitted, the operator hears why, and it opens once they do', async () => {
    await used();
    inStore(KILLED, MISCOUNTED);
    const operator = await alarmsAt();
    const gateway = await start({ REELAY_ALERT_URL: operator.url });
    onTestFinished(() => gateway.stop());
    const refused = await create(gateway);
    expect(refused.status).toBe(503);
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe('unavailable');
    expect(error.message).not.toMatch(/tenant|sandbox/);
    expect((await gateway.fetch('/readyz')).status).toBe(503);
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(/^reelay_admission_open 0$/m);
    const alarm = await until('the alarm', () => operator.bodies.find(({ data }) => data.admission === 'shut'));
    expect(alarm.type).toBe('audit.difference');
    expect(JSON.stringify(alarm.data)).toContain('budget tenant sandbox');
    // What is there is still served.
    expect((await gateway.fetch('/v1/videos')).status).toBe(200);
    // Looking again changes nothing while the books are wrong.
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: false });
    expect((await create(gateway)).status).toBe(503);
    inStore(COUNTED);
    await gateway.admin('GET', '/audit');
    expect((await create(gateway)).status).toBe(200);
    expect((await gateway.fetch('/readyz')).status).toBe(200);
  });

  it('with sound books everything is admitted at once', async () => {
    await used();
    inStore(KILLED);
    const gateway = await start();
    onTestFinished(() => gateway.stop());
    expect((await create(gateway)).status).toBe(200);
    expect(alarmRows()).toEqual([]);
  });

  it('a hold that is not what its job says is told of, and does not stop admission', async () => {
    await used();
    inStore(KILLED, 'update jobs set hold_micros = hold_micros + 1');
    const operator = await alarmsAt();
    const gateway = await start({ REELAY_ALERT_URL: operator.url });
    onTestFinished(() => gateway.stop());
    expect((await create(gateway)).status).toBe(200);
    const alarm = await until('the alarm', () => operator.bodies.find(({ type }) => type === 'audit.difference'));
    expect(alarm.data).toMatchObject({ subject: 'open holds and current budgets', admission: 'open', count: 1 });
  });

  it('the whole audit runs behind: what is not of today is told of too', async () => {
    await used();
    inStore(KILLED, 'update spend set jobs = jobs + 1');
    const gateway = await start();
    onTestFinished(() => gateway.stop());
    expect((await create(gateway)).status).toBe(200);
    await until('the alarm', () => alarmRows().some(({ subject }) => subject === 'the ledger'));
  });
});

it('after a clean stop nothing is audited: the same miscount does not shut admission', async () => {
  await used();
  inStore(MISCOUNTED);
  const gateway = await start();
  onTestFinished(() => gateway.stop());
  expect((await create(gateway)).status).toBe(200);
});

describe('the check of the file', () => {
  it('finds nothing wrong with a store that is in use', async () => {
    const gateway = await start();
    onTestFinished(() => gateway.stop());
    expect(await quickCheck(dataDir)).toEqual([]);
  });

  it('finds pages that are not what they were', async () => {
    await used();
    const file = join(dataDir, 'reelay.db');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0xff, bytes.length / 2));
    expect((await quickCheck(dataDir)).length).toBeGreaterThan(0);
  });

  it('rejects where there is no store', async () => {
    await expect(quickCheck(join(dataDir, 'nothing'))).rejects.toThrow(/unable to open|does not exist/);
  });
});

function alarmRows(): { type: string; subject: string }[] {
  const file = new Sqlite(join(dataDir, 'reelay.db'), { readonly: true });
  const rows = file.prepare<[], { type: string; subject: string }>('select type, subject from alarms').all();
  file.close();
  return rows;
}

/** `reelay spend`, `reelay bill` and `reelay audit`, over a gateway that has made a video and refused one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { addAuditCommand, addBillCommand, addSpendCommand } from '../../src/commands/spend.ts';
import { runHere } from '../support/command.ts';
import { ADMIN_KEY, createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { temporaryFolder } from '../support/temporary.ts';

let gateway: TestGateway;
const month = new Date().toISOString().slice(0, 7);
beforeAll(async () => {
  vi.stubEnv('REELAY_ADMIN_KEY', ADMIN_KEY);
  gateway = await startTestGateway();
  const clip = { model: 'kling-v3', seconds: 5, provider: { only: ['atlas'], max_premium: 9 } };
  await endOf(gateway, (await createVideo(gateway, clip)).id);
});
afterAll(() => gateway.remove());

const run = (...args: string[]) =>
  runHere(
    (program) => {
      addSpendCommand(program);
      addBillCommand(program);
      addAuditCommand(program);
    },
    [...args, '--url', gateway.url],
  );

describe('reelay spend', () => {
  it('is a table with its total', async () => {
    const { code, stdout } = await run('spend', '--by', 'month,provider');
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`${month} │ atlas +│ +1 │ +1 │ +0 │ +100\\.0% │ +\\$0\\.355 │`));
    expect(stdout).toMatch(/total .*\$0\.355/);
  });

  it('is JSON or CSV for programs, of one tenant', async () => {
    const { stdout } = await run('spend', '--tenant', 'sandbox', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ total: { jobs: 1, spent_usd: 0.355, cost_usd: 0.355, margin_usd: 0 } });
    expect((await run('spend', '--csv')).stdout).toMatch(/^day,jobs,open,.*\r\n20.*,1,0,1,0,0,1,5,0\.355,0\.355,/);
  });

  it.each([
    [['spend', '--by', 'colour'], /group_by/],
    [['spend', '--csv', '--from', 'never'], /expected a day/],
    [['spend', '--tenant', 'nobody'], /no tenant 'nobody'/],
    [['bill', 'nobody', '--csv'], /no tenant 'nobody'/],
  ])('%j fails, and says why', async (words, message) => {
    expect(await run(...words)).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
  });
});

describe('reelay bill', () => {
  it('is a table, and says when it is not final', async () => {
    const { code, stdout } = await run('bill', 'sandbox');
    expect(code).toBe(0);
    expect(stdout).toMatch(/kling-v3 │ text_to_video │ 720p +│ +1 │ +5 │ +0 │ +\$0\.355/);
    expect(stdout).toContain(`not final: ${month}`);
    expect(JSON.parse((await run('bill', 'sandbox', '--month', '2020-01', '--json')).stdout)).toMatchObject({
      final: true,
    });
  });

  it('is written to a file', async () => {
    const file = join(temporaryFolder(), 'bill.html');
    expect(await run('bill', 'sandbox', '--html', '--output', file)).toMatchObject({ code: 0 });
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>[\s\S]*0\.355/);
    expect((await run('bill', 'sandbox', '--output', file)).code).toBe(2);
  });
});

describe('reelay audit', () => {
  it('finds nothing, and then what was planted, with exit code 1', async () => {
    expect(await run('audit')).toMatchObject({ code: 0, stdout: '3 entries of 1 videos: no differences\n' });
    const connection = new Sqlite(join(gateway.dataDir, 'reelay.db'));
    connection.exec('update spend set settled_micros = settled_micros + 1 where jobs = 1');
    connection.close();
    const found = await run('audit');
    expect(found).toMatchObject({ code: 1, stderr: '1 differences in 3 entries of 1 videos' });
    expect(found.stdout).toMatch(
      /^spend 20.* sandbox key_\w+ kling-v3 atlas .*: settled \$0\.355001, expected \$0\.355\n$/,
    );
    expect(await run('audit', '--json')).toMatchObject({ code: 1, stdout: expect.stringMatching(/"ok": false/) });
  });
});

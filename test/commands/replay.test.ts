/**
 * `reelay replay` as a user runs it: offline on a CSV, whose small cases are reckoned by hand from the cards that are
 * shipped, and over the admin API of a real gateway. Words it cannot use are exit code 2, with place, value and rule.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { addReplayCommand } from '../../src/commands/replay.ts';
import { runHere } from '../support/command.ts';
import { ADMIN_KEY, createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { temporaryFolder } from '../support/temporary.ts';

const run = (...args: string[]) => runHere(addReplayCommand, ['replay', ...args]);

function csv(...lines: string[]): string {
  const file = join(temporaryFolder(), 'traffic.csv');
  writeFileSync(file, lines.join('\n'));
  return file;
}

async function replayed(...args: string[]) {
  const { code, stdout, stderr } = await run(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const HEAD = 'at,model,task,seconds,resolution,audio,tenant';
const clip = (minute: number, seconds = 5, tenant = 'a') =>
  `2026-11-20T10:${String(minute).padStart(2, '0')}:00Z,kling-v3,text_to_video,${seconds},720p,no,${tenant}`;
const TRAFFIC = [HEAD, clip(0), clip(1), clip(2, 10, 'b')];

describe('reelay replay --csv', () => {
  it('says what the traffic would cost elsewhere, beside the rules as they are', async () => {
    const shown = await replayed('--csv', csv(...TRAFFIC), '--only', 'kling');
    // 20 s at Atlas's 0.071, and at 0.6 units a second, 0.14 each.
    expect(shown).toMatchObject({ happened: null, jobs: 3, cut: false });
    expect(shown.unchanged).toMatchObject({ price_usd: 1.42, providers: [{ provider: 'atlas', clips: 3 }] });
    expect(shown.replayed).toMatchObject({ price_usd: 1.68, cost_usd: 1.68, completed: 3, units: null });
    expect(shown.difference).toMatchObject({ price_usd: 0.26, clips: { atlas: -3, kling: 3 } });
    expect(shown.notes).toEqual(['nothing of kling kling-v3 is told: takes of 120 s that do not fail are assumed']);
  });

  it('draws on packs, and waits where a limit is low', async () => {
    const file = csv(...TRAFFIC);
    const pack = await replayed('--csv', file, '--only', 'kling', '--package', 'trial-s');
    expect(pack.replayed).toMatchObject({ price_usd: 1.176, units: { packs: 1, drawn: 12, left: 88 } });
    const tight = await replayed('--csv', file, '--only', 'atlas', '--limit', 'atlas=1');
    // One slot, takes of 120 s, a minute apart: nobody, 60 s, 120 s.
    expect(tight.replayed.wait_seconds).toEqual({ p50: 60, p95: 120 });
    expect(tight.difference.wait_seconds).toEqual({ p50: 60, p95: 120 });
    const elsewhere = await replayed(
      '--csv',
      file,
      '--limit',
      'atlas=1',
      '--value-of-time',
      '1000',
      '--max-premium',
      '1',
    );
    expect(elsewhere.replayed.wait_seconds).toEqual({ p50: 0, p95: 0 });
  });

  it('takes what happened from the file, and keeps to a period and a tenant', async () => {
    const told = csv(
      `${HEAD},provider,price_usd,cost_usd,wait_seconds,done_seconds,failed`,
      `${clip(0)},fal,0.42,0.42,3,63,`,
      `${clip(1)},fal,0,0.10,0,20,provider_error`,
      `${clip(2, 10, 'b')},kling,0.9,0.84,1.5,101.5,`,
    );
    const {
      happened,
      replayed: now,
      difference,
    } = await replayed('--csv', told, '--ignore', 'atlas,evolink', '--max-premium', '1');
    expect(happened).toMatchObject({
      completed: 2,
      failed: 1,
      price_usd: 1.32,
      cost_usd: 1.36,
      failure_cost_usd: 0.1,
      wait_seconds: { p50: 1.5, p95: 3 },
      failures: { provider_error: 1 },
    });
    expect(now.completed + now.failed).toBe(3);
    expect(difference.completed).toBe(now.completed - 2);
    expect((await replayed('--csv', told, '--tenant', 'b')).jobs).toBe(1);
    expect((await replayed('--csv', told, '--from', '2026-11-21')).jobs).toBe(0);
    expect((await replayed('--csv', told, '--to', '2026-11-20T10:02:00Z')).jobs).toBe(2);
    expect((await replayed('--csv', told, '--to', '2026-11-20')).jobs).toBe(3);
    // What the file tells of fal happens there again; its one take that was made lasted 60 s, so others do too.
    const same = await replayed('--csv', told, '--only', 'fal', '--fallback', 'none');
    expect(same.replayed).toMatchObject({ completed: 2, failed: 1, failure_cost_usd: 0.42, done_seconds: { p95: 60 } });
    // Sold above cost: the file's prices hold a markup.
    expect(same.notes).toEqual([expect.stringMatching(/sells at cost.*--markup/)]);
    const marked = await replayed('--csv', told, '--only', 'fal', '--fallback', 'none', '--markup', '10');
    expect(marked).toMatchObject({ replayed: { price_usd: 1.386, cost_usd: 1.68 }, notes: [] });
  });

  it('moves nobody who was refused for its own sake, gives up what stayed in doubt, and leaves out who has cancelled', async () => {
    const row = (minute: number, code: string) => `${clip(minute)},atlas,0,0,0,40,${code}`;
    const told = csv(
      `${HEAD},provider,price_usd,cost_usd,wait_seconds,done_seconds,failed`,
      ...['moderation_blocked', 'invalid_input', 'provider_outcome_unknown', 'provider_error', 'cancelled'].map(
        (code, minute) => row(minute, code),
      ),
      `${clip(9)},atlas,0.355,0.355,0,90,`,
    );
    const { happened, replayed: again, jobs, notes } = await replayed('--csv', told);
    expect(happened).toMatchObject({ completed: 1, failed: 4 });
    expect([jobs, notes]).toEqual([5, expect.arrayContaining(['1 cancelled videos are left out'])]);
    // Only the take that failed at Atlas may be made elsewhere.
    expect(again).toMatchObject({ completed: 2, failed: 3, failovers: 1 });
    expect(again.failures).toEqual({ moderation_blocked: 1, invalid_input: 1, provider_outcome_unknown: 1 });
    const elsewhere = await replayed('--csv', told, '--only', 'fal', '--max-premium', '1');
    expect(elsewhere.replayed.failures).toMatchObject({ moderation_blocked: 1, invalid_input: 1 });
  });

  it('prints both sides as a table', async () => {
    const { code, stdout } = await run('--csv', csv(...TRAFFIC), '--only', 'kling');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^3 videos/);
    expect(stdout).toMatch(/tenant price +│ +\$1\.42 +│ +\$1\.68 +│ +\+\$0\.26/);
    expect(stdout).toMatch(/by kling +│ +0 +│ +3 +│ +\+3/);
  });

  it.each([
    [['at,model,seconds', 'x,kling-v3,5'], /column resolution is missing/],
    [[`${HEAD},colour`, `${clip(0)},red`], /"colour" is none; there are at,/],
    [[HEAD], /has no rows/],
    [[HEAD, clip(0).replace('2026-11-20T10:00:00Z', 'noon')], /line 2, column at: expected an instant.*got "noon"/],
    [[HEAD, clip(0, 99)], /line 2, column seconds: expected 3 to 15.*got "99"/],
    [[`${HEAD},price_usd`, `${clip(0)},free`], /column price_usd: expected dollars.*got "free"/],
  ])('%j cannot be read', async (lines, message) => {
    const { code, stderr } = await run('--csv', csv(...lines));
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it.each([
    [['--limit', 'atlas'], /kling=20/],
    [['--limit', 'nobody=3'], /--limit: expected one of kling.*got "nobody"/],
    [['--only', 'nobody'], /--only: expected one of/],
    [['--package', 'package-9'], /--package: expected one of trial-s/],
    [['--fallback', 'up'], /none, cheaper, any/],
    [['--max-premium', 'lots'], /from 0 to 100/],
    [['--cards-date', 'soon'], /a day such as/],
    [['--markup', 'some'], /a percentage such as/],
    [['--csv', '/nowhere.csv'], /cannot read \/nowhere\.csv \(ENOENT\)/],
  ])('%j is a mistake in the words', async (args, message) => {
    const { code, stderr } = await run('--csv', csv(...TRAFFIC), ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('reelay replay', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    vi.stubEnv('REELAY_ADMIN_KEY', ADMIN_KEY);
    gateway = await startTestGateway();
    await endOf(gateway, (await createVideo(gateway, { model: 'kling-v3', seconds: 5 })).id);
  });
  afterAll(() => gateway.remove());

  it('asks the gateway what its own past would have cost', async () => {
    const there = ['--url', gateway.url];
    const shown = await replayed(...there, '--only', 'fal', '--limit', 'fal=1');
    expect(shown).toMatchObject({
      jobs: 1,
      happened: { completed: 1, price_usd: 0.355 },
      replayed: { price_usd: 0.42 },
    });
    const { stdout } = await run(...there, '--package', 'package-1', '--only', 'kling', '--max-premium', '1');
    expect(stdout).toMatch(/units drawn +│ +- +│ +3 +│ +\+3/);
    expect((await run(...there, '--only', 'nobody')).stderr).toMatch(/'policy\.only'.*got 'nobody'/);
    expect((await run(...there, '--cards', 'x')).code).toBe(2);
    expect((await run(...there, '--markup', '9')).stderr).toMatch(/--markup goes with --csv/);
  });
});

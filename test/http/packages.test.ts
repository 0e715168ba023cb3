/**
 * Prepaid packs over HTTP: registered, drawn on by clips that were really made, counted against the provider's own figures,
 * and what their units cost is what clips cost. And the cards, with their drift.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { addPackageCommands } from '../../src/commands/packages.ts';
import { runHere } from '../support/command.ts';
import { ADMIN_KEY, createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

let gateway: TestGateway;
beforeAll(async () => {
  vi.stubEnv('REELAY_ADMIN_KEY', ADMIN_KEY);
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

const DAY_MS = 86_400_000;
const dayFromNow = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
const kling = { model: 'kling-v3', seconds: 5, provider: { only: ['kling'], max_premium: 9 } };

interface Shown {
  readonly id: string;
  readonly package: string;
  readonly state: string;
  readonly units_left: number;
}
const add = async (body: object) => await gateway.admin('POST', '/packages', body);
const list = async (query = '') =>
  (await (await gateway.admin('GET', `/packages${query}`)).json()) as { data: Shown[]; uncovered: object[] };
const make = async () => (await endOf(gateway, (await createVideo(gateway, kling)).id)).usage.cost;

describe('packages', () => {
  it('are drawn on from the one that expires first, whose unit price is what clips cost', async () => {
    expect(await make()).toBe(0.42);
    expect(await list()).toEqual({ object: 'list', data: [], uncovered: [] });
    const first = await add({ package: 'package-3', bought_at: dayFromNow(-1) });
    expect(await first.json()).toMatchObject({
      account: 'sandbox-kling',
      package: 'package-3',
      units: 45_000,
      price_usd: 5_670,
      unit_price_usd: 0.126,
      concurrency: 20,
      state: 'drawn_first',
      // The clip that was made before it was registered, but after it was bought.
      units_drawn: 3,
      units_left: 44_997,
      clips: 1,
    });
    expect(await make()).toBe(0.378);
    // Bought after those clips: what was made before is not drawn from it.
    const boughtNow = Math.floor(Date.now() / 1_000) + 2;
    const trial = await add({ package: 'trial-s', bought_at: boughtNow, units: 3, price_usd: 0.27 });
    expect(await trial.json()).toMatchObject({ state: 'not_yet', units_left: 3, unit_price_usd: 0.09 });
    await until('the pack to be valid', async () => (await list()).data[0]?.state === 'drawn_first');
    await add({ package: 'package-1', bought_at: dayFromNow(0) });
    expect(await make()).toBe(0.27);
    const { data } = await list();
    expect(data.map(({ package: name, state, units_left: left }) => [name, state, left])).toEqual([
      ['trial-s', 'used_up', 0],
      ['package-3', 'drawn_first', 44_994],
      ['package-1', 'waiting', 5_000],
    ]);
  });

  it('show what will lapse, and are held against what the provider says', async () => {
    const before = await list('?refresh=true');
    expect(before).toMatchObject({ uncovered: [], unanswered: [] });
    // The emulated account has one pack of 60,000 units that nobody has registered yet.
    const left = 60_000 - 3 * 3;
    expect(before).toMatchObject({ unregistered: [{ account: 'sandbox-kling', units: 60_000, units_left: left }] });
    const usual = before.data.find((pack) => pack.package === 'package-3');
    expect(usual).toMatchObject({ forecast: { units_expiring: expect.any(Number) }, reported: null });

    expect((await add({ package: 'package-4', bought_at: dayFromNow(-10) })).status).toBe(200);
    const after = await list('?refresh=true');
    // It expires before package-3, so two of the three clips are drawn from it by our count, and all three by theirs.
    const reported = { units_left: left, difference: 3, at: expect.any(Number) };
    expect(after.data.find((pack) => pack.package === 'package-4')).toMatchObject({ units_left: 59_994, reported });
    expect(after).toMatchObject({ unregistered: [] });
    const { data: accounts } = (await (await gateway.admin('GET', '/providers')).json()) as {
      data: { account: string; packages: Shown[] }[];
    };
    const shown = accounts.find(({ account }) => account === 'sandbox-kling')?.packages;
    expect(shown).toEqual((await list()).data);
    expect(accounts.find(({ account }) => account === 'sandbox-fal')?.packages).toEqual([]);
  });

  it.each([
    [{ package: 'package-9', bought_at: '2026-11-01' }, 'package', /trial-s, trial-l, package-1.*got 'package-9'/],
    [{ package: 'package-1', bought_at: '2026-11-01', account: 'sandbox-atlas' }, 'account', /not 'sandbox-atlas'/],
    [{ package: 'package-1', bought_at: 'yesterday' }, 'bought_at', /./],
    [{ package: 'package-1', bought_at: '2026-11-01', units: 0 }, 'units', /above 0/],
    [{ package: 'package-1', bought_at: '2026-11-01', expires_at: '2026-11-01' }, 'expires_at', /not after/],
  ])('%o cannot be registered', async (body, param, message) => {
    const answer = await add(body);
    const { error } = (await answer.json()) as { error: { param: string; message: string } };
    expect([answer.status, error.param]).toEqual([400, param]);
    expect(error.message).toMatch(message);
  });

  it('are added and listed from the command line', async () => {
    const run = (...args: string[]) => runHere(addPackageCommands, ['packages', ...args, '--url', gateway.url]);
    const added = await run('add', 'package-4', '--bought', dayFromNow(0));
    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/60000 units at \$0\.126, until 20/) });
    const listed = await run('list', '--refresh');
    expect(listed.stdout).toMatch(/package-4 │ waiting/);
    expect((await run('add', 'package-9')).code).toBe(1);
    const ids = async (): Promise<string[]> =>
      JSON.parse((await run('list', '--json')).stdout).data.map(({ id }: { id: string }) => id);
    const before = await ids();
    expect(before.length).toBeGreaterThan(3);
    const [, id = ''] = /^package (pack_\w+):/.exec(added.stdout) ?? [];
    expect(await run('remove', id)).toMatchObject({ code: 0, stdout: `package ${id} removed\n` });
    expect(await ids()).toEqual(before.filter((other) => other !== id));
    expect(await run('remove', id)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/There is no package 'pack_/),
    });
  });
});

describe('units that would lapse', () => {
  const cheapest = { only: ['kling', 'atlas'], sort: 'price' };
  it('are burned: the clip goes where they are, for what the cheapest other asks', async () => {
    const quote = async () =>
      (await (
        await gateway.fetch('/v1/videos/quote', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...kling, prompt: 'a red kite', provider: cheapest }),
        })
      ).json()) as {
        route: string[];
        hold_usd: number;
        candidates: { price_usd: number; lines: { what: string }[] }[];
      };
    expect((await quote()).route).toEqual(['atlas', 'kling']);
    // The first clip was made two days ago, say: a day of traffic has to be known before anything is given away.
    const database = new Sqlite(join(gateway.dataDir, 'reelay.db'));
    onTestFinished(() => void database.close());
    database.prepare('update attempts set ended_at_ms = ended_at_ms - ? order by id limit 1').run(2 * DAY_MS);
    await add({ package: 'package-1', bought_at: dayFromNow(0) });
    const { route, hold_usd: hold, candidates } = await quote();
    expect({ route, hold }).toEqual({ route: ['kling', 'atlas'], hold: 0.355 });
    expect(candidates[0]).toMatchObject({ price_usd: 0.355, score: { cost: 0 } });
    expect(candidates[0]?.lines.at(-1)?.what).toMatch(/would lapse/);
    const { id } = await createVideo(gateway, { ...kling, provider: cheapest });
    expect(await endOf(gateway, id)).toMatchObject({ provider: 'kling', usage: { cost: 0.355 } });
    const drawn = database.prepare('select lapsing_units units from attempts where job_id = ?').get(id);
    expect(drawn).toEqual({ units: 3_000_000_000 });
    expect(await (await gateway.admin('GET', '/audit')).json()).toMatchObject({ ok: true });
  });
});

describe('rate cards', () => {
  it('are listed with their dates and sources', async () => {
    const { data } = (await (await gateway.admin('GET', '/rate-cards')).json()) as { data: { card: string }[] };
    const official = data.find(({ card }) => card === 'kling-official');
    expect(official).toMatchObject({ state: 'in force', provider: 'kling', source: { date: expect.any(String) } });
  });

  it('drift by what providers reported: the sandbox bills as its cards say', async () => {
    const { data } = (await (await gateway.admin('GET', '/rate-cards/drift')).json()) as { data: object[] };
    const row = { card: 'kling-official', unit: 'unit', ratio: 1, state: 'agrees', proposal: null };
    expect(data).toMatchObject([{ ...row, rate: 'kling-v3 text_to_video+image_to_video 720p silent', attempts: 4 }]);
    expect((await gateway.admin('GET', '/rate-cards/drift?days=0')).status).toBe(400);
  });
});

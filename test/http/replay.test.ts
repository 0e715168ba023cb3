/**
 * Replays through the gateway: clips are really made in the sandbox, then asked for again under other rules. What
 * happened is the ledger's word, and what would have is what quotes say.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
const clip = { model: 'kling-v3', seconds: 5, resolution: '720p' };
/** Cheapest (0.355 at Atlas), another length, and one that may only go to fal (0.42). */
const CLIPS = [clip, { ...clip, seconds: 10 }, { ...clip, provider: { only: ['fal'], max_premium: 1 } }];

beforeAll(async () => {
  gateway = await startTestGateway();
  for (const body of CLIPS) await endOf(gateway, (await createVideo(gateway, body)).id);
}, 30_000);
afterAll(() => gateway.remove());

interface Side {
  readonly completed: number;
  readonly failed: number;
  readonly price_usd: number;
  readonly cost_usd: number;
  readonly wait_seconds: { p50: number; p95: number } | null;
  readonly failures: Record<string, number>;
  readonly providers: { provider: string; clips: number; price_usd: number; failed_attempts: number }[];
  readonly units: { packs: number; drawn: number; expired: number; left: number } | null;
}
interface Answer {
  readonly happened: Side;
  readonly replayed: Side;
  readonly difference: Record<string, unknown> & { price_usd: number; clips: Record<string, number> };
  readonly jobs: number;
  readonly cut: boolean;
  readonly skipped: { open: number; cancelled: number };
  readonly notes: string[];
  readonly error?: { param: string; message: string };
}
const post = async (body: object) => {
  const answer = await gateway.admin('POST', '/replay', body);
  return { status: answer.status, ...((await answer.json()) as Answer) };
};
const clipsOf = ({ providers }: Side) => Object.fromEntries(providers.map(({ provider, clips }) => [provider, clips]));
/** What the provider asks for these clips, as a quote says. */
async function quoted(provider: string, bodies: readonly object[] = CLIPS): Promise<number> {
  let total = 0;
  for (const body of bodies) {
    const asked = { prompt: 'x', ...body, provider: { only: [provider] } };
    const headers = { 'content-type': 'application/json' };
    const answer = await gateway.fetch('/v1/videos/quote', { method: 'POST', headers, body: JSON.stringify(asked) });
    const { candidates } = (await answer.json()) as { candidates: { price_usd: number; excluded: boolean }[] };
    total += candidates.find(({ excluded }) => !excluded)?.price_usd ?? Number.NaN;
  }
  return Math.round(total * 1e6) / 1e6;
}

describe('POST /admin/v1/replay', () => {
  it('with nothing changed comes to what happened, and asks of each request what it asked itself', async () => {
    const { happened, replayed, difference, jobs, cut, skipped } = await post({});
    expect([jobs, cut, skipped]).toEqual([3, false, { open: 0, cancelled: 0 }]);
    expect(happened.completed).toBe(3);
    expect(clipsOf(happened)).toMatchObject({ fal: 1 });
    expect({ ...replayed, wait_seconds: null, done_seconds: null }).toEqual({
      ...happened,
      wait_seconds: null,
      done_seconds: null,
    });
    expect(difference).toMatchObject({ price_usd: 0, cost_usd: 0, completed: 0, clips: { fal: 0 } });
    const spend = (await (await gateway.admin('GET', '/spend')).json()) as { total: { spent_usd: number } };
    expect(happened.price_usd).toBe(spend.total.spent_usd);
    expect(happened.wait_seconds?.p95).toBeGreaterThanOrEqual(0);
  });

  it('under another policy costs what quotes say of its provider', async () => {
    const { happened, replayed, difference } = await post({ policy: { only: ['evolink'] } });
    expect(clipsOf(replayed)).toEqual({ evolink: 3 });
    expect(replayed.price_usd).toBe(await quoted('evolink'));
    expect(difference.price_usd).toBe(Math.round((replayed.price_usd - happened.price_usd) * 1e6) / 1e6);
    expect(difference.clips).toMatchObject({ evolink: 3, fal: -1 });
    const nobody = await post({ policy: { only: [] } });
    expect(nobody.replayed).toMatchObject({ completed: 0, failures: { no_provider_available: 3 }, price_usd: 0 });
  });

  it('draws on a package that is tried, at the price of its units and within its tasks', async () => {
    const tried = { policy: { only: ['kling'], max_premium: 9 }, package: 'trial-s' };
    const { replayed } = await post(tried);
    // 20 s at 0.6 units a second, 0.098 each.
    expect(replayed).toMatchObject({ price_usd: 1.176, units: { packs: 1, drawn: 12, left: 88, expired: 0 } });
    const standard = await post({ ...tried, package: 'package-1' });
    expect(standard.replayed).toMatchObject({ price_usd: 1.68, units: { packs: 1, left: 4_988 } });
  });

  it('waits where there are fewer slots, and not where there is time to lose', async () => {
    const kept = { policy: { only: ['evolink'] }, limits: { evolink: 1 } };
    const { replayed, notes } = await post(kept);
    expect(replayed.wait_seconds?.p95).toBeGreaterThan(0);
    expect(notes).toEqual([expect.stringMatching(/^nothing of sandbox-evolink kling-v3 was measured: takes of 120 s/)]);
    expect((await post({ ...kept, limits: { evolink: 9 } })).replayed.wait_seconds).toEqual({ p50: 0, p95: 0 });
    const either = { policy: { only: ['evolink', 'kling'], max_premium: 9 }, limits: { evolink: 1 } };
    const worth = async (usdPerHour: number) => (await post({ ...either, value_of_time: usdPerHour })).replayed;
    expect(clipsOf(await worth(0))).toEqual({ evolink: 3 });
    expect(clipsOf(await worth(10_000))).toEqual({ evolink: 1, kling: 2 });
  });

  it('prices by the cards of another day, and replays a period and a tenant only', async () => {
    const none = await post({ cards_date: '2020-01-01' });
    expect(none.replayed.failures).toEqual({ no_provider_available: 3 });
    const past = await post({ from: '2020-01-01', to: '2020-12-31' });
    expect([past.jobs, past.happened.completed, past.replayed.wait_seconds]).toEqual([0, 0, null]);
    expect((await post({ tenant: 'sandbox' })).jobs).toBe(3);
    await gateway.admin('POST', '/tenants', { id: 'other', name: 'Other' });
    expect((await post({ tenant: 'other' })).jobs).toBe(0);
    const today = new Date().toISOString().slice(0, 10);
    expect((await post({ from: '2020-01-01', to: today })).jobs).toBe(3);
    const soon = Math.floor(Date.now() / 1_000) + 60;
    expect((await post({ from: soon - 3_600, to: soon })).jobs).toBe(3);
  });

  it.each([
    [{ from: '2026-11-02', to: '2026-11-01' }, 'from', /not before the end/],
    [{ from: 'yesterday' }, 'from', /Unix seconds/],
    [{ policy: { only: ['nobody'] } }, 'policy.only', /kling.*got 'nobody'/],
    [{ policy: { only: 'fal' } }, 'policy.only', /./],
    [{ package: 'package-9' }, 'package', /trial-s.*got 'package-9'/],
    [{ limits: { nobody: 1 } }, 'limits', /sandbox-fal.*got 'nobody'/],
    [{ limits: { fal: 0 } }, 'limits.fal', /./],
    [{ value_of_time: -1 }, 'value_of_time', /./],
  ])('%o is a 400 that says what would do', async (body, param, message) => {
    const { status, error } = await post(body);
    expect([status, error?.param]).toEqual([400, param]);
    expect(error?.message).toMatch(message);
    expect((await post({ tenant: 'nobody' })).status).toBe(404);
  });

  it('counts what registered packs give, in the place of what they gave', async () => {
    const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    await gateway.admin('POST', '/packages', { package: 'package-3', bought_at: yesterday });
    const drawing = { ...clip, provider: { only: ['kling'], max_premium: 9 } };
    await endOf(gateway, (await createVideo(gateway, drawing)).id);
    const { happened, replayed } = await post({});
    expect(happened.units).toMatchObject({ packs: 1, drawn: 3, left: 44_997 });
    expect(replayed.units).toEqual(happened.units);
    const all = await post({ policy: { only: ['kling'], max_premium: 9 } });
    expect(all.replayed).toMatchObject({ price_usd: 1.89, units: { drawn: 15, left: 44_985 } });
    expect(all.difference).toMatchObject({ units_drawn: 12 });
    expect((await post({ tenant: 'sandbox' })).happened.units).toBeNull();
  });

  it('leaves out what has not ended and what was cancelled, and says so', async () => {
    const open = await createVideo(gateway, clip);
    const cancelled = await createVideo(gateway, clip);
    await gateway.fetch(`/v1/videos/${cancelled.id}/cancel`, { method: 'POST' });
    const during = await post({});
    expect(during.jobs + during.skipped.open + during.skipped.cancelled).toBe(6);
    await Promise.all([open, cancelled].map(({ id }) => endOf(gateway, id)));
  });
});

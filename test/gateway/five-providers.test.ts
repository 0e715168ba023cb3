/** The main job, end to end: five requests over five wires, one clip to the cheapest, and the reasons. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

describe('one request, five providers', () => {
  it.each(['kling', 'evolink', 'atlas', 'fal', 'piapi'])('a clip pinned to %s is made there', async (provider) => {
    const created = await createVideo(gateway, { model: 'kling-v3', seconds: '5', provider: { only: [provider] } });
    const video = await endOf(gateway, created.id);
    expect(video).toMatchObject({ status: 'completed', provider, error: null });
    expect(video.attempts).toEqual([{ provider, status: 'completed', error: null }]);
    expect(video.usage.cost).toBeGreaterThan(0);
  });

  it('an unpinned 720p clip goes to the cheapest, and every exclusion has its reason', async () => {
    const created = await createVideo(gateway, { model: 'kling-v3', seconds: 5, resolution: '720p' });
    const video = await endOf(gateway, created.id);
    expect(video).toMatchObject({ provider: 'atlas', usage: { cost: 0.355 } });

    const route = (await (await gateway.fetch(`/v1/videos/${created.id}/route`)).json()) as {
      candidates: { provider: string; price_usd: number; excluded: boolean; reason: string | null; lines: unknown[] }[];
      route: string[];
      hold_usd: number;
    };
    expect(route.route).toEqual(['atlas', 'evolink', 'kling', 'fal']);
    expect(route.hold_usd).toBe(0.42);
    expect(route.candidates[0]?.lines).toEqual([
      { what: expect.stringContaining('kling-v3'), quantity: 5, unit: 'second', rate_usd: 0.071, usd: 0.355 },
    ]);
    const excluded = route.candidates.filter((candidate) => candidate.excluded);
    expect(excluded).toEqual([
      expect.objectContaining({
        provider: 'piapi',
        reason: '$0.50 is more than 25 % above the cheapest possible $0.355',
      }),
    ]);
  });

  it('the books agree afterwards', async () => {
    const audit = await (await gateway.admin('GET', '/audit')).json();
    expect(audit).toMatchObject({ ok: true, differences: [] });
  });
});

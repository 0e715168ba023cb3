/**
 * A quote is what the create that follows costs, to the micro-dollar, and says which card of which day it was read
 * from. On request the same clip is priced on cards by name, on another day, or on another package.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ShownCardQuote } from '../../src/pricing/card-quotes.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';

interface Quote {
  readonly candidates: {
    readonly provider: string;
    readonly price_usd: number | null;
    readonly reason: string | null;
    readonly card: { readonly id: string; readonly effective: string; readonly source: string } | null;
    readonly lines: { readonly quantity: number; readonly unit: string; readonly rate_usd: number }[];
  }[];
  readonly route: string[];
  readonly hold_usd: number;
  readonly max_cost_usd: number;
  readonly warnings: string[];
  readonly cards?: ShownCardQuote[];
}

const CLIP = { model: 'kling-v3', seconds: 5, resolution: '720p' };
const IMAGE = 'https://example.com/first.png';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

async function post(path: string, body: object, key?: string): Promise<{ status: number; body: Quote }> {
  const answer = await gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a red kite over dunes', ...body }),
    ...(key !== undefined && { key }),
  });
  return { status: answer.status, body: (await answer.json()) as Quote };
}

async function quoted(body: object, query = ''): Promise<Quote> {
  const answer = await post(`/v1/videos/quote${query}`, body);
  if (answer.status !== 200) throw new Error(`quote answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** The one card that the query named. */
async function onCard(body: object, query: string): Promise<ShownCardQuote> {
  const [only, ...others] = (await quoted(body, query)).cards ?? [];
  if (!only || others.length > 0) throw new Error('expected one card');
  return only;
}

interface Routed {
  readonly attempts: readonly {
    readonly choice: readonly {
      readonly provider: string;
      readonly price_usd: number;
      readonly chosen: boolean;
      readonly score: { readonly total: number };
    }[];
  }[];
}

async function refusal(body: object, query: string) {
  const answer = await post(`/v1/videos/quote${query}`, body);
  return { status: answer.status, ...(answer.body as unknown as { error: object }).error };
}

describe('a quote and the create that follows', () => {
  it.each([
    ['silent at 720p', CLIP],
    ['with sound at 1080p', { ...CLIP, resolution: '1080p', seconds: 10, generate_audio: true }],
    ['in 4k', { ...CLIP, resolution: '4k', seconds: 3 }],
    ['from an image', { ...CLIP, seconds: 7, input_reference: IMAGE }],
    [
      'at a provider that counts credits',
      { ...CLIP, resolution: '1080p', seconds: 13, provider: { only: ['evolink'] } },
    ],
    ['at a provider that counts units', { ...CLIP, seconds: 11, provider: { only: ['kling'] } }],
  ])('cost the same %s', async (_, body) => {
    const quote = await quoted(body);
    const first = quote.candidates[0];
    const created = await createVideo(gateway, body);
    expect(created.usage.estimated_cost).toBe(first?.price_usd);
    const route = (await (await gateway.fetch(`/v1/videos/${created.id}/route`)).json()) as Quote;
    expect(route).toMatchObject({ hold_usd: quote.hold_usd, max_cost_usd: quote.max_cost_usd, route: quote.route });
    const ended = await endOf(gateway, created.id);
    expect(ended).toMatchObject({ status: 'completed', provider: first?.provider, usage: { cost: first?.price_usd } });
    // What was chosen when there was a slot is told with the attempt, from the same numbers.
    const { attempts } = (await (await gateway.fetch(`/v1/videos/${created.id}/route`)).json()) as unknown as Routed;
    const [chosen, ...others] = attempts[0]?.choice ?? [];
    expect(chosen).toMatchObject({
      provider: first?.provider,
      price_usd: first?.price_usd,
      chosen: true,
      reason: null,
    });
    expect(others.map(({ provider }) => provider).sort()).toEqual(quote.route.slice(1).sort());
    for (const { chosen: also, score } of others) {
      expect([also, score.total >= (chosen?.score.total ?? 0)]).toEqual([false, true]);
    }
  });

  it('cost the same with a markup, which both round up once', async () => {
    const tenant = (await (await gateway.admin('POST', '/tenants', { name: 'Acme', markup_percent: 7.5 })).json()) as {
      id: string;
    };
    const { key } = (await (await gateway.admin('POST', `/tenants/${tenant.id}/keys`, {})).json()) as { key: string };
    const body = { ...CLIP, seconds: 7, provider: { only: ['evolink'] } };
    const quote = (await post('/v1/videos/quote', body, key)).body;
    const created = (await post('/v1/videos', body, key)).body as unknown as { usage: { estimated_cost: number } };
    // 7 s x 5.4 credits / 68, rounded up, and 7.5 % on it, rounded up.
    expect(quote.candidates[0]?.price_usd).toBe(0.597575);
    expect(created.usage.estimated_cost).toBe(0.597575);
    const card = (await post('/v1/videos/quote?card=evolink', body, key)).body.cards?.[0];
    expect(card).toMatchObject({ price_usd: 0.597575, lines: [{ usd: 0.555883 }, { unit: 'percent', usd: 0.041692 }] });
  });

  it('are told apart by dry_run, which creates nothing', async () => {
    const count = async () =>
      ((await (await gateway.fetch('/v1/videos?limit=100')).json()) as { data: [] }).data.length;
    const before = await count();
    const dry = await post('/v1/videos?dry_run=true', CLIP);
    expect(dry).toEqual({ status: 200, body: await quoted(CLIP) });
    expect((await post('/v1/videos?dry_run=true&card=gptimage2', CLIP)).body.cards).toHaveLength(1);
    expect(await count()).toBe(before);
  });
});

describe('a quote', () => {
  it('names the card, the day and the document of each price', async () => {
    const priced = (await quoted(CLIP)).candidates.filter(({ price_usd: price }) => price !== null);
    expect(priced.length).toBeGreaterThan(1);
    for (const { card } of priced) {
      expect(card?.effective).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(card?.source.length).toBeGreaterThan(10);
    }
  });

  it('has no cards unless they are asked for', async () => {
    expect(await quoted(CLIP)).not.toHaveProperty('cards');
    expect(await quoted(CLIP, '?all_cards=false')).not.toHaveProperty('cards');
  });

  it('says that V2.1 replaces V1.5 at the same price', async () => {
    const body = { model: 'kling-v1-5', seconds: 5, resolution: '720p', input_reference: IMAGE };
    const v15 = await onCard(body, '?card=kling-official');
    const v21 = await onCard({ ...body, model: 'kling-v2-1' }, '?card=kling-official');
    expect(v15.warnings).toContain('kling-v2-1 replaces kling-v1-5 at the same price');
    expect(v21.warnings).not.toContain('kling-v2-1 replaces kling-v1-5 at the same price');
    expect(v21.price_usd).toBe(v15.price_usd);
  });
});

describe('a quote on a card by name', () => {
  it('prices a card that routes nobody, and warns of its age', async () => {
    const card = await onCard(CLIP, '?card=gptimage2&date=2026-11-21');
    expect(card).toMatchObject({
      card: { id: 'gptimage2', effective: '2026-04-08' },
      provider: null,
      price_usd: 0.375,
    });
    expect(card.warnings).toEqual(['the source of gptimage2 is 227 days old (2026-04-08): verify the live price']);
    expect((await onCard(CLIP, '?card=gptimage2&date=2026-07-07')).warnings).toEqual([]);
  });

  it('counts credits where the card names no price of one, and never says zero dollars', async () => {
    const card = await onCard({ ...CLIP, generate_audio: true, voice_list: ['v'] }, '?card=kling-credits-guide');
    const line = { quantity: 55, unit: 'credit', rate_usd: null, usd: null };
    expect(card).toMatchObject({ price_usd: null, credits: 55, excluded: false, lines: [line] });
  });

  it('prices a model that nobody here sells, which still cannot be created', async () => {
    const body = { model: 'seedance-2.0', seconds: 10, resolution: '1080p' };
    expect(await onCard(body, '?card=seedance-listed')).toMatchObject({ price_usd: 0.93 });
    const quote = await quoted(body, '?all_cards=true');
    expect(quote).toMatchObject({ route: [], hold_usd: 0 });
    expect(quote.candidates.every(({ reason }) => reason?.includes('seedance-2.0'))).toBe(true);
    expect(await post('/v1/videos', body)).toMatchObject({ status: 400, body: { error: { code: 'model_not_found' } } });
    expect(await refusal(body, '')).toMatchObject({ status: 400, code: 'model_not_found' });
  });

  it('takes the length of an edit or a movement from the caller, who may know it', async () => {
    const body = { ...CLIP, video_url: 'https://example.com/dance.mp4', input_reference: IMAGE };
    const card = '?card=kling-per-second-2026';
    expect(await onCard({ ...body, resolution: '1080p', seconds: 30 }, card)).toMatchObject({ price_usd: 4.53 });
    expect(await onCard({ ...body, seconds: 10 }, card)).toMatchObject({ price_usd: 1.13 });
    const { seconds: _, ...unsaid } = body;
    expect(await onCard(unsaid, card)).toMatchObject({ price_usd: 3.39 });
  });

  it.each([
    ['a card that there is not', '?card=nobody', 'card', /no rate card in force on .* named 'nobody'.*gptimage2/],
    ['a card of a later day', '?card=gptimage2&date=2026-04-07', 'card', /no rate card in force on 2026-04-07/],
    ['a card that does not price it', '?card=atlas-listed', 'card', /no price for kling-v3 text_to_video 720p silent/],
    ['a card whose document lost its factors', '?card=portal', 'card', /portal lacks base_usd_per_second\.std, .*fill/],
    ['a package that there is not', '?plan=package-9', 'plan', /no package in force .*'package-9'.*trial-s/],
    ['a package on a card without any', '?card=fal&plan=package-3', 'plan', /no package on fal .*There are none/],
    ['a day that is none', '?date=2026-02-30', 'date', /such as 2026-11-20/],
    ['all cards of a kind', '?all_cards=some', 'all_cards', /expected 'true' or 'false'/],
  ])('refuses %s', async (_, query, param, message) => {
    expect(await refusal(CLIP, query)).toMatchObject({
      status: 400,
      code: 'invalid_value',
      param,
      message: expect.stringMatching(message),
    });
  });
});

describe('a quote on every card', () => {
  it('puts the cheapest first, then what counts credits only, then those without a price, with their reasons', async () => {
    const cards = (await quoted(CLIP, '?all_cards=true')).cards ?? [];
    const kinds = cards.map(({ price_usd: price, excluded }) => (price !== null ? 0 : excluded ? 2 : 1));
    expect(kinds).toEqual([...kinds].sort());
    expect(new Set(kinds)).toEqual(new Set([0, 1, 2]));
    const prices = cards.flatMap(({ price_usd: price }) => price ?? []);
    expect(prices).toEqual([...prices].sort((a, b) => a - b));
    expect(new Set(cards.map(({ card }) => card.id)).size).toBe(cards.length);
    const excluded = cards.filter((card) => card.excluded);
    expect(excluded.every(({ card, reason }) => reason?.includes(card.id))).toBe(true);
  });

  it('says for a provider that is routed what its candidate says', async () => {
    const { cards = [], candidates } = await quoted(CLIP, '?all_cards=true');
    const routed = cards.filter(({ provider }) => provider !== null);
    expect(routed).toHaveLength(5);
    for (const { provider, price_usd: price, card } of routed) {
      expect(candidates.find((one) => one.provider === provider)).toMatchObject({ price_usd: price, card });
    }
  });
});

describe('a quote of another day or package', () => {
  it('draws on the package named', async () => {
    const priceWith = async (query: string) =>
      (await quoted(CLIP, query)).candidates.find(({ provider }) => provider === 'kling')?.price_usd;
    expect(await priceWith('')).toBe(0.42);
    expect(await priceWith('?plan=package-3')).toBe(0.378);
    expect(await priceWith('?plan=trial-s')).toBe(0.294);
    expect(await onCard(CLIP, '?card=kling-official&plan=package-4')).toMatchObject({ price_usd: 0.378 });
  });

  it('has no candidate before any card was in force', async () => {
    expect(await refusal(CLIP, '?date=2020-01-01')).toMatchObject({
      code: 'no_provider_available',
      message: expect.stringContaining('has no rate card in force on 2020-01-01'),
    });
  });
});

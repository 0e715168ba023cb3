/**
 * A price is that of its day. A card of a later day, or one that was written over, changes nothing for a video that was
 * accepted before; and as long as old cards stay, an old bill can be reckoned again.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { toUsdNumber } from '../../src/ground/money.ts';
import { utcDay } from '../../src/ground/time.ts';
import { collectRateCards, loadRateCards } from '../../src/pricing/cards.ts';
import { priceOn } from '../../src/pricing/price.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { billable, cardOf, DAY_MS, ROOT, rate } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const CLIP = { model: 'kling-v3', seconds: 5, resolution: '720p' };
const DEARER = 0.9;
const only = (provider: string) => ({ provider: { only: [provider] } });

interface Quoted {
  readonly candidates: { provider: string; price_usd: number; card: { id: string; effective: string } }[];
}

async function quoteAt(gateway: TestGateway, provider: string, day?: string): Promise<Quoted['candidates'][number]> {
  const query = day === undefined ? '' : `?date=${day}`;
  const answer = await gateway.fetch(`/v1/videos/quote${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a kite', ...CLIP, ...only(provider) }),
  });
  const candidate = ((await answer.json()) as Quoted).candidates.find((one) => one.provider === provider);
  if (!candidate) throw new Error(`quote answered ${answer.status}`);
  return candidate;
}

/** The newest file of a card, with every rate per second made dearer. */
function dearer(folder: string, card: string): { path: string; content: Record<string, unknown> } {
  const [newest = ''] = readdirSync(join(folder, card)).sort().reverse();
  const path = join(folder, card, newest);
  const content = parse(readFileSync(path, 'utf8'));
  const rates = content.rates.map((row: object) =>
    'usd_per_second' in row ? { ...row, usd_per_second: DEARER } : row,
  );
  return { path, content: { ...content, rates } };
}

describe('a video accepted before prices rose', () => {
  it('is settled at the price it was quoted, and its bill can be reckoned again', async () => {
    const today = utcDay(Date.now());
    const yesterday = utcDay(Date.now() - DAY_MS);
    const dataDir = temporaryFolder();
    const rateCardsDir = join(temporaryFolder(), 'rate-cards');
    cpSync(`${ROOT}/rate-cards`, rateCardsDir, { recursive: true });
    const start = () => startTestGateway({ REELAY_DATA_DIR: dataDir, REELAY_SANDBOX_SECONDS: '1' }, { rateCardsDir });

    const before = await start();
    const prices = { atlas: (await quoteAt(before, 'atlas')).price_usd, fal: (await quoteAt(before, 'fal')).price_usd };
    const accepted = {
      atlas: await createVideo(before, { ...CLIP, ...only('atlas') }),
      fal: await createVideo(before, { ...CLIP, ...only('fal') }),
    };
    await before.stop();

    // Atlas has a card of a later day; fal's was written over, which nobody should do.
    const later = dearer(rateCardsDir, 'atlas').content;
    writeFileSync(join(rateCardsDir, 'atlas', `${today}.yaml`), stringify({ ...later, effective: today }));
    const over = dearer(rateCardsDir, 'fal');
    writeFileSync(over.path, stringify(over.content));

    const after = await start();
    onTestFinished(() => after.remove());
    for (const provider of ['atlas', 'fal'] as const) {
      expect((await quoteAt(after, provider)).price_usd).toBe(DEARER * CLIP.seconds);
      const { id } = accepted[provider];
      const video = await endOf(after, id);
      expect(video).toMatchObject({ status: 'completed', usage: { cost: prices[provider] } });
      const route = (await (await after.fetch(`/v1/videos/${id}/route`)).json()) as Quoted;
      expect(route.candidates[0]).toMatchObject({ provider, price_usd: prices[provider] });
    }
    expect(await (await after.admin('GET', '/audit')).json()).toMatchObject({ ok: true });

    // The day before, the older card was in force: the bill comes out as it was stored, from the cards alone.
    expect(await quoteAt(after, 'atlas', yesterday)).toMatchObject({ price_usd: prices.atlas });
    const cards = loadRateCards(rateCardsDir);
    const route = (await (await after.fetch(`/v1/videos/${accepted.atlas.id}/route`)).json()) as Quoted;
    const { id = '', effective = '' } = route.candidates[0]?.card ?? {};
    const card = cards.inForce(id, effective);
    const price = card && priceOn(card, billable({ ...CLIP, resolution: '720p' }));
    expect(price?.kind === 'priced' && price.usd !== null && toUsdNumber(price.usd)).toBe(prices.atlas);
  });
});

describe('a card of a later day', () => {
  it('prices what is asked from its day on, and nothing before', () => {
    const [old, newer] = [
      cardOf({ effective: '2026-10-01', rates: [rate({ usd_per_second: 0.1 })] }),
      cardOf({ effective: '2026-11-20', rates: [rate({ usd_per_second: 0.2 })] }),
    ];
    const priceOf = (cards: readonly (typeof old)[], day: string) => {
      const card = collectRateCards(cards).inForce('test-card', day);
      const price = card && priceOn(card, billable({}));
      return price?.kind === 'priced' ? price.usd : null;
    };
    for (const day of ['2026-10-01', '2026-11-19']) {
      expect(priceOf([old, newer], day)).toBe(priceOf([old], day));
      expect(priceOf([old, newer], day)).toBe(500_000n);
    }
    expect(priceOf([old, newer], '2026-11-20')).toBe(1_000_000n);
    expect(priceOf([old, newer], '2026-09-30')).toBeNull();
  });
});

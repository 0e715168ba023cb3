/** A clip whose length was not known before is settled by the length delivered, at the unit price it was quoted at. */
import { describe, expect, it } from 'vitest';
import { PROVIDERS } from '../../providers/index.ts';
import { ratio, usd } from '../../src/ground/money.ts';
import type { Deps } from '../../src/jobs/deps.ts';
import { settlementOf } from '../../src/jobs/settlement.ts';
import { loadRateCards } from '../../src/pricing/cards.ts';
import { priceOn } from '../../src/pricing/price.ts';
import { attemptRow, billable, cardOf, jobRow, PACKAGES, ROOT, rate } from '../support/rows.ts';

const cards = loadRateCards(`${ROOT}/rate-cards`);
const kling = PROVIDERS.find(({ id }) => id === 'kling');
const motion = kling?.capabilities.find(({ task, model }) => task === 'motion_control' && model === 'kling-v3');
const card = cards.inForce('kling-official', '2026-11-21');
const named = (of: typeof card) => ({ id: of?.card, effective: of?.effective, source: 'a price page' });
const atlas = PROVIDERS.find(({ id }) => id === 'atlas');

const media = { kind: 'url', url: 'https://media.example/dance.mp4' };
const lists = { references: [], elements: [], voices: [] };
const request = {
  ...{ model: 'kling-v3', task: 'motion_control', prompt: 'dance', seconds: null, resolution: '720p' },
  ...{
    aspectRatio: '16:9',
    audio: false,
    watermark: false,
    firstFrame: media,
    video: { media, use: 'motion' },
    ...lists,
  },
};

/** Quoted for the longest, 30 s of 0.9 units, at that price a unit. */
function settled(unitPrice: number, durationMs: number, others: readonly object[] = [], price?: string) {
  const cost = usd((27 * unitPrice).toFixed(6));
  const quoted = price ?? (27 * unitPrice * 1.1).toFixed(6);
  const line = { what: 'row, 30 s', quantity: 27, unit: 'unit', rate_usd: unitPrice, usd: 27 * unitPrice };
  const candidate = { provider: 'kling', account: 'kling', model: 'kling-v3', upstream: motion?.upstream ?? '' };
  const none = { rate: null, failed: null, score: null, excluded: null };
  const amounts = { cost: String(cost), price: String(usd(quoted)), lines: [line], card: named(card) };
  const decision = {
    candidates: [{ ...candidate, ...amounts, ...none }, ...others],
    hold: String(cost),
    markup: '10',
    warnings: [],
  };
  const accounts = new Map<string, object>([['kling', { provider: kling, packageId: 'package-1' }]]);
  accounts.set('atlas', { provider: atlas });
  const deps = { cards, accounts } as unknown as Deps;
  const job = jobRow({ request: JSON.stringify(request), decision: JSON.stringify(decision), task: 'motion_control' });
  const attempt = attemptRow({
    ...{ ...candidate, card: `kling-official@${card?.effective}`, costMicros: cost },
    priceMicros: usd(quoted),
  });
  return settlementOf(deps, job, attempt, durationMs);
}

describe('a settlement by the length delivered', () => {
  it.each([
    ['the price in the card', 0.14, { costMicros: usd(1.26), priceMicros: usd(1.386) }],
    ['the price of a pack of its own', 0.09, { costMicros: usd(0.81), priceMicros: usd(0.891) }],
  ])('counts units at %s', (_, unitPrice, expected) => {
    expect(settled(unitPrice, 10_000)).toEqual(expected);
  });

  it('of units that would lapse is never above what the cheapest other had asked for that length', () => {
    const upstream = atlas?.capabilities.find(({ task, model }) => task === 'motion_control' && model === 'kling-v3');
    const cheapest = {
      ...{ provider: 'atlas', account: 'atlas', model: 'kling-v3', upstream: upstream?.upstream, lines: [] },
      ...{
        card: named(cards.ofProvider('atlas', '2026-11-21')),
        rate: null,
        failed: null,
        score: null,
        excluded: null,
      },
    };
    const asked = (cost: string, price: string) => ({
      ...cheapest,
      cost: String(usd(cost)),
      price: String(usd(price)),
    });
    // Thirty seconds at $0.1071, ten percent on top: what the tenant was quoted in place of $4.158.
    const settledAt = settled(0.14, 10_000, [asked('3.213', '3.5343')], '3.5343');
    expect(settledAt).toEqual({ costMicros: usd(1.26), priceMicros: usd('1.1781') });
    // Somebody who asks something else has set nothing.
    expect(settled(0.14, 10_000, [asked('3.9', '4.29')])).toMatchObject({ priceMicros: usd(1.386) });
  });

  it('is never above what was quoted', () => {
    expect(settled(0.09, 60_000).costMicros).toBe(usd(2.43));
  });
});

describe('a unit price of its own', () => {
  const units = cardOf({ kind: 'units', packages: PACKAGES, rates: [rate({ units_per_second: 0.6 })] });
  it('prices units, and leaves everything else as the card has it', () => {
    expect(priceOn(units, billable({}), { packageId: 'package-1', unitPrice: ratio('0.1') })).toMatchObject({
      usd: usd(0.3),
      lines: [{ unit: 'unit', usd: usd(0.3) }],
    });
    const dollars = cardOf({ rates: [rate({ usd_per_second: 0.1 })] });
    expect(priceOn(dollars, billable({}), { unitPrice: ratio('9') })).toMatchObject({ usd: usd(0.5) });
  });
});

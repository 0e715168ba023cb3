/** The portal's formula as its document has it: what was lost is refused by name, and once filled in it charges so. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatUsd } from '../../src/ground/money.ts';
import { type Billable, priceOn } from '../../src/pricing/price.ts';
import { parseRateCard, type RateCard } from '../../src/pricing/rate-card.ts';
import { billable, ROOT } from '../support/rows.ts';

const text = readFileSync(`${ROOT}/rate-cards/portal/2026-02-06.yaml`, 'utf8');

/** The shipped card as an operator completes it. */
function completed(formula: object = {}): RateCard {
  const card = parse(text);
  const filled = {
    base_usd_per_second: { std: 0.1, pro: 0.2 },
    resolution_factors: { '720p': 1, '1080p': 1.5 },
    input_factors: { text: 1, image: 1.1, 'multi-image': 1.2, video: 1.5 },
  };
  return parseRateCard(JSON.stringify({ ...card, formula: { ...card.formula, ...filled, ...formula } }), 'portal');
}

function priced(card: RateCard, change: Partial<Billable>): string {
  const price = priceOn(card, billable({ mode: 'std', ...change }));
  if (price.kind === 'unpriced') return price.reason;
  return price.usd === null ? 'no dollars' : formatUsd(price.usd);
}

describe('the portal', () => {
  it('is shipped without what its document lost, and names it', () => {
    const reason = priced(parseRateCard(text, 'portal'), { mode: 'pro', input: 'multi-image' });
    expect(reason).toBe(
      'portal lacks base_usd_per_second.pro, resolution_factors.720p, input_factors.multi-image: its document lost ' +
        'them, fill them in in the card',
    );
  });

  it.each([
    ['kling-v2-5-turbo', '$0.50'],
    ['kling-v1-6', '$0.50'],
    ['kling-v2-6', '$0.50'],
    ['kling-v3', '$0.65'],
    ['kling-o1', '$0.90'],
    ['kling-v4', '$0.50'],
    ['constructor', '$0.50'],
  ])('charges 5 s of %s with its factor, and of a model it does not name with 1.0', (model, expected) => {
    expect(priced(completed(), { model })).toBe(expected);
  });

  it.each([
    ['pro', { mode: 'pro' }, '$1.30'],
    ['pro at 1080p, as 720p', { mode: 'pro', resolution: '1080p' }, '$1.30'],
    ['from an image, halves up', { input: 'image', lengthMs: 5_000 }, '$0.72'],
    ['from several', { input: 'multi-image' }, '$0.78'],
    ['a started second more', { lengthMs: 5_001 }, '$0.78'],
    ['at most ten dollars', { mode: 'pro', input: 'video', lengthMs: 30_000 }, '$10.00'],
    ['30 s, and no more', { lengthMs: 30_001 }, 'portal sells kling-v3 in 1 to 30 seconds, not 30.001'],
  ] satisfies [string, Partial<Billable>, string][])('charges %s', (_, change, expected) => {
    expect(priced(completed(), change)).toBe(expected);
  });

  it('lets the operator override kling-v1-6', () => {
    expect(priced(completed({ model_factors: { 'kling-v1-6': 0.8 } }), { model: 'kling-v1-6' })).toBe('$0.40');
  });
});

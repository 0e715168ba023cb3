/** Drift: reports in each provider's own unit against the row that priced the clip, and the row that would fit them. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { collectRateCards } from '../../src/pricing/cards.ts';
import { driftOf, type ReportedAttempts } from '../../src/pricing/drift.ts';
import { cardOf, PACKAGES, rate } from '../support/rows.ts';

const units = cardOf({ card: 'units', kind: 'units', packages: PACKAGES, rates: [rate({ units_per_second: 0.6 })] });
const credits = cardOf({
  card: 'credits',
  kind: 'credits',
  credit_price: { usd: 1, credits: 68 },
  rates: [rate({ credits_per_second: 5.4 })],
});
const dollars = cardOf({ card: 'dollars', rates: [rate({ usd_per_second: 0.1 })] });
const block = { seconds: [5, 10], min_seconds: 5, max_seconds: 10 };
const blocks = cardOf({
  card: 'blocks',
  kind: 'block',
  rates: [rate({ usd_per_block: { 5: 0.5, 10: 1 }, limits: block })],
});
const cards = collectRateCards([units, credits, dollars, blocks]);
const ROW = 'kling-v3 text_to_video 720p silent';

const report = (card: string, quantity: string, unit: string, change: Partial<ReportedAttempts> = {}) => ({
  card: `${card}@2026-11-01`,
  rate: ROW,
  lengthMs: 5_000,
  usage: { quantity, unit },
  count: 6,
  ...change,
});

describe('drift', () => {
  it.each([
    ['Kling’s units', report('units', '3.0', 'unit'), 'unit', 1],
    ['EvoLink’s credits', report('credits', '27', 'credit'), 'credit', 1],
    ['PiAPI’s points, ten million to the dollar', report('dollars', '5000000', 'point'), 'usd', 1],
    ['fal’s billed seconds', report('dollars', '5', 'second'), 'usd', 1],
    ['Atlas’s dollars', report('dollars', '0.5', 'usd'), 'usd', 1],
    ['points on a row of blocks', report('blocks', '5500000', 'point'), 'usd', 1.1],
    ['billed seconds above those ordered', report('dollars', '6', 'second'), 'usd', 1.2],
  ])('reads %s', (_, attempt, unit, ratio) => {
    const [row] = driftOf([attempt], cards);
    expect(row).toMatchObject({ attempts: 6, unread: 0, unit, ratio });
  });

  it('is none where reports are within rounding', () => {
    expect(driftOf([report('dollars', '5.04', 'second')], cards)[0]).toMatchObject({ state: 'agrees', proposal: null });
  });

  it('proposes the row at the price that is reported, when it keeps being so', () => {
    const lengths = [
      report('credits', '30', 'credit', { count: 3 }),
      report('credits', '60', 'credit', { count: 2, lengthMs: 10_000 }),
    ];
    const [row] = driftOf(lengths, cards);
    expect(row).toMatchObject({
      attempts: 5,
      ratio: 1.111111,
      state: 'differs_consistently',
      reported: 210,
      expected: 189,
    });
    expect(parse(row?.proposal ?? '')).toEqual([
      {
        model: 'kling-v3',
        tasks: ['text_to_video'],
        resolution: '720p',
        audio: false,
        credits_per_second: 6,
        note: '5 attempts reported 1.111111 times what the row before expected.',
      },
    ]);
    const proposed = cardOf({
      kind: 'credits',
      credit_price: { usd: 1, credits: 68 },
      rates: parse(row?.proposal ?? ''),
    });
    expect(proposed.rates[0]?.name).toBe(ROW);
  });

  it('proposes blocks for blocks', () => {
    const [row] = driftOf([report('blocks', '0.6', 'usd')], cards);
    expect(parse(row?.proposal ?? '')[0]).toMatchObject({ usd_per_block: { 5: 0.6, 10: 1.2 } });
  });

  it.each([
    ['too few', [report('units', '3.6', 'unit', { count: 4 })]],
    ['of many minds', [report('units', '3.6', 'unit'), report('units', '3.0', 'unit')]],
  ])('proposes nothing from reports that are %s', (_, attempts) => {
    expect(driftOf(attempts, cards)[0]).toMatchObject({ state: 'differs', proposal: null });
  });

  it.each([
    ['cash on a row of units', report('units', '0.42', 'USD')],
    ['no number', report('units', 'many', 'unit')],
    ['a card that is gone', report('gone', '3', 'unit')],
    ['a row that is gone', report('units', '3', 'unit', { rate: 'kling-v9' })],
    ['a length that is not sold', report('units', '3', 'unit', { lengthMs: 60_000 })],
  ])('counts what it cannot read: %s', (_, attempt) => {
    expect(driftOf([attempt], cards)).toMatchObject([{ attempts: 0, unread: 6, ratio: null, state: 'unread' }]);
  });

  it('tells the widest first, one row for each card row', () => {
    const rows = driftOf(
      [report('dollars', '0.5', 'usd'), report('units', '6', 'unit'), report('dollars', '0.5', 'usd')],
      cards,
    );
    expect(rows.map(({ card, attempts }) => [card, attempts])).toEqual([
      ['units', 6],
      ['dollars', 12],
    ]);
  });
});

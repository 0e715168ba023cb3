/**
 * Every price and every package that the documents of 2026 print is what the cards say, to the micro-dollar. The list
 * is a CSV beside this file, with the contradictions of the documents resolved in its notes.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { formatUsd, micros, ratio } from '../../src/ground/money.ts';
import { collectRateCards, loadRateCards } from '../../src/pricing/cards.ts';
import { comparePriceList, PriceListError, type PrintedPrice, readPriceList } from '../../src/pricing/price-list.ts';
import { cardOf, PACKAGES, ROOT, rate } from '../support/rows.ts';

const TODAY = '2026-11-21';
const cards = loadRateCards(`${ROOT}/rate-cards`);
const list = readPriceList(readFileSync(`${ROOT}/test/pricing/seed-prices.csv`, 'utf8'));

describe('the documents', () => {
  it('print 106 prices', () => {
    expect(list).toHaveLength(106);
    expect(new Set(list.map(({ id }) => id)).size).toBe(106);
  });

  it.each(list)('$id is the price of $card', (printed) => {
    expect(comparePriceList([printed], cards, TODAY)).toEqual([]);
  });

  it('would be contradicted by any figure that is wrong by a millionth', () => {
    const wrong = list.map((printed) => ({ ...printed, ...offByAMillionth(printed) }));
    const found = comparePriceList(wrong, cards, TODAY);
    expect(found.map(({ id }) => id)).toEqual(list.map(({ id }) => id));
  });

  it('sell these packages', () => {
    const printed: Record<string, string>[] = parse(readFileSync(`${ROOT}/test/pricing/seed-packages.csv`), {
      columns: true,
    });
    const card = cards.inForce('kling-official', TODAY);
    const sold = card?.packages.map((bought) => ({
      id: bought.id,
      price: formatUsd(bought.price_usd),
      units: bought.units,
      unitPrice: bought.unit_price_usd,
      days: bought.validity_days,
      tasks: bought.concurrent_tasks,
    }));
    expect(printed).toHaveLength(6);
    expect(sold).toEqual(
      printed.map((row) => ({
        id: row.package,
        price: `$${Number(row.price_usd).toFixed(2)}`,
        units: ratio(row.units ?? ''),
        unitPrice: ratio(row.unit_price_usd ?? ''),
        days: Number(row.validity_days),
        tasks: Number(row.concurrent_tasks),
      })),
    );
  });
});

describe('where a document contradicts itself', () => {
  it.each([
    ['seedance-listed', /120 credits.*3\.72.*price of the clip is kept/s],
    ['seedance-listed', /300 credits.*9\.30.*0\.31 for 10 s/s],
    ['kling-per-second-2026', /0\.111 "compares favorably" to 0\.075/],
    ['kling-official', /"3x the Professional rate"; 3 x 0\.8 would be 2\.4/],
    ['kling-official', /package 3 "10 % cheaper than the trial".*0\.126/s],
    ['piapi-listed', /"a fixed per-video cost model"/],
    ['fal-listed', /"penalizes" the professional tier/],
  ])('%s says so beside the row: %s', (name, says) => {
    const card = cards.inForce(name, TODAY);
    const text = readFileSync(`${ROOT}/rate-cards/${name}/${card?.effective}.yaml`, 'utf8');
    expect(text.replace(/\s+#?\s*/g, ' ')).toMatch(says);
  });
});

function offByAMillionth({ usd, credits }: PrintedPrice): Pick<PrintedPrice, 'usd' | 'credits'> {
  if (usd !== null) return { usd: micros(usd + 1n), credits };
  return { usd, credits: credits && { n: credits.n * 1_000_000n + 1n, d: credits.d * 1_000_000n } };
}

const HEAD = 'id,card,model,task,resolution,audio,seconds,plan,count,usd,credits';
const CLIP = 'kling-v3,text_to_video,720p,no';
const limits = { min_seconds: 3, max_seconds: 15 };
const made = collectRateCards([
  cardOf({ effective: '2026-01-01', rates: [rate({ usd_per_second: 0.2 })] }),
  cardOf({ rates: [rate({ usd_per_second: 0.1 }), rate({ audio: true, usd_per_second: 0.15, reference: true })] }),
  cardOf({ card: 'packs', kind: 'units', packages: PACKAGES, rates: [rate({ units_per_second: 0.6 })] }),
  cardOf({ card: 'credits', kind: 'credits', limits, rates: [rate({ credits_per_second: 6 })] }),
]);
const compared = (row: string, head = HEAD) => comparePriceList(readPriceList(`${head}\n${row}\n`), made, TODAY);

describe('a list of prices', () => {
  it.each([
    ['of one clip', `a,test-card,${CLIP},5,,,0.50,`],
    ['of many', `a,test-card,${CLIP},5,,1000,500,`],
    ['of a length that is rounded', `a,test-card,${CLIP},4.2,,1,0.50,`],
    ['by a row kept for reference', 'a,test-card,kling-v3,text_to_video,720p,yes,5,,,0.75,'],
    ['on a package', `a,packs,${CLIP},5,trial,,0.294,`],
    ['in credits', `a,credits,${CLIP},5,,2,,60`],
  ])('agrees with a price %s', (_, row) => {
    expect(compared(row)).toEqual([]);
  });

  it('may name the day of a card', () => {
    expect(compared(`a,test-card,${CLIP},5,,,1.00,,2026-10-31`, `${HEAD},date`)).toEqual([]);
    expect(compared(`a,test-card,${CLIP},5,,,1.00,,2026-11-01`, `${HEAD},date`)).toHaveLength(1);
  });

  const row = 'kling-v3 text_to_video 720p silent, 5 s';
  it.each([
    ['another price', `a,test-card,${CLIP},5,,,0.42,`, '$0.42', '$0.50', `${row}: 5 seconds x $0.1 = $0.50`],
    ['another price of many', `a,test-card,${CLIP},5,,9,4.51,`, '$4.51', '$4.50', /= \$0\.50, 9 clips$/],
    ['the price of a package', `a,packs,${CLIP},5,,,0.294,`, '$0.294', '$0.42', `${row}: 3 units x $0.14 = $0.42`],
    ['another number of credits', `a,credits,${CLIP},5,,,,31`, '31 credits', '30 credits', /30 credits, which have no/],
    ['dollars for credits', `a,credits,${CLIP},5,,,0.30,`, '$0.30', 'no dollars', /30 credits, which have no price/],
    ['credits for dollars', `a,test-card,${CLIP},5,,,,5`, '5 credits', 'no credits', /5 seconds x/],
    ['a length not sold', `a,test-card,${CLIP},20,,,2.00,`, '$2.00', null, /in 3 to 15 seconds, not 20/],
    ['a package not sold', `a,packs,${CLIP},5,p9,,0.42,`, '$0.42', null, /no package "p9"; it has trial, package-1/],
    ['a package where there are none', `a,test-card,${CLIP},5,p9,,0.50,`, '$0.50', null, 'test-card sells no packages'],
    ['a card that there is not', `a,other,${CLIP},5,,,0.50,`, '$0.50', null, /no card other in force on 2026-11-21/],
  ])('disagrees with %s', (_, printed, says, finds, how) => {
    const [disagreement, ...others] = compared(printed);
    expect(others).toEqual([]);
    expect(disagreement).toMatchObject({ id: 'a', says, finds });
    expect(disagreement?.how).toMatch(how);
  });

  it.each([
    ['nothing', '', 'the list has no rows below its head'],
    ['a head only', `${HEAD}\n`, 'the list has no rows below its head'],
    ['no seconds', 'card,model,task,usd\na,b,text_to_video,1\n', 'the list has no column seconds'],
    ['no price', `${HEAD}\na,test-card,${CLIP},5,,,,\n`, 'line 2 (a): there is neither usd nor credits to compare'],
    [
      'a price in words',
      `${HEAD}\na,test-card,${CLIP},5,,,cheap,\n`,
      /line 2 \(a\): usd: expected dollars .*got "cheap"/,
    ],
    ['a price finer than money', `${HEAD}\na,test-card,${CLIP},5,,,0.1234567,\n`, /usd: expected .*got "0\.1234567"/],
    ['a task that there is not', `${HEAD}\n\na,test-card,kling-v3,dub,720p,no,5,,,1,\n`, /line 3 \(a\): task: .*"dub"/],
    ['no clips', `${HEAD}\na,test-card,${CLIP},5,,0,1,\n`, /count: expected a whole number of clips.*got "0"/],
    ['audio in words', `${HEAD}\na,test-card,kling-v3,text_to_video,720p,loud,5,,,1,\n`, /audio: expected yes or no/],
    ['cells without a head', `${HEAD}\na,b\n`, /^not CSV: /],
    ['an open quote', `${HEAD}\n"a,test-card\n`, /^not CSV: /],
  ])('with %s cannot be read', (_, text, says) => {
    expect(() => readPriceList(text)).toThrow(PriceListError);
    expect(() => readPriceList(text)).toThrow(says);
  });
});

/**
 * A rate card that could misprice a clip does not load: it is refused with its file, its row and the rule. Cards are
 * written as their files would be; the shipped ones are read as they are.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectRateCards, loadRateCards, type RateCards } from '../../src/pricing/cards.ts';
import { parseRateCard, RateCardError } from '../../src/pricing/rate-card.ts';
import { cardOf, cardText, PACKAGES, ROOT, rate } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const perSecond = (change: object = {}) => rate({ usd_per_second: 0.1, ...change });
const from3to = (max_seconds: number) => ({ min_seconds: 3, max_seconds });
const block = (change: object) => ({
  kind: 'block',
  limits: { min_seconds: 5, max_seconds: 10, seconds: [5, 10] },
  rates: [rate(change)],
});

/** Everything that makes a card unusable: what is wrong, the change that does it, and what the error says. */
const refusals: [what: string, change: object, says: RegExp][] = [
  ['two rows for one clip', { rates: [perSecond(), perSecond({ usd_per_second: 0.2 })] }, /price the same clip/],
  [
    'a row for any sound beside one with sound',
    { rates: [perSecond({ audio: undefined }), perSecond({ audio: true })] },
    /rows "kling-v3 text_to_video 720p" and "kling-v3 text_to_video 720p audio" price the same clip/,
  ],
  [
    'a row for any resolution beside one for 720p',
    { rates: [perSecond({ resolution: undefined }), perSecond()] },
    /price the same clip/,
  ],
  [
    'rows that share one of their tasks',
    { rates: [perSecond(), perSecond({ tasks: ['image_to_video', 'text_to_video'] })] },
    /price the same clip/,
  ],
  [
    'rows that share one length',
    {
      rates: [
        perSecond({ limits: from3to(5) }),
        perSecond({ limits: { min_seconds: 5, max_seconds: 15, seconds: [5] } }),
      ],
    },
    /price the same clip/,
  ],
  [
    'lengths that nothing prices between two rows',
    { rates: [perSecond({ limits: { min_seconds: 9, max_seconds: 15 } }), perSecond({ limits: from3to(5) })] },
    /row "kling-v3 text_to_video 720p silent": nothing prices 6 to 8 seconds/,
  ],
  ['no rows', { rates: [] }, /the card has no rates/],
  ['a row per second without a price', { rates: [rate({})] }, /kind per_second needs usd_per_second/],
  ['a row of units without units', { kind: 'units', packages: PACKAGES }, /kind units needs units_per_second/],
  ['a row of credits without credits', { kind: 'credits' }, /kind credits needs credits_per_second/],
  ['a row of blocks without blocks', block({}), /kind block needs usd_per_block or units_per_block/],
  [
    'a row of blocks in dollars and in units',
    { ...block({ usd_per_block: { 5: 1, 10: 2 }, units_per_block: { 5: 1, 10: 2 } }), packages: PACKAGES },
    /kind block needs usd_per_block or units_per_block/,
  ],
  ['a length without its block', block({ usd_per_block: { 5: 1 } }), /no block for 10 seconds/],
  ['a block that is not sold', block({ usd_per_block: { 5: 1, 10: 2, 15: 3 } }), /block of 15 seconds is outside/],
  ['blocks of any length', { ...block({ usd_per_block: { 5: 1 } }), limits: from3to(15) }, /needs limits.seconds/],
  ['a block named in words', block({ usd_per_block: { five: 1 } }), /rates\.0\.usd_per_block/],
  ['units that nobody sells', { rates: [rate({ kind: 'units', units_per_second: 1 })] }, /the card has no packages/],
  ['blocks of units that nobody sells', block({ units_per_block: { 5: 1, 10: 2 } }), /the card has no packages/],
  [
    'a package that costs too much',
    { packages: [{ ...PACKAGES[0], price_usd: 9.800001 }] },
    /"trial": price_usd is not/,
  ],
  [
    'a package price of seven decimals',
    { packages: [{ ...PACKAGES[0], price_usd: 0.1234567 }] },
    /more than six decimals/,
  ],
  ['a formula card without its formula', { kind: 'formula', rates: [] }, /a formula card needs "formula"/],
  ['a field that there is not', { discount: 1 }, /discount/],
  ['a field of a row that there is not', { rates: [perSecond({ per_clip: 1 })] }, /rates\.0.*per_clip/],
  ['a field of the limits that there is not', { limits: { ...from3to(15), step: 1 } }, /limits.*step/],
  ['limits upside down', { limits: { min_seconds: 10, max_seconds: 5 } }, /min_seconds is above max_seconds/],
  ['a length of zero', { limits: { min_seconds: 0, max_seconds: 5 } }, /limits\.min_seconds/],
  ['a negative price', { rates: [perSecond({ usd_per_second: -0.1 })] }, /at least 0, got -0\.1/],
  ['a price in words', { rates: [perSecond({ usd_per_second: 'cheap' })] }, /at least 0, got "cheap"/],
  ['a task that there is not', { rates: [perSecond({ tasks: ['lip_sync'] })] }, /rates\.0\.tasks\.0/],
  ['a row without tasks', { rates: [perSecond({ tasks: [] })] }, /rates\.0\.tasks/],
  ['another currency', { currency: 'EUR' }, /currency/],
  ['no source', { source: undefined }, /source/],
  ['a date that is none', { effective: 'November 2026' }, /effective: expected a date such as/],
  ['a name with capitals', { card: 'Test Card' }, /card/],
];

describe('a rate card', () => {
  it.each(refusals)('with %s is refused', (_, change, says) => {
    const load = () => parseRateCard(cardText({ ...change }), 'test-card/2026-11-01.yaml');
    expect(load).toThrow(RateCardError);
    expect(load).toThrow(says);
    expect(load).toThrow(/^test-card\/2026-11-01\.yaml: /);
  });

  it.each(['', '[]', 'a price list'])('that reads %j is refused', (text) => {
    expect(() => parseRateCard(text, 'empty.yaml')).toThrow(/^empty\.yaml: the file: /);
  });

  it.each([
    ['differ in voice control', [perSecond(), perSecond({ voice_control: true })]],
    ['differ in orientation', [perSecond({ orientation: 'image' }), perSecond({ orientation: 'video' })]],
    ['differ in input', [perSecond({ input: 'text' }), perSecond({ input: 'image' })]],
    ['differ in model', [perSecond(), perSecond({ model: 'kling-o3' })]],
    ['are one in force and one to compare', [perSecond(), perSecond({ reference: true })]],
    [
      'follow each other in length',
      [perSecond({ limits: from3to(5) }), perSecond({ limits: { min_seconds: 6, max_seconds: 15 } })],
    ],
  ])('may have rows that %s', (_, rates) => {
    expect(cardOf({ rates }).rates).toHaveLength(2);
  });

  it('lets a row override its kind, limits, charge on failure and rounding, and fills in the rest', () => {
    const own = { kind: 'credits', failed: 'charged', rounding: 'nearest', minimum_seconds: 4, limits: from3to(9) };
    const rates = [perSecond(), rate({ model: 'kling-o3', usd_per_second: undefined, credits_per_second: 6, ...own })];
    const [plain, special] = cardOf({ rates }).rates;
    const cards = { kind: 'per_second', failed: 'free', rounding: 'ceil', minimum_seconds: 1, limits: from3to(15) };
    expect(plain).toMatchObject(cards);
    expect(special).toMatchObject(own);
  });

  it('keeps decimals exactly as they are written', () => {
    const { rates } = cardOf({ rates: [perSecond({ usd_per_second: 0.0794 })] });
    expect(rates[0]?.usd_per_second).toEqual({ n: 794n, d: 10_000n });
  });

  it('names a row after what it prices, whatever stands around it', () => {
    const rates = [perSecond({ audio: true }), perSecond({ input: 'image', voice_control: true, reference: true })];
    const names = ['kling-v3 text_to_video 720p audio'];
    names.push('kling-v3 text_to_video from image 720p silent voice control reference');
    expect(cardOf({ rates }).rates.map((row) => row.name)).toEqual(names);
    expect(cardOf({ rates: rates.toReversed() }).rates.map((row) => row.name)).toEqual(names.toReversed());
  });
});

describe('a folder of rate cards', () => {
  it('that is ours loads, every card and date of it', () => {
    const files = readdirSync(join(ROOT, 'rate-cards'), { recursive: true }).map(String);
    const expected = files.filter((file) => file.endsWith('.yaml')).map((file) => file.replace('.yaml', ''));
    const cards = loadRateCards(join(ROOT, 'rate-cards'));
    expect(cards.all.map(({ card, effective }) => `${card}/${effective}`).sort()).toEqual(expected.sort());
  });

  it('that is ours prices the five providers, each on one card, and nobody by what others list', () => {
    const cards = loadRateCards(join(ROOT, 'rate-cards'));
    const named = ['kling', 'evolink', 'atlas', 'fal', 'piapi'];
    const priced = named.map((provider) => cards.ofProvider(provider, '2026-11-21')?.card);
    expect(priced).toEqual(['kling-official', 'evolink', 'atlas', 'fal', 'piapi']);
    const references = cards.all.filter(({ card }) => /-listed$|-catalog$/.test(card));
    expect(references.map(({ provider }) => provider)).toEqual(references.map(() => undefined));
  });

  it('reads the cards of every date and leaves other files alone', () => {
    const cards = loadFiles({
      'a/2026-01-01.yaml': cardText({ card: 'a', effective: '2026-01-01' }),
      'a/2026-02-01.yaml': cardText({ card: 'a', effective: '2026-02-01' }),
      'a/notes.md': 'not a card',
      'b/2026-01-01.yaml': cardText({ card: 'b', effective: '2026-01-01' }),
    });
    expect(cards.all.map(({ card, effective }) => `${card} ${effective}`)).toEqual([
      'a 2026-01-01',
      'a 2026-02-01',
      'b 2026-01-01',
    ]);
  });

  it('refuses a card that says another name than its folder', () => {
    const load = () => loadFiles({ 'a/2026-01-01.yaml': cardText({ card: 'b', effective: '2026-01-01' }) });
    expect(load).toThrow(RateCardError);
    expect(load).toThrow('a/2026-01-01.yaml: says card "b", but lies in "a"');
  });

  it('refuses a card that says another day than its file', () => {
    const load = () => loadFiles({ 'a/2026-01-02.yaml': cardText({ card: 'a', effective: '2026-01-01' }) });
    expect(load).toThrow(RateCardError);
    expect(load).toThrow('a/2026-01-02.yaml: says effective 2026-01-01, but is named 2026-01-02.yaml');
  });

  it('refuses two cards for one provider', () => {
    const named = (card: string) => cardText({ card, effective: '2026-01-01', provider: 'atlas' });
    const load = () => loadFiles({ 'a/2026-01-01.yaml': named('a'), 'b/2026-01-01.yaml': named('b') });
    expect(load).toThrow(RateCardError);
    expect(load).toThrow('b and a both price atlas');
  });

  it('refuses two cards of one name and day', () => {
    expect(() => collectRateCards([cardOf(), cardOf()])).toThrow('test-card: two cards are effective 2026-11-01');
  });

  it('names the file of a card that is none', () => {
    const load = () => loadFiles({ 'a/2026-01-01.yaml': cardText({ card: 'a', rates: [] }) });
    expect(load).toThrow(/^a\/2026-01-01\.yaml: the card has no rates/);
  });
});

/** Loads cards from files of these paths and texts. */
function loadFiles(files: Readonly<Record<string, string>>): RateCards {
  const folder = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return loadRateCards(folder);
}

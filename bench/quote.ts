/**
 * What a quote costs in time and in memory: `npx tsx bench/quote.ts [quotes]`.
 *
 * One request is quoted 100,000 times on every rate card, on the dearest card to search, and through the router's own
 * way over all providers. Machines differ and are shared, so each figure is told as a ratio to parsing a JSON document
 * of 1 KiB, measured in the same run and in turn with it. The median of the rounds counts.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PROVIDERS } from '../providers/index.ts';
import { readConfig } from '../src/config.ts';
import type { VideoRequest } from '../src/ground/video-request.ts';
import { quoteOnAllCards, quoteOnCard } from '../src/pricing/card-quotes.ts';
import { loadRateCards } from '../src/pricing/cards.ts';
import { offersFor, type Seller } from '../src/pricing/offers.ts';
import { billableOf } from '../src/pricing/quote.ts';

const QUOTES = Number(process.argv[2] ?? 100_000);
const ROUNDS = 5;
const DAY = '2026-11-21';
const HEAP_BATCH = 50;
const HEAP_ROUNDS = 21;

const cards = loadRateCards(readConfig({}).rateCardsDir);
const request: VideoRequest = {
  model: 'kling-v3',
  task: 'text_to_video',
  prompt: 'a red kite over dunes',
  seconds: 10,
  resolution: '1080p',
  aspectRatio: '16:9',
  audio: true,
  references: [],
  elements: [],
  voices: [],
  watermark: false,
};
const terms = { markupPercent: '7.5', nowMs: Date.parse(DAY) };
const billable = billableOf(request);
const official = cards.inForce('kling-official', DAY);
if (!official) throw new Error(`there is no card kling-official in force on ${DAY}`);
const sellers = PROVIDERS.map(
  ({ id, capabilities, settings }): Seller => ({
    provider: id,
    account: id,
    capabilities,
    credentials: settings.credentialVariables.flat(),
    refuses: () => null,
  }),
);

/** A JSON document of exactly 1 KiB: objects of a few fields, then filled with text. */
function kibibyte(): string {
  const items: object[] = [];
  const written = (filling: string): string => JSON.stringify({ items, filling });
  while (written('').length < 900) items.push({ id: items.length, name: 'kling-v3', usd: 0.42, sound: true });
  return written('x'.repeat(1_024 - written('').length));
}

const document = kibibyte();
/** Kept, so that no work can be optimised away. */
let kept: unknown;
interface Measured {
  readonly name: string;
  readonly work: () => void;
  /** Microseconds each, a figure a round. */
  readonly times: number[];
}
const measure = (name: string, work: () => unknown): Measured => ({
  name,
  work: () => {
    kept = work();
  },
  times: [],
});
const baseline = measure('JSON.parse of 1 KiB', () => JSON.parse(document));
const measured = [
  baseline,
  measure(`one card (kling-official, ${official.rates.length} rows)`, () => quoteOnCard(official, billable, terms)),
  measure(`all ${cards.all.length} cards`, () => quoteOnAllCards(cards, DAY, billable, terms)),
  measure(`offers of ${sellers.length} providers`, () => offersFor(request, sellers, cards, terms)),
];

function microsecondsEach(work: () => void, times: number): number {
  const startMs = performance.now();
  for (let count = 0; count < times; count += 1) work();
  return ((performance.now() - startMs) * 1_000) / times;
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes of heap that one call leaves behind before anything is collected. */
function bytesEach(work: () => void): number {
  const rounds = Array.from({ length: HEAP_ROUNDS }, () => {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let count = 0; count < HEAP_BATCH; count += 1) work();
    return (process.memoryUsage().heapUsed - before) / HEAP_BATCH;
  });
  return median(rounds);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

for (const { work } of measured) microsecondsEach(work, QUOTES / 10);
// In turn, so that whatever else the machine does falls on all of them.
for (let round = 0; round < ROUNDS; round += 1) {
  for (const { work, times } of measured) times.push(microsecondsEach(work, Math.ceil(QUOTES / ROUNDS)));
}
const bytesOfBaseline = bytesEach(baseline.work);
process.stdout.write(`${QUOTES} times each, node ${process.version}\n`);
for (const { name, work, times } of measured) {
  const ratios = times.map((time, round) => time / (baseline.times[round] ?? Number.NaN));
  const bytes = bytesEach(work);
  const time = `${median(times).toFixed(2)} us (x${median(ratios).toFixed(1)})`;
  const heap = `${Math.round(bytes)} bytes (x${(bytes / bytesOfBaseline).toFixed(1)})`;
  process.stdout.write(`${name.padEnd(38)} ${time.padStart(20)} ${heap.padStart(24)}\n`);
}
if (kept === undefined) throw new Error('nothing was measured');

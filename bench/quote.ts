/**
 * What a quote costs in time and in memory: `npx tsx bench/quote.ts [quotes]`.
 *
 * One request is quoted 100,000 times on every rate card, on the dearest card to search, and through the router's own
 * way over all providers. Machines differ and are shared, so each figure is told as a ratio to parsing a JSON document
 * of 1 KiB, measured in the same run and in turn with it. The median of the rounds counts.
 */
import { PROVIDERS } from '../providers/index.ts';
import { readConfig } from '../src/config.ts';
import type { VideoRequest } from '../src/ground/video-request.ts';
import { quoteOnAllCards, quoteOnCard } from '../src/pricing/card-quotes.ts';
import { loadRateCards } from '../src/pricing/cards.ts';
import { offersFor, type Seller } from '../src/pricing/offers.ts';
import { billableOf } from '../src/pricing/quote.ts';
import { bytesEach, kibibyte, median, medianRatio, microsecondsEach, print } from './measure.ts';

const QUOTES = Number(process.argv[2] ?? 100_000);
const ROUNDS = 5;
const DAY = '2026-11-21';

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

for (const { work } of measured) microsecondsEach(work, QUOTES / 10);
// In turn, so that whatever else the machine does falls on all of them.
for (let round = 0; round < ROUNDS; round += 1) {
  for (const { work, times } of measured) times.push(microsecondsEach(work, Math.ceil(QUOTES / ROUNDS)));
}
const bytesOfBaseline = bytesEach(baseline.work);
print(`${QUOTES} times each, node ${process.version}`);
for (const { name, work, times } of measured) {
  const bytes = bytesEach(work);
  const time = `${median(times).toFixed(2)} us (x${medianRatio(times, baseline.times).toFixed(1)})`;
  const heap = `${Math.round(bytes)} bytes (x${(bytes / bytesOfBaseline).toFixed(1)})`;
  print(`${name.padEnd(38)} ${time.padStart(20)} ${heap.padStart(24)}`);
}
if (kept === undefined) throw new Error('nothing was measured');

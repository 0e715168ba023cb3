import { findModel, MOTION_SECONDS_MAX, type SecondsRule } from '../ground/models.ts';
import {
  ceilToMicros,
  type Micros,
  minusMicros,
  plus,
  type Ratio,
  ratio,
  ratioOfMicros,
  times,
  toDisplayNumber,
  toUsdNumber,
} from '../ground/money.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import type { Capability } from './capability.ts';
import { ageWarning } from './cards.ts';
import { toBillionths } from './expected.ts';
import { type Billable, MODE_OF, type PriceLine, type PricingOptions, priceOn, type Unpriced } from './price.ts';
import type { ChargeOnFailure, RateCard } from './rate-card.ts';

/** Which card, of which day, from which document a price was read. */
export interface CardReference {
  readonly id: string;
  readonly effective: string;
  readonly source: string;
}

/** The card by name, day and document. */
export function referenceTo(card: RateCard): CardReference {
  return { id: card.card, effective: card.effective, source: card.source.document };
}

/** A line as it is shown and stored: numbers for people, dollars with at most six decimals. */
export interface QuoteLine {
  readonly what: string;
  readonly quantity: number;
  readonly unit: PriceLine['unit'] | 'percent';
  readonly rate_usd: number | null;
  readonly usd: number;
}

/** The price of one request under one offer: what we pay, what the tenant pays, and how it came about. */
export interface Quote {
  readonly costMicros: Micros;
  readonly priceMicros: Micros;
  readonly lines: readonly QuoteLine[];
  readonly card: CardReference;
  /** The row of the card. */
  readonly rate: string;
  readonly billableSeconds: number;
  /** What it draws from a prepaid pack, in billionths of a unit; zero where it is paid in cash. */
  readonly units: bigint;
  readonly failed: ChargeOnFailure;
  readonly warnings: readonly string[];
}

export interface QuoteTerms extends PricingOptions {
  /** The tenant's markup in percent; 0 sells at cost. */
  readonly markupPercent: string;
  readonly nowMs: number;
}

/**
 * The part of the request that is priced, at the longest it can become. Without a capability, as a card alone sees it:
 * nobody's narrower rules apply.
 */
export function billableOf(request: VideoRequest, capability?: Pick<Capability, 'seconds' | 'sound'>): Billable {
  const model = findModel(request.model);
  const rule = capability?.seconds ?? model?.tasks[request.task]?.seconds;
  return {
    model: request.model,
    task: request.task,
    resolution: request.resolution,
    audio: request.audio || capability?.sound === 'always',
    voiceControl: request.voices.length > 0,
    input: inputOf(request),
    orientation: request.task === 'motion_control' ? (request.characterOrientation ?? 'video') : null,
    lengthMs: (request.seconds ?? longestSeconds(request, rule)) * SECOND_MS,
    mode: MODE_OF[request.resolution],
  };
}

function longestSeconds(request: VideoRequest, rule: SecondsRule | undefined): number {
  const max = rule?.kind === 'follows_video' ? rule.max : 0;
  if (request.task !== 'motion_control') return max;
  return Math.min(max, MOTION_SECONDS_MAX[request.characterOrientation ?? 'video']);
}

function inputOf(request: VideoRequest): Billable['input'] {
  if (request.video) return 'video';
  if (request.references.length > 1) return 'multi-image';
  if (request.references.length === 1 || request.firstFrame || request.lastFrame) return 'image';
  return 'text';
}

/** The quote for a clip on a card, or why there is none. `what` we pay is rounded up once, and the markup once more. */
export function quoteOn(card: RateCard, billable: Billable, terms: QuoteTerms): Quote | Unpriced {
  const price = priceOn(card, billable, terms);
  if (price.kind === 'unpriced') return price;
  if (price.usd === null)
    return {
      kind: 'unpriced',
      reason: `${card.card} counts in credits and names no price for one`,
    };
  const costMicros = price.usd;
  const priceMicros = withMarkup(costMicros, terms.markupPercent);
  const margin = minusMicros(priceMicros, costMicros);
  const markup: QuoteLine[] =
    margin === 0n
      ? []
      : [
          {
            what: 'markup',
            quantity: Number(terms.markupPercent),
            unit: 'percent',
            rate_usd: null,
            usd: toUsdNumber(margin),
          },
        ];
  return {
    costMicros,
    priceMicros,
    lines: [...price.lines.map(showLine), ...markup],
    card: referenceTo(card),
    rate: price.rate,
    billableSeconds: price.billableSeconds,
    units: unitsOf(price.lines),
    failed: price.failed,
    warnings: warningsFor(card, billable, terms.nowMs),
  };
}

const unitsOf = (lines: readonly PriceLine[]): bigint =>
  lines.reduce((sum, { unit, quantity }) => (unit === 'unit' ? sum + toBillionths(quantity) : sum), 0n);

/** What a tenant pays for something that costs us `cost`: rounded up, so that a markup never sells below cost. */
export function withMarkup(cost: Micros, markupPercent: string): Micros {
  const factor: Ratio = plus(ratio(1), times(ratio(markupPercent), { n: 1n, d: 100n }));
  return ceilToMicros(times(ratioOfMicros(cost), factor));
}

/** A line in the numbers that JSON and tables show. */
export function showLine(line: PriceLine): QuoteLine {
  return {
    what: line.what,
    quantity: toDisplayNumber(line.quantity),
    unit: line.unit,
    rate_usd: line.rate && toDisplayNumber(line.rate),
    usd: line.usd === null ? 0 : toUsdNumber(line.usd),
  };
}

/** What somebody who is told this price should know: how old its source is, and that a newer model costs the same. */
export function warningsFor(card: RateCard, billable: Billable, nowMs: number): string[] {
  const age = ageWarning(card, nowMs);
  const warnings = age === null ? [] : [age];
  if (billable.model === 'kling-v1-5') warnings.push('kling-v2-1 replaces kling-v1-5 at the same price');
  return warnings;
}

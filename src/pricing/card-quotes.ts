import { type Micros, minusMicros, toDisplayNumber, toUsdNumber } from '../ground/money.ts';
import type { RateCards } from './cards.ts';
import { type Billable, type Price, type PriceLine, priceOn, type Unpriced } from './price.ts';
import { type CardReference, type QuoteTerms, referenceTo, warningsFor, withMarkup } from './quote.ts';
import type { RateCard } from './rate-card.ts';

/** What one card says to a request, whether or not anybody of ours sells by it. */
export interface CardQuote {
  readonly card: CardReference;
  /** The provider that is routed by this card; null for a reference, which is compared and never routed. */
  readonly provider: string | null;
  readonly price: Price | Unpriced;
  /** What the tenant would pay; null without a price, and on a card that counts credits it names no price for. */
  readonly priceMicros: Micros | null;
  /** The markup within `priceMicros`. */
  readonly markupMicros: Micros | null;
  readonly warnings: readonly string[];
}

/** The request on one card: every kind of card answers, also one that knows credits only. */
export function quoteOnCard(card: RateCard, billable: Billable, terms: QuoteTerms): CardQuote {
  const price = priceOn(card, billable, terms);
  const usd = price.kind === 'priced' ? price.usd : null;
  const priceMicros = usd === null ? null : withMarkup(usd, terms.markupPercent);
  return {
    card: referenceTo(card),
    provider: card.provider ?? null,
    price,
    priceMicros,
    markupMicros: usd === null || priceMicros === null ? null : minusMicros(priceMicros, usd),
    warnings: price.kind === 'priced' ? warningsFor(card, billable, terms.nowMs) : [],
  };
}

/**
 * The request on the card of every name that is in force on `day`: cheapest first, then what is counted in credits
 * only, then the cards that do not price it, with their reasons; by name where equal.
 */
export function quoteOnAllCards(cards: RateCards, day: string, billable: Billable, terms: QuoteTerms): CardQuote[] {
  return cardsInForce(cards, day)
    .map((card) => quoteOnCard(card, billable, terms))
    .sort((a, b) => rankOf(a) - rankOf(b) || compareMicros(a.priceMicros, b.priceMicros));
}

/** One card a name: the newest that is not after `day`, by name. */
export function cardsInForce(cards: RateCards, day: string): RateCard[] {
  const names = [...new Set(cards.all.map(({ card }) => card))].sort();
  return names.flatMap((name) => cards.inForce(name, day) ?? []);
}

/** The ids of the packages that some card in force on `day` sells; empty when none has any. */
export function packagesInForce(cards: RateCards, day: string): string[] {
  return cardsInForce(cards, day).flatMap(({ packages }) => packages.map(({ id }) => id));
}

const rankOf = ({ price, priceMicros }: CardQuote): number =>
  price.kind === 'unpriced' ? 2 : priceMicros === null ? 1 : 0;

function compareMicros(a: Micros | null, b: Micros | null): number {
  if (a === null || b === null || a === b) return 0;
  return a < b ? -1 : 1;
}

/** A line for people and programs; the dollars are null where the card names no price of a credit. */
export interface ShownCardLine {
  readonly what: string;
  readonly quantity: number;
  readonly unit: PriceLine['unit'] | 'percent';
  readonly rate_usd: number | null;
  readonly usd: number | null;
}

/** A card's answer in the shape of the API: numbers of dollars with at most six decimals. */
export interface ShownCardQuote {
  readonly card: CardReference;
  readonly provider: string | null;
  readonly price_usd: number | null;
  /** Counted where the card counts in credits. */
  readonly credits: number | null;
  readonly lines: readonly ShownCardLine[];
  readonly excluded: boolean;
  readonly reason: string | null;
  readonly warnings: readonly string[];
}

/** The answer as `POST /v1/videos/quote` and `reelay quote` show it. */
export function showCardQuote(quote: CardQuote, markupPercent: string): ShownCardQuote {
  const { card, provider, price, priceMicros, warnings } = quote;
  const shown = { card, provider, price_usd: priceMicros === null ? null : toUsdNumber(priceMicros), warnings };
  if (price.kind === 'unpriced') return { ...shown, credits: null, lines: [], excluded: true, reason: price.reason };
  const [credits] = price.lines.filter(({ unit }) => unit === 'credit');
  return {
    ...shown,
    credits: credits ? toDisplayNumber(credits.quantity) : null,
    lines: [...price.lines.map(showCardLine), ...markupLine(quote.markupMicros, markupPercent)],
    excluded: false,
    reason: null,
  };
}

function showCardLine({ what, quantity, unit, rate, usd }: PriceLine): ShownCardLine {
  return {
    what,
    quantity: toDisplayNumber(quantity),
    unit,
    rate_usd: rate && toDisplayNumber(rate),
    usd: usd === null ? null : toUsdNumber(usd),
  };
}

function markupLine(markup: Micros | null, percent: string): ShownCardLine[] {
  if (markup === null || markup === 0n) return [];
  return [{ what: 'markup', quantity: Number(percent), unit: 'percent', rate_usd: null, usd: toUsdNumber(markup) }];
}

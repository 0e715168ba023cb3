/** Quotes: the decision that a create would make, shown and not taken; and the same request on rate cards by name. */
import { z } from 'zod';
import { invalidValue } from '../ground/errors.ts';
import { SECOND_MS, utcDay } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import {
  type CardQuote,
  cardsInForce,
  packagesInForce,
  quoteOnAllCards,
  quoteOnCard,
  type ShownCardQuote,
  showCardQuote,
} from '../pricing/card-quotes.ts';
import type { RateCards } from '../pricing/cards.ts';
import { billableOf } from '../pricing/quote.ts';
import { readDecision, showDecision, writeDecision } from '../routing/decision.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { type Considered, type QuoteTerms, withRequest } from './create.ts';
import { readQuery } from './route-table.ts';

/** How a quote may differ from what a create would do now. */
export const quoteQuery = z.object({
  card: z.string().optional().meta({ description: 'Price it on this rate card too, also one that routes nobody.' }),
  all_cards: z
    .enum(['true', 'false'], { error: "expected 'true' or 'false'" })
    .optional()
    .meta({ description: 'Price it on every rate card.' }),
  date: z.iso
    .date('expected a day such as 2026-11-20')
    .optional()
    .meta({ description: 'The day whose rate cards are in force; today when absent.' }),
  plan: z.string().optional().meta({ description: 'The resource package whose unit price counts.' }),
});
export type QuoteQuery = z.infer<typeof quoteQuery>;

/**
 * Answers a quote: the decision as a create would make it, in the shape of a stored one. With `card` or `all_cards`
 * the answer has `cards` besides, and a request that no provider can make is no error; one that the named card does not
 * price is a 400 with the reason.
 */
export async function quote(deps: FrontDeps, c: Ctx): Promise<Response> {
  const caller = c.get('caller');
  const markup = caller.tenant.markupPercent;
  const query = readQuery(c, quoteQuery);
  const { cards, clock } = deps.jobs;
  const terms = readTerms(cards, clock.nowMs(), query);
  const shown = await withRequest(deps, c, caller, {
    terms,
    accept: async (considered) => {
      const onCards = terms.onCards && { cards: quoteByName(cards, { ...considered, query, terms, markup }) };
      return { accepted: false, value: { ...showQuote(considered, markup), ...onCards } };
    },
  });
  return c.json(shown);
}

/** What the query means on these cards. Throws a 400 that lists what there is for a card or a package that is not. */
export function readTerms(cards: RateCards, nowMs: number, query: QuoteQuery): QuoteTerms {
  const { card, all_cards: allCards, date, plan } = query;
  const atMs = date === undefined ? nowMs : Date.parse(date);
  const day = utcDay(atMs);
  if (card !== undefined) assertPriceable(cards, card, day, plan);
  else if (plan !== undefined) assertAmong('plan', plan, packagesInForce(cards, day), `package in force on ${day}`);
  return { atMs, packageId: plan ?? null, onCards: card !== undefined || allCards === 'true' };
}

/** The card exists on that day, and has the package where one is named. Throws a 400 that lists what there is. */
function assertPriceable(cards: RateCards, name: string, day: string, plan: string | undefined): void {
  const names = cardsInForce(cards, day).map(({ card }) => card);
  assertAmong('card', name, names, `rate card in force on ${day}`);
  const packages = cards.inForce(name, day)?.packages.map(({ id }) => id) ?? [];
  if (plan !== undefined) assertAmong('plan', plan, packages, `package on ${name}`);
}

function assertAmong(param: string, value: string, known: readonly string[], what: string): void {
  if (known.includes(value)) return;
  const there = known.length === 0 ? 'There are none.' : `There are: ${known.join(', ')}.`;
  throw invalidValue(param, `There is no ${what} named '${value.slice(0, 60)}'. ${there}`);
}

/** A request to be priced on cards by name. */
export interface ByName {
  readonly request: VideoRequest;
  /** The seconds the caller named, also where the output follows its source video. */
  readonly secondsNamed: number | null;
  readonly query: QuoteQuery;
  readonly terms: QuoteTerms;
  /** Decimal percent. */
  readonly markup: string;
}

/**
 * The request on every card in force, cheapest first, or on the one that the query names. Throws a 400 with the card's
 * reason where the named one does not price it: what has no price is never quoted at zero.
 */
export function quoteByName(
  cards: RateCards,
  { request, secondsNamed, query, terms, markup }: ByName,
): ShownCardQuote[] {
  const { atMs, packageId } = terms;
  const day = utcDay(atMs);
  const pricing = { markupPercent: markup, nowMs: atMs, ...(packageId !== null && { packageId }) };
  const whole = billableOf(request);
  // Nobody orders the length of an edit, but whoever compares cards may know how long the source is.
  const follows = request.seconds === null && secondsNamed !== null;
  const billable = follows ? { ...whole, lengthMs: secondsNamed * SECOND_MS } : whole;
  const show = (quoted: CardQuote) => showCardQuote(quoted, markup);
  if (query.all_cards === 'true') return quoteOnAllCards(cards, day, billable, pricing).map(show);
  const card = query.card === undefined ? undefined : cards.inForce(query.card, day);
  if (!card) return [];
  const shown = show(quoteOnCard(card, billable, pricing));
  if (shown.reason !== null) throw invalidValue('card', `No price: ${shown.reason}.`);
  return [shown];
}

/** A quote has the shape of a stored decision, because it is the same decision. */
function showQuote({ request, presentation, decision }: Considered, markup: string): object {
  const { model, task, seconds, resolution, aspectRatio, audio } = request;
  const summary = { model, task, seconds, resolution, aspect_ratio: aspectRatio, generate_audio: audio };
  const stored = readDecision(writeDecision(decision, { markup, warnings: presentation.warnings }));
  return { request: summary, ...showDecision(stored, 'tenant') };
}

/** What an attempt of a replay is worth: price, cost and units, at the length that was delivered. */
import { type Micros, minMicros, ratio } from '../ground/money.ts';
import { utcDay } from '../ground/time.ts';
import { toBillionths } from '../pricing/expected.ts';
import type { Offer } from '../pricing/offers.ts';
import { billableOf, type Quote, quoteOn } from '../pricing/quote.ts';
import type { Asker } from './consider.ts';
import type { PastRequest, ReplayTerms } from './replay-terms.ts';

export interface Value {
  readonly priceMicros: Micros;
  readonly costMicros: Micros;
  /** Billionths of the provider's units; zero where it is paid in cash. */
  readonly units: bigint;
}

/**
 * What delivering costs and is sold for: as quoted. Where the output follows its source video, the length that was
 * delivered in the past is priced, and never above the quote.
 */
export function worthOf(terms: ReplayTerms, past: PastRequest, asker: Asker, offer: Offer): Value {
  const quoted = offer.quote;
  const delivered = past.lengthMs === null ? null : quoteOfLength(terms, past, past.lengthMs, asker, offer);
  const quote = delivered ?? quoted;
  return {
    priceMicros: minMicros(quote.priceMicros, quoted.priceMicros),
    costMicros: minMicros(quote.costMicros, quoted.costMicros),
    units: unitsOf(quote),
  };
}

function quoteOfLength(
  { cards, sellers, pricedAtMs }: ReplayTerms,
  past: PastRequest,
  lengthMs: number,
  { markupPercent }: Asker,
  offer: Offer,
): Quote | null {
  const nowMs = pricedAtMs ?? past.atMs;
  const request = past.requests.find(({ model }) => model === offer.model);
  const card = cards.ofProvider(offer.provider, utcDay(nowMs));
  const seller = sellers.find(({ account }) => account === offer.account);
  if (!request || request.seconds !== null || !card || !seller) return null;
  const { packageId, unitPrice } = seller;
  const billable = { ...billableOf(request, offer.capability), lengthMs };
  const quote = quoteOn(card, billable, {
    markupPercent,
    nowMs,
    ...(packageId !== undefined && { packageId }),
    ...(unitPrice && { unitPrice }),
  });
  return 'kind' in quote ? null : quote;
}

/** Units stand in the lines with six decimals, finer than any card has them. */
function unitsOf({ lines }: Quote): bigint {
  const drawn = lines.filter(({ unit }) => unit === 'unit');
  return drawn.reduce((sum, { quantity }) => sum + toBillionths(ratio(quantity)), 0n);
}

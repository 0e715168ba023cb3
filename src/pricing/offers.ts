import type { Ratio } from '../ground/money.ts';
import { utcDay } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { type Capability, chooseCapability } from './capability.ts';
import type { RateCards } from './cards.ts';
import { billableOf, type Quote, type QuoteTerms, quoteOn } from './quote.ts';

/** One account at one provider: who could be asked to make a clip. */
export interface Seller {
  readonly provider: string;
  readonly account: string;
  readonly capabilities: readonly Capability[];
  /** The credential variables the account has; some capabilities need a particular one. */
  readonly credentials: readonly string[];
  /** The resource package that prices this account's units, where the card has packages. */
  readonly packageId?: string;
  /** What a unit costs it, where it draws on a pack that was bought at a price of its own. */
  readonly unitPrice?: Ratio;
  /** Why this account cannot take the request although its provider sells it; null when nothing stands in the way. */
  refuses(request: VideoRequest): string | null;
}

/** A priced way to make the request. No price, no offer. */
export interface Offer {
  readonly kind: 'offer';
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly capability: Capability;
  readonly quote: Quote;
}

/** A seller that cannot make the request, and why. */
export interface NoOffer {
  readonly kind: 'none';
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly reason: string;
}

/**
 * What each seller would ask for the request, at the prices of the day `terms.nowMs` falls on. Every seller comes back
 * exactly once, with a quote or with the reason why there is none.
 */
export function offersFor(
  request: VideoRequest,
  sellers: readonly Seller[],
  cards: RateCards,
  terms: QuoteTerms,
): (Offer | NoOffer)[] {
  const day = utcDay(terms.nowMs);
  return sellers.map((seller) => {
    const named = { provider: seller.provider, account: seller.account, model: request.model };
    const none = (reason: string): NoOffer => ({ kind: 'none', ...named, reason });
    const chosen = chooseCapability(seller.capabilities, request, seller.credentials);
    if ('reason' in chosen) return none(chosen.reason);
    const refusal = seller.refuses(request);
    if (refusal !== null) return none(refusal);
    const card = cards.ofProvider(seller.provider, day);
    if (!card) return none(`has no rate card in force on ${day}`);
    const billable = billableOf(request, chosen.capability);
    const quote = quoteOn(card, billable, {
      ...terms,
      ...(seller.packageId !== undefined && { packageId: seller.packageId }),
      ...(seller.unitPrice && { unitPrice: seller.unitPrice }),
    });
    if ('kind' in quote) return none(quote.reason);
    return { kind: 'offer', ...named, capability: chosen.capability, quote };
  });
}

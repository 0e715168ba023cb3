import { type Micros, minusMicros, toUsdNumber } from '../ground/money.ts';
import type { Offer } from '../pricing/offers.ts';
import type { Conditions } from './score.ts';

/**
 * The offers with what a tenant is asked for a clip that uses up prepaid units which would lapse: at most what the
 * cheapest other offer of the same model asks, for it is the operator who gains by the clip being made there. Offers
 * that burn nothing stay as they are, and nobody's price ever rises.
 */
export function pricedWhileLapsing(offers: readonly Offer[], conditionsOf: (offer: Offer) => Conditions): Offer[] {
  return offers.map((offer) => {
    const burns = offer.quote.units > 0n && (conditionsOf(offer).lapsing ?? 0n) > 0n;
    if (!burns) return offer;
    const others = offers.filter(({ model, account }) => model === offer.model && account !== offer.account);
    const cheapest = others.reduce<Micros | null>((least, { quote }) => lesser(least, quote.priceMicros), null);
    return cheapest !== null && cheapest < offer.quote.priceMicros ? cappedAt(offer, cheapest) : offer;
  });
}

const lesser = (a: Micros | null, b: Micros): Micros => (a === null || b < a ? b : a);

function cappedAt(offer: Offer, priceMicros: Micros): Offer {
  const { quote } = offer;
  const line = {
    what: 'prepaid units that would lapse: no dearer than the cheapest other provider',
    quantity: 1,
    unit: 'clip',
    rate_usd: null,
    usd: toUsdNumber(minusMicros(priceMicros, quote.priceMicros)),
  } as const;
  return { ...offer, quote: { ...quote, priceMicros, lines: [...quote.lines, line] } };
}

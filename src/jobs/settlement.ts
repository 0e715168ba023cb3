import { type Micros, minMicros, ratio } from '../ground/money.ts';
import { type PricingOptions, priceOn } from '../pricing/price.ts';
import { billableOf, withMarkup } from '../pricing/quote.ts';
import { readDecision, type StoredCandidate, type StoredDecision } from '../routing/decision.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { requestOf, type Settlement } from './close.ts';
import type { Deps } from './deps.ts';

/**
 * What is settled: the quoted price of the candidate that delivered. Only where the length could not be known before
 * is it the price of the length delivered, on the card and row that quoted it, and never more than was quoted.
 */
export function settlementOf(deps: Deps, job: JobRow, attempt: AttemptRow, durationMs: number | null): Settlement {
  const quoted: Settlement = { priceMicros: attempt.priceMicros, costMicros: attempt.costMicros };
  if (requestOf(job).seconds !== null || durationMs === null) return quoted;
  const { candidates, markup } = readDecision(job.decision);
  const own = candidates.find(({ account, model }) => account === attempt.account && model === attempt.model);
  const cost = own ? costAtLength(deps, job, own, durationMs) : null;
  if (!own || cost === null) return quoted;
  const costMicros = minMicros(cost, attempt.costMicros);
  // Prepaid units that would have lapsed are sold at the price of the cheapest other: so they are by this length, too.
  const cheapest = cheapestOther({ candidates, markup }, own).flatMap((other) => {
    return costAtLength(deps, job, other, durationMs) ?? [];
  });
  const prices = [costMicros, ...cheapest].map((each) => withMarkup(each, markup));
  return { costMicros, priceMicros: minMicros(attempt.priceMicros, ...prices) };
}

/** Who set the price of a candidate that was not sold at its own; nobody, as a rule. */
function cheapestOther(
  { candidates, markup }: Pick<StoredDecision, 'candidates' | 'markup'>,
  { account, model, cost, price }: StoredCandidate,
): StoredCandidate[] {
  if (cost === null || price === null || price >= withMarkup(cost, markup)) return [];
  return candidates.filter((other) => other.model === model && other.account !== account && other.price === price);
}

/** What the clip of that length costs us at the candidate, by the card that quoted it; null where that is gone. */
function costAtLength(deps: Deps, job: JobRow, candidate: StoredCandidate, lengthMs: number): Micros | null {
  const card = deps.cards.all.find(({ card: name, effective }) => {
    return name === candidate.card?.id && effective === candidate.card.effective;
  });
  const account = deps.accounts.get(candidate.account);
  const capability = account?.provider.capabilities.find(({ upstream }) => upstream === candidate.upstream);
  if (!card || !capability) return null;
  const billable = { ...billableOf({ ...requestOf(job), model: candidate.model }, capability), lengthMs };
  const packageId = account?.packageId;
  const price = priceOn(card, billable, {
    ...(packageId !== undefined && { packageId }),
    ...quotedUnitPrice(candidate),
  });
  return price.kind === 'priced' ? price.usd : null;
}

/** Units are settled at the price at which they were quoted, whatever pack is drawn on by now. */
function quotedUnitPrice({ lines }: StoredCandidate): PricingOptions {
  const line = lines.find(({ unit }) => unit === 'unit');
  return line && line.rate_usd !== null ? { unitPrice: ratio(line.rate_usd) } : {};
}

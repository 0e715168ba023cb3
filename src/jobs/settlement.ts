import { type Micros, minMicros } from '../ground/money.ts';
import { priceOn } from '../pricing/price.ts';
import { billableOf, withMarkup } from '../pricing/quote.ts';
import { readDecision } from '../routing/decision.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { requestOf, type Settlement } from './close.ts';
import type { Deps } from './deps.ts';

/**
 * What is settled: the quoted price of the candidate that delivered. Only where the length could not be known before
 * is it the price of the length delivered, on the card and row that quoted it, and never more than was quoted.
 */
export function settlementOf(deps: Deps, job: JobRow, attempt: AttemptRow, durationMs: number | null): Settlement {
  const quoted: Settlement = { priceMicros: attempt.priceMicros, costMicros: attempt.costMicros };
  const request = requestOf(job);
  if (request.seconds !== null || durationMs === null) return quoted;
  const [cardName = '', effective = ''] = attempt.card.split('@');
  const card = deps.cards.all.find((dated) => dated.card === cardName && dated.effective === effective);
  const account = deps.accounts.get(attempt.account);
  const capability = account?.provider.capabilities.find(({ upstream }) => upstream === attempt.upstream);
  if (!card || !capability) return quoted;
  const billable = {
    ...billableOf({ ...request, model: attempt.model }, capability),
    lengthMs: durationMs,
  };
  const options = account?.packageId === undefined ? {} : { packageId: account.packageId };
  const price = priceOn(card, billable, options);
  if (price.kind === 'unpriced' || price.usd === null) return quoted;
  const costMicros: Micros = minMicros(price.usd, attempt.costMicros);
  const priceMicros = withMarkup(costMicros, readDecision(job.decision).markup);
  return { costMicros, priceMicros: minMicros(priceMicros, attempt.priceMicros) };
}

import { type Micros, minMicros, ratio } from '../ground/money.ts';
import { type PricingOptions, priceOn } from '../pricing/price.ts';
import { billableOf, withMarkup } from '../pricing/quote.ts';
import { readDecision, type StoredDecision } from '../routing/decision.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
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
  const decision = readDecision(job.decision);
  const price = priceOn(card, billable, { ...packageOf(account), ...quotedUnitPrice(decision, attempt) });
  if (price.kind === 'unpriced' || price.usd === null) return quoted;
  const costMicros: Micros = minMicros(price.usd, attempt.costMicros);
  const priceMicros = withMarkup(costMicros, decision.markup);
  return { costMicros, priceMicros: minMicros(priceMicros, attempt.priceMicros) };
}

const packageOf = (account: ProviderAccount | undefined): PricingOptions =>
  account?.packageId === undefined ? {} : { packageId: account.packageId };

/** Units are settled at the price at which they were quoted, whatever pack is drawn on by now. */
function quotedUnitPrice({ candidates }: StoredDecision, attempt: AttemptRow): PricingOptions {
  const quoted = candidates.find(({ account, model }) => account === attempt.account && model === attempt.model);
  const line = quoted?.lines.find(({ unit }) => unit === 'unit');
  return line && line.rate_usd !== null ? { unitPrice: ratio(line.rate_usd) } : {};
}

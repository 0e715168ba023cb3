/**
 * The stored decision: the route and every candidate with its numbers, as JSON beside the job. It is what
 * `GET /v1/videos/{id}/route` shows and what the worker goes by, so it is read back through its schema.
 */
import { z } from 'zod';
import { type Micros, micros, minusMicros, toUsdNumber } from '../ground/money.ts';
import type { Quote, QuoteLine } from '../pricing/quote.ts';
import { DEFAULT_QUEUE_SECONDS, FALLBACKS, SORTS } from './policy.ts';
import type { Candidate, Choosing, Route } from './route.ts';

const amount = z.string().transform((text): Micros => micros(BigInt(text)));

const lineSchema = z.strictObject({
  what: z.string(),
  quantity: z.number(),
  unit: z.enum(['second', 'unit', 'credit', 'clip', 'percent']),
  rate_usd: z.number().nullable(),
  usd: z.number(),
});

const storedCandidate = z.strictObject({
  provider: z.string(),
  account: z.string(),
  model: z.string(),
  upstream: z.string().nullable(),
  cost: amount.nullable(),
  price: amount.nullable(),
  lines: z.array(lineSchema),
  card: z.strictObject({ id: z.string(), effective: z.string(), source: z.string() }).nullable(),
  rate: z.string().nullable(),
  failed: z.enum(['free', 'charged', 'unknown']).nullable(),
  /** Billionths of prepaid units that it draws; absent in decisions of before they were kept, and where it draws none. */
  units: z
    .string()
    .transform((text) => BigInt(text))
    .optional(),
  score: z.strictObject({ total: amount, cost: amount, failures: amount, wait: amount }).nullable(),
  excluded: z.string().nullable(),
});
export type StoredCandidate = z.infer<typeof storedCandidate>;

/** By which rules the job is scored again while it waits, and goes on when something fails. */
const choosingSchema = z.strictObject({
  models: z.array(z.string()),
  order: z.array(z.string()),
  sort: z.enum(SORTS).nullable(),
  valueOfTimeMicrosPerSecond: z.number(),
  queueSeconds: z.number(),
  fallback: z.enum(FALLBACKS),
  inDoubt: z.enum(['wait', 'fallback']),
  contentFallback: z.boolean(),
});

const storedDecision = z.strictObject({
  /** In route order, then the excluded ones. */
  candidates: z.array(storedCandidate),
  hold: amount,
  /** The tenant's markup at admission, decimal percent: a settlement by delivered length needs it again. */
  markup: z.string(),
  warnings: z.array(z.string()),
  /** Absent in decisions of before waiting jobs were scored again: the usual rules. */
  choosing: choosingSchema.optional(),
});
export type StoredDecision = z.infer<typeof storedDecision>;

/** The decision as JSON text. */
export function writeDecision(
  route: Route,
  terms: { readonly markup: string; readonly warnings: readonly string[] },
): string {
  const { candidates, holdMicros, choosing } = route;
  return JSON.stringify({ candidates: candidates.map(toStored), hold: String(holdMicros), ...terms, choosing });
}

/** The decision that `writeDecision` wrote. */
export function readDecision(text: string): StoredDecision {
  return storedDecision.parse(JSON.parse(text));
}

function toStored(candidate: Candidate): z.input<typeof storedCandidate> {
  const { provider, account, model, offer, score, excluded } = candidate;
  const quote: Quote | undefined = offer?.quote;
  return {
    provider,
    account,
    model,
    upstream: offer?.capability.upstream ?? null,
    cost: quote ? String(quote.costMicros) : null,
    price: quote ? String(quote.priceMicros) : null,
    lines: quote ? [...quote.lines] : [],
    card: quote?.card ?? null,
    rate: quote?.rate ?? null,
    failed: quote?.failed ?? null,
    ...(quote && quote.units > 0n && { units: String(quote.units) }),
    score: score && {
      total: String(score.totalMicros),
      cost: String(score.costMicros),
      failures: String(score.failuresMicros),
      wait: String(score.waitMicros),
    },
    excluded,
  };
}

/** The candidates that may serve, in order. */
export function routeOf(decision: StoredDecision): StoredCandidate[] {
  return decision.candidates.filter((candidate) => candidate.excluded === null);
}

/** The rules that the decision was made by, in the order of its own route where it does not say. */
export function choosingOf(decision: StoredDecision): Choosing {
  const models = [...new Set(routeOf(decision).map(({ model }) => model))];
  return decision.choosing ?? { ...USUAL, models };
}

const USUAL: Omit<Choosing, 'models'> = {
  order: [],
  sort: null,
  valueOfTimeMicrosPerSecond: 500,
  queueSeconds: DEFAULT_QUEUE_SECONDS,
  fallback: 'any',
  inDoubt: 'wait',
  contentFallback: false,
};

/** A candidate as the quote and the route show it. The tenant sees prices; the operator sees cost and margin too. */
export interface ShownCandidate {
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly price_usd: number | null;
  readonly lines: readonly QuoteLine[];
  readonly score: {
    total: number;
    cost: number;
    failures: number;
    wait: number;
  } | null;
  readonly excluded: boolean;
  readonly reason: string | null;
  readonly card: {
    readonly id: string;
    readonly effective: string;
    readonly source: string;
  } | null;
  readonly cost_usd?: number | null;
  readonly margin_usd?: number | null;
}

export interface ShownDecision {
  readonly candidates: readonly ShownCandidate[];
  readonly route: readonly string[];
  readonly hold_usd: number;
  readonly max_cost_usd: number;
  readonly warnings: readonly string[];
}

export type Viewer = 'tenant' | 'operator';

/** The decision in the shape of the API. */
export function showDecision(decision: StoredDecision, viewer: Viewer): ShownDecision {
  return {
    candidates: decision.candidates.map((candidate) => showCandidate(candidate, viewer)),
    route: routeOf(decision).map((candidate) => candidate.provider),
    hold_usd: toUsdNumber(decision.hold),
    max_cost_usd: toUsdNumber(decision.hold),
    warnings: decision.warnings,
  };
}

function showCandidate(candidate: StoredCandidate, viewer: Viewer): ShownCandidate {
  const { cost, price, score } = candidate;
  const shown: ShownCandidate = {
    provider: candidate.provider,
    account: candidate.account,
    model: candidate.model,
    price_usd: price === null ? null : toUsdNumber(price),
    lines: candidate.lines,
    score: score && showScore(score),
    excluded: candidate.excluded !== null,
    reason: candidate.excluded,
    card: candidate.card,
  };
  if (viewer === 'tenant') return shown;
  const margin = cost === null || price === null ? null : minusMicros(price, cost);
  return {
    ...shown,
    cost_usd: cost === null ? null : toUsdNumber(cost),
    margin_usd: margin === null ? null : toUsdNumber(margin),
  };
}

/** The score that the route was ordered by, for whoever looks: before markup, which is a line of the price. */
function showScore({ total, cost, failures, wait }: NonNullable<StoredCandidate['score']>): ShownCandidate['score'] {
  return {
    total: toUsdNumber(total),
    cost: toUsdNumber(cost),
    failures: toUsdNumber(failures),
    wait: toUsdNumber(wait),
  };
}

/**
 * Routing owns the choice: which offer, in which order, and why the others not. Pure: the same inputs give the same
 * bytes, at admission, in a quote, in a replay and in a test.
 *
 * A policy is what the tenant allows and what the request asks for, combined; the stricter of the two wins.
 */
import { z } from 'zod';
import { type Micros, minMicros } from '../ground/money.ts';

export const FALLBACKS = ['none', 'cheaper', 'any'] as const;
export type Fallback = (typeof FALLBACKS)[number];

export const SORTS = ['price', 'latency', 'throughput'] as const;
export type Sort = (typeof SORTS)[number];

/** What an operator lets a tenant do, stored with the tenant. Absent fields leave the defaults. */
export const tenantPolicySchema = z.strictObject({
  only: z.array(z.string()).optional(),
  ignore: z.array(z.string()).optional(),
  models: z.array(z.string()).optional(),
  fallback: z.enum(FALLBACKS).optional(),
  max_premium: z.number().min(0).max(100).optional(),
  max_price_usd: z.number().positive().optional(),
  sort: z.enum(SORTS).optional(),
  /** Dollars per hour of waiting; the default is 1.80. */
  value_of_time_usd_per_hour: z.number().min(0).max(10_000).optional(),
  queue_timeout_seconds: z.number().int().min(1).max(21_600).optional(),
  /** `fallback`: go on to the next candidate while a paid task may exist; the operator carries that cost. */
  in_doubt: z.enum(['wait', 'fallback']).optional(),
  /** Whether a refusal of the content may be tried at another provider. */
  content_fallback: z.boolean().optional(),
});
export type TenantPolicy = z.infer<typeof tenantPolicySchema>;

/** The routing fields of one request, already checked. */
export interface RequestRouting {
  readonly models: readonly string[];
  readonly order: readonly string[];
  readonly only: readonly string[] | null;
  readonly ignore: readonly string[];
  readonly allowFallbacks: boolean;
  readonly fallback: Fallback | null;
  readonly sort: Sort | null;
  readonly maxPremium: number | null;
  readonly maxPriceMicros: Micros | null;
  readonly requireParameters: boolean;
}

export const NO_ROUTING: RequestRouting = {
  models: [],
  order: [],
  only: null,
  ignore: [],
  allowFallbacks: true,
  fallback: null,
  sort: null,
  maxPremium: null,
  maxPriceMicros: null,
  requireParameters: false,
};

/** The rules one decision follows. */
export interface Policy {
  /** Providers in the order in which the request wants them tried. */
  readonly order: readonly string[];
  /** Null: all of them. */
  readonly only: readonly string[] | null;
  readonly ignore: readonly string[];
  /** Providers that the operator's policy leaves out, told apart so that the reason names who decided. */
  readonly forbidden: (provider: string) => boolean;
  /** The providers that the API key is confined to; null: not confined. */
  readonly keyProviders: readonly string[] | null;
  readonly fallback: Fallback;
  readonly maxPremium: number;
  readonly maxPriceMicros: Micros | null;
  readonly sort: Sort | null;
  /** Millionths of a dollar per second of waiting. */
  readonly valueOfTimeMicrosPerSecond: number;
  /** How long a job may wait for a slot. */
  readonly queueSeconds: number;
  readonly inDoubt: 'wait' | 'fallback';
  /** Whether a refusal of the content may be tried at another provider. */
  readonly contentFallback: boolean;
}

/** How long a job may wait for a slot where its tenant's policy does not say. */
export const DEFAULT_QUEUE_SECONDS = 1_800;
const DEFAULT_MAX_PREMIUM = 0.25;
const DEFAULT_VALUE_OF_TIME_USD_PER_HOUR = 1.8;

/** Combines what the tenant and the key may do with what the request asks for. */
export function combinePolicy(
  tenant: TenantPolicy,
  request: RequestRouting,
  tenantMaxPrice: Micros | null,
  keyProviders: readonly string[] | null = null,
): Policy {
  const strictest = (a: Fallback, b: Fallback): Fallback => (FALLBACKS.indexOf(a) < FALLBACKS.indexOf(b) ? a : b);
  const asked = request.allowFallbacks ? (request.fallback ?? 'any') : 'none';
  const sort = request.sort ?? tenant.sort ?? null;
  const valueOfTime = sort === 'price' ? 0 : (tenant.value_of_time_usd_per_hour ?? DEFAULT_VALUE_OF_TIME_USD_PER_HOUR);
  const ceilings = [tenantMaxPrice, request.maxPriceMicros].filter((price) => price !== null);
  const [firstCeiling, ...otherCeilings] = ceilings;
  const premiums = [tenant.max_premium, request.maxPremium].filter((premium) => typeof premium === 'number');
  return {
    order: request.order,
    only: request.only,
    ignore: request.ignore,
    forbidden: (provider) =>
      (tenant.only !== undefined && !tenant.only.includes(provider)) || (tenant.ignore?.includes(provider) ?? false),
    keyProviders,
    fallback: strictest(tenant.fallback ?? 'any', asked),
    maxPremium: premiums.length > 0 ? Math.min(...premiums) : DEFAULT_MAX_PREMIUM,
    maxPriceMicros: firstCeiling === undefined ? null : minMicros(firstCeiling, ...otherCeilings),
    sort,
    valueOfTimeMicrosPerSecond: (valueOfTime * 1_000_000) / 3_600,
    queueSeconds: tenant.queue_timeout_seconds ?? DEFAULT_QUEUE_SECONDS,
    inDoubt: tenant.in_doubt ?? 'wait',
    contentFallback: tenant.content_fallback ?? false,
  };
}

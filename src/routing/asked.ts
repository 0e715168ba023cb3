/** What a request asked of its routing, kept with its job so that a replay asks the same again. */
import { z } from 'zod';
import { micros } from '../ground/money.ts';
import { FALLBACKS, NO_ROUTING, type RequestRouting, SORTS, type TenantPolicy } from './policy.ts';

const names = z.array(z.string());

const askedSchema = z.strictObject({
  /** Ids of the other models that could have made it, in the caller's order. */
  models: names.optional(),
  order: names.optional(),
  only: names.optional(),
  ignore: names.optional(),
  allowFallbacks: z.literal(false).optional(),
  fallback: z.enum(FALLBACKS).optional(),
  sort: z.enum(SORTS).optional(),
  maxPremium: z.number().optional(),
  /** Micro-dollars, as text: JSON has no whole numbers of that size. */
  maxPrice: z.string().regex(/^\d+$/).optional(),
});
export type Asked = z.infer<typeof askedSchema>;

/** The wishes that differ from none, ready for JSON. `models`: ids, those the caller would also take and may have. */
export function writeAsked(routing: RequestRouting, models: readonly string[]): Asked {
  const { order, only, ignore, allowFallbacks, fallback, sort, maxPremium, maxPriceMicros } = routing;
  return {
    ...(models.length > 0 && { models: [...models] }),
    ...(order.length > 0 && { order: [...order] }),
    ...(only !== null && { only: [...only] }),
    ...(ignore.length > 0 && { ignore: [...ignore] }),
    ...(!allowFallbacks && { allowFallbacks: false as const }),
    ...(fallback !== null && { fallback }),
    ...(sort !== null && { sort }),
    ...(maxPremium !== null && { maxPremium }),
    ...(maxPriceMicros !== null && { maxPrice: String(maxPriceMicros) }),
  };
}

/** The wishes that `writeAsked` wrote; none for a job that was stored without any. Throws a ZodError on anything else. */
export function readAsked(stored: unknown): RequestRouting {
  if (stored === undefined) return NO_ROUTING;
  const { maxPrice, ...asked } = askedSchema.parse(stored);
  return {
    ...NO_ROUTING,
    models: asked.models ?? [],
    order: asked.order ?? [],
    only: asked.only ?? null,
    ignore: asked.ignore ?? [],
    allowFallbacks: asked.allowFallbacks ?? true,
    fallback: asked.fallback ?? null,
    sort: asked.sort ?? null,
    maxPremium: asked.maxPremium ?? null,
    maxPriceMicros: maxPrice === undefined ? null : micros(BigInt(maxPrice)),
  };
}

/** The wishes that are left under a policy that is tried: what it says itself, no request says otherwise. */
export function overruledBy(policy: TenantPolicy, asked: RequestRouting): RequestRouting {
  const { only, ignore, fallback, sort, max_premium: premium, max_price_usd: maxPrice } = policy;
  const named = only !== undefined || ignore !== undefined;
  return {
    ...asked,
    ...(named && { only: null, ignore: [], order: [] }),
    ...(fallback !== undefined && { fallback: null, allowFallbacks: true }),
    ...(sort !== undefined && { sort: null, order: [] }),
    ...(premium !== undefined && { maxPremium: null }),
    ...(maxPrice !== undefined && { maxPriceMicros: null }),
  };
}

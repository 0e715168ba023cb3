import { invalidValue } from '../ground/errors.ts';
import { type Micros, usd } from '../ground/money.ts';
import { NO_ROUTING, type RequestRouting } from '../routing/policy.ts';
import { type CreateFields, parseFields } from './fields.ts';

/** Header twins of the routing fields, for clients that cannot add fields to a body. */
const HEADER_FIELDS = {
  'x-provider-order': 'order',
  'x-provider-only': 'only',
  'x-provider-ignore': 'ignore',
  'x-provider-allow-fallbacks': 'allow_fallbacks',
  'x-provider-fallback': 'fallback',
  'x-provider-sort': 'sort',
  'x-provider-max-price': 'max_price',
  'x-provider-max-premium': 'max_premium',
} as const;

/**
 * The routing wishes of a request: body fields first, headers where the body says nothing. Throws a GatewayError that
 * names the field, also for a provider that does not exist.
 */
export function readRouting(
  fields: CreateFields,
  header: (name: string) => string | undefined,
  providers: readonly string[],
): RequestRouting {
  const wishes = wishesOf(fields, header);
  for (const list of ['order', 'only', 'ignore'] as const) {
    const stranger = wishes[list]?.find((slug) => !providers.includes(slug));
    if (stranger !== undefined) {
      throw invalidValue(
        `provider.${list}`,
        `There is no provider '${stranger.slice(0, 40)}'. Providers: ${providers.join(', ')}.`,
      );
    }
  }
  const maxPrice = typeof wishes.max_price === 'object' ? wishes.max_price.request : wishes.max_price;
  const premium = wishes.max_premium;
  if (premium !== undefined && !(premium >= 0 && premium <= 100)) {
    throw invalidValue(
      'provider.max_premium',
      `Invalid value for 'provider.max_premium': expected 0 to 100, got ${premium}.`,
    );
  }
  return {
    ...NO_ROUTING,
    models: fields.models ?? [],
    order: wishes.order ?? [],
    only: wishes.only ?? null,
    ignore: wishes.ignore ?? [],
    allowFallbacks: wishes.allow_fallbacks ?? true,
    fallback: wishes.fallback ?? null,
    sort: wishes.sort ?? null,
    maxPremium: premium ?? null,
    maxPriceMicros: maxPrice === undefined ? null : ceiling(maxPrice),
    requireParameters: wishes.require_parameters ?? false,
  };
}

/** What is wished of the provider, wherever it was said: the body beats its twin in a header. */
export function wishesOf(
  fields: CreateFields,
  header: (name: string) => string | undefined,
): NonNullable<CreateFields['provider']> {
  return { ...fromHeaders(header), ...fields.provider };
}

/** Headers go through the same schema as the body, so that both mean the same. */
function fromHeaders(header: (name: string) => string | undefined): NonNullable<CreateFields['provider']> {
  const given: Record<string, string> = {};
  for (const [name, field] of Object.entries(HEADER_FIELDS)) {
    const value = header(name);
    if (value !== undefined) given[field] = value;
  }
  if (Object.keys(given).length === 0) return {};
  return parseFields({ provider: given }, 'form').fields.provider ?? {};
}

/** Fractions of a micro-dollar cannot be paid, so they are cut off: a ceiling is never raised. */
function ceiling(price: number): Micros {
  if (!(price > 0 && price < 1_000_000)) {
    throw invalidValue(
      'provider.max_price',
      `Invalid value for 'provider.max_price': expected dollars above 0, got ${price}.`,
    );
  }
  return usd((Math.floor(price * 1e6) / 1e6).toFixed(6));
}

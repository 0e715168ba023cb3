/**
 * By which rules a request of the past was decided, as far as its stored decision tells: a tenant's policy and markup may
 * have been changed since, and what is tried is to be held against the rules of then. What the decision does not tell,
 * the premium and the ceiling, is taken from the policy of today.
 */
import { z } from 'zod';
import { FALLBACKS, SORTS, type TenantPolicy } from './policy.ts';
import { NOT_FOR_TENANT } from './route.ts';

export interface DecidedBy {
  /** Decimal percent. */
  readonly markupPercent: string;
  /** How long it might wait for a slot. */
  readonly queueTimeoutMs: number;
  /** Providers that the tenant's policy left out, and those that it let in. */
  readonly forbidden: readonly string[];
  readonly allowed: readonly string[];
  /** What the tenant and the request wanted, combined; null in decisions of before it was kept. */
  readonly choosing: Choosing | null;
}

const choosingSchema = z.object({
  sort: z.enum(SORTS).nullable(),
  valueOfTimeMicrosPerSecond: z.number(),
  fallback: z.enum(FALLBACKS),
  inDoubt: z.enum(['wait', 'fallback']),
  contentFallback: z.boolean(),
});
type Choosing = z.infer<typeof choosingSchema>;

/** The few fields of a stored decision that are looked at, of perhaps a hundred thousand. */
const storedSchema = z.object({
  candidates: z.array(
    z.object({ provider: z.string(), price: z.string().nullable(), excluded: z.string().nullable() }),
  ),
  markup: z.string(),
  choosing: choosingSchema.optional(),
});

/** Reads stored decisions; equal rules come back as one object, so that a long past is small. */
export function collectDecidedBy(): (decision: string, queueTimeoutMs: number) => DecidedBy {
  const known = new Map<string, DecidedBy>();
  return (decision, queueTimeoutMs) => {
    const { candidates, markup: markupPercent, choosing = null } = storedSchema.parse(JSON.parse(decision));
    // Whoever could not make it was not asked whether it might.
    const asked = candidates.filter(({ price }) => price !== null);
    const namesOf = (forbidden: boolean): string[] => {
      const those = asked.filter(({ excluded }) => (excluded === NOT_FOR_TENANT) === forbidden);
      return [...new Set(those.map(({ provider }) => provider))].sort();
    };
    const by = { markupPercent, queueTimeoutMs, forbidden: namesOf(true), allowed: namesOf(false), choosing };
    const key = JSON.stringify(by);
    const found = known.get(key) ?? by;
    known.set(key, found);
    return found;
  };
}

const SECONDS_OF_HOUR = 3_600;
const MICROS_OF_DOLLAR = 1_000_000;

/** The tenant's policy as it was then. `providers`: all there are now. */
export function policyThen(today: TenantPolicy, then: DecidedBy, providers: readonly string[]): TenantPolicy {
  const policy = { ...today };
  if (!explains(today, then)) {
    // Whether those left out were named, or all others were, is not told. As an `only` it holds beside an `ignore` that
    // is tried, and an `only` that is tried stands in its place.
    policy.only = providers.filter((name) => !wasOut(today, then, name));
    policy.ignore = undefined;
  }
  if (then.choosing === null) return policy;
  const { sort, valueOfTimeMicrosPerSecond: worth, fallback, inDoubt, contentFallback } = then.choosing;
  return {
    ...policy,
    sort: sort ?? undefined,
    // By price alone no time has a value; what it would have had otherwise is not told.
    ...(sort !== 'price' && { value_of_time_usd_per_hour: perHour(worth) }),
    ...{ fallback, in_doubt: inDoubt, content_fallback: contentFallback },
  };
}

/** Whether a decision of then tells of other providers or another markup than the tenant has today. */
export const isChanged = (today: { readonly policy: TenantPolicy; readonly markupPercent: string }, then: DecidedBy) =>
  then.markupPercent !== today.markupPercent || !explains(today.policy, then);

const isOut = ({ only, ignore }: TenantPolicy, name: string): boolean =>
  only?.includes(name) === false || ignore?.includes(name) === true;

/** Whether the policy of today leaves out whom that of then did. */
const explains = (today: TenantPolicy, { forbidden, allowed }: DecidedBy): boolean =>
  forbidden.every((name) => isOut(today, name)) && !allowed.some((name) => isOut(today, name));

const wasOut = (today: TenantPolicy, { forbidden, allowed }: DecidedBy, name: string): boolean =>
  forbidden.includes(name) || (!allowed.includes(name) && isOut(today, name));

/** Of whole millionths of a dollar, so that the division of then leaves no trace. */
const perHour = (microsPerSecond: number): number => Math.round(microsPerSecond * SECONDS_OF_HOUR) / MICROS_OF_DOLLAR;

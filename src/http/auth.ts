import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { GatewayError } from '../ground/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import { digestKey, findKeyByDigest, looksLikeKey, SANDBOX_KEY } from '../ledger/key.ts';
import { findTenant, underPolicy } from '../ledger/tenant.ts';
import type { Caller, Env, FrontDeps } from './context.ts';

/** A revoked key works no longer than this in another process; in this one it ends at once. */
const CACHE_MS = 5 * SECOND_MS;
const CACHE_KEYS_MAX = 10_000;
const UNKNOWN_KEYS_PER_MINUTE = 20;
const ADDRESSES_MAX = 10_000;

const BEARER = /^Bearer +([^\s]{1,200})$/i;

/** Recognises callers by their API key and remembers what the store said for a moment. */
export class Authenticator {
  private readonly deps: FrontDeps;
  private readonly known = new Map<string, { readonly caller: Caller; readonly untilMs: number }>();
  private readonly failures = new Map<string, { count: number; untilMs: number }>();

  constructor(deps: FrontDeps) {
    this.deps = deps;
  }

  /** Forgets what was remembered, so that a change of keys or tenants counts from the next request on. */
  forget(): void {
    this.known.clear();
  }

  /** Lets a request with a good key through, with its caller; answers 401 to every other one in the same words. */
  middleware(): MiddlewareHandler<Env> {
    return async (c, next) => {
      const bearer = BEARER.exec(c.req.header('authorization') ?? '')?.[1];
      const caller = bearer === undefined ? null : await this.recognise(bearer);
      if (!caller) throw this.refusal(bearer, c.env.incoming.socket.remoteAddress ?? '');
      c.set('caller', caller);
      await next();
    };
  }

  private async recognise(bearer: string): Promise<Caller | null> {
    if (!looksLikeKey(bearer) || (bearer === SANDBOX_KEY && !this.deps.sandbox)) return null;
    const { clock, database } = this.deps.jobs;
    const digest = digestKey(bearer, this.deps.keyPepper);
    const nowMs = clock.monotonicMs();
    const remembered = this.known.get(digest);
    if (remembered && remembered.untilMs > nowMs && !isExpired(remembered.caller, clock.nowMs()))
      return remembered.caller;
    const caller = await database.read(async (tx): Promise<Caller | null> => {
      const key = await findKeyByDigest(tx, digest);
      if (!key || key.revokedAtMs !== null) return null;
      const tenant = await findTenant(tx, key.tenantId);
      return tenant && { key, tenant: underPolicy(tenant, this.deps.defaultPolicy ?? {}) };
    });
    if (!caller || isExpired(caller, clock.nowMs())) return null;
    if (this.known.size >= CACHE_KEYS_MAX) this.known.clear();
    this.known.set(digest, { caller, untilMs: nowMs + CACHE_MS });
    return caller;
  }

  /** Counts wrong keys by address: scanners are slowed down, a caller with a good key never is. */
  private refusal(bearer: string | undefined, address: string): GatewayError {
    const nowMs = this.deps.jobs.clock.monotonicMs();
    const failures = this.failures.get(address);
    const counted = failures && failures.untilMs > nowMs ? failures : { count: 0, untilMs: nowMs + MINUTE_MS };
    counted.count += 1;
    if (this.failures.size >= ADDRESSES_MAX) this.failures.clear();
    this.failures.set(address, counted);
    if (counted.count > UNKNOWN_KEYS_PER_MINUTE) {
      return new GatewayError('rate_limit_exceeded', {
        message: 'Too many requests with an unknown API key from this address. Wait a minute.',
        headers: { 'retry-after': '60', 'x-should-retry': 'false' },
      });
    }
    const message =
      bearer === undefined
        ? "No API key. Send it as 'Authorization: Bearer <key>'."
        : 'The API key is not valid. Check it, or ask the operator of this gateway for a new one.';
    return new GatewayError('invalid_api_key', { message });
  }
}

function isExpired({ key }: Caller, nowMs: number): boolean {
  return key.expiresAtMs !== null && key.expiresAtMs <= nowMs;
}

/** Lets a request with the admin key through. Digests are compared, in constant time. */
export function adminOnly(deps: FrontDeps): MiddlewareHandler<Env> {
  const expected = deps.adminKey && createHash('sha256').update(deps.adminKey.reveal()).digest();
  return async (c, next) => {
    const bearer = BEARER.exec(c.req.header('authorization') ?? '')?.[1] ?? '';
    const given = createHash('sha256').update(bearer).digest();
    if (expected === null || !timingSafeEqual(given, expected)) {
      const message = 'The admin API needs REELAY_ADMIN_KEY as a Bearer key.';
      throw new GatewayError('invalid_api_key', { message });
    }
    await next();
  };
}

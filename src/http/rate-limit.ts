import type { MiddlewareHandler } from 'hono';
import { GatewayError } from '../ground/errors.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { Env, FrontDeps } from './context.ts';

const OWNERS_MAX = 10_000;

/** How things stand with one limit. */
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  /** Until none of the counted requests counts any more. */
  readonly resetMs: number;
  /** Until the next request would be let through; 0 when one would be now. */
  readonly waitMs: number;
}

/** The instants of the requests of the last minute, oldest first. */
class Minute {
  private times: number[] = [];
  private first = 0;

  /** How many requests count at that instant; older ones are forgotten. */
  countAt(nowMs: number): number {
    while (this.first < this.times.length && (this.times[this.first] ?? 0) <= nowMs - MINUTE_MS) this.first += 1;
    // Cut now and then only, so that each request costs the same however many there are.
    if (this.first > 1_000 && this.first > this.times.length / 2) {
      this.times = this.times.slice(this.first);
      this.first = 0;
    }
    return this.times.length - this.first;
  }

  add(nowMs: number): void {
    this.times.push(nowMs);
  }

  /** When the counted request of that number was made, 0 being the oldest. */
  at(index: number): number {
    return this.times[this.first + index] ?? 0;
  }
}

/**
 * Requests per minute, by tenant and by key: in no sixty seconds more than the limit, counted exactly in this process.
 * A refused request does not count. Memory only: a restart begins anew, and each process counts for itself.
 */
export class RateLimits {
  private readonly minutes = new Map<string, Minute>();

  /** How the owner's limit stands at that instant of the monotonic clock. */
  look(owner: string, limit: number, nowMs: number): RateState {
    const minute = this.minuteOf(owner);
    const count = minute.countAt(nowMs);
    // Whole: a fraction too much, of sums of fractions, would be told as a second more.
    const leavesMs = (index: number): number => Math.round(minute.at(index) + MINUTE_MS - nowMs);
    return {
      limit,
      remaining: Math.max(0, limit - count),
      resetMs: count === 0 ? 0 : leavesMs(count - 1),
      waitMs: count < limit ? 0 : leavesMs(count - limit),
    };
  }

  /** Counts a request of the owner. */
  count(owner: string, nowMs: number): void {
    this.minuteOf(owner).add(nowMs);
  }

  private minuteOf(owner: string): Minute {
    const known = this.minutes.get(owner);
    if (known) return known;
    if (this.minutes.size >= OWNERS_MAX) this.minutes.clear();
    const minute = new Minute();
    this.minutes.set(owner, minute);
    return minute;
  }
}

/** `12ms`, `1s`, `6m0s`: a duration as OpenAI's rate limit headers write it. */
export function durationText(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  if (whole < SECOND_MS) return `${whole}ms`;
  const seconds = Math.ceil(whole / SECOND_MS);
  if (seconds < 60) return `${seconds}s`;
  const hours = Math.floor(seconds / (HOUR_MS / SECOND_MS));
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours > 0 ? `${hours}h` : ''}${minutes}m${seconds % 60}s`;
}

/** Following a video that was accepted is never held up: it costs nothing, and its client would only ask again. */
const isFollowing = (method: string, path: string): boolean =>
  (method === 'GET' || method === 'HEAD') && /^(\/v1)?\/videos\/[^/]+(\/content|\/route)?$/.test(path);

/**
 * Lets a caller's request through while both its tenant's and its key's limit have room, and tells in headers how the
 * tighter one stands; 429 `rate_limit_exceeded` with `retry-after` otherwise. Comes after the caller is known.
 */
export function rateLimited({ jobs }: Pick<FrontDeps, 'jobs'>): MiddlewareHandler<Env> {
  const limits = new RateLimits();
  return async (c, next) => {
    const { tenant, key } = c.get('caller');
    const nowMs = jobs.clock.monotonicMs();
    const rules = [
      { owner: tenant.id, limit: tenant.ratePerMinute },
      { owner: key.id, limit: key.ratePerMinute },
    ].flatMap(({ owner, limit }) => (limit === null ? [] : [{ owner, limit }]));
    const tightest = (): RateState | undefined =>
      rules
        .map(({ owner, limit }) => limits.look(owner, limit, nowMs))
        .sort((a, b) => b.waitMs - a.waitMs || a.remaining - b.remaining)[0];
    const before = tightest();
    if (before === undefined) return await next();
    const counts = !isFollowing(c.req.method, c.req.path);
    if (counts && before.waitMs > 0) throw refusal(before);
    if (counts) for (const { owner } of rules) limits.count(owner, nowMs);
    // Before the handler: a header set after it makes hono copy the whole response.
    for (const [name, value] of Object.entries(headersOf(tightest() ?? before))) c.header(name, value);
    await next();
  };
}

function headersOf({ limit, remaining, resetMs }: RateState): Record<string, string> {
  return {
    'x-ratelimit-limit-requests': String(limit),
    'x-ratelimit-remaining-requests': String(remaining),
    'x-ratelimit-reset-requests': durationText(resetMs),
  };
}

function refusal(state: RateState): GatewayError {
  const seconds = Math.ceil(state.waitMs / SECOND_MS);
  return new GatewayError('rate_limit_exceeded', {
    message: `More than ${state.limit} requests in a minute. Try again in ${seconds} s.`,
    headers: { ...headersOf(state), 'retry-after': String(seconds) },
  });
}

/** What the commands over the admin API share: their options and how values are read from words. */
import { type Command, InvalidArgumentError } from 'commander';
import { usd } from '../ground/money.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, systemClock } from '../ground/time.ts';
import { dollars } from './print.ts';

export interface Common {
  readonly url?: string;
  readonly json?: true;
}

/** Where the gateway is, and for whom the answer is written. */
export const withCommon = (command: Command): Command =>
  command
    .option('--url <url>', 'the gateway (default: REELAY_URL, then http://127.0.0.1:8787)')
    .option('--json', 'print the answer as JSON');

/** A list as the admin API answers it. */
export interface Listed {
  readonly data: readonly Record<string, unknown>[];
}

export const tenantPath = (id: string): string => `/admin/v1/tenants/${encodeURIComponent(id)}`;
export const keyPath = (id: string): string => `/admin/v1/keys/${encodeURIComponent(id)}`;

/** A limit as it was said: commander takes a null for no value at all. */
export type Limit = number | 'none';

/** A whole number of at least 1, or `none`. Throws what commander tells as a mistake in the words. */
export function wholeOrNone(text: string): Limit {
  if (text === 'none') return text;
  const value = Number(text);
  if (/^\d{1,7}$/.test(text) && value >= 1) return value;
  throw new InvalidArgumentError('Expected a whole number of at least 1, or none.');
}

/** The limit as it is sent: null lifts it. */
export const limitOf = (limit: Limit): number | null => (limit === 'none' ? null : limit);

/** Names with commas between them. */
export function namesOf(text: string): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  if (names.length > 0) return names;
  throw new InvalidArgumentError('Expected names with commas between them, such as fal,atlas.');
}

const SPANS: Readonly<Record<string, number>> = { d: DAY_MS, h: HOUR_MS, m: MINUTE_MS };

/** Unix seconds of an instant to come: `30d`, `12h`, `2026-12-31` (its beginning in UTC) or a whole ISO instant. */
export function instantOf(text: string): number {
  const nowMs = systemClock.nowMs();
  const [, count = '', unit = ''] = /^(\d{1,5})([dhm])$/.exec(text) ?? [];
  const atMs = count === '' ? isoInstant(text) : nowMs + Number(count) * (SPANS[unit] ?? 0);
  if (atMs > nowMs) return Math.floor(atMs / 1_000);
  throw new InvalidArgumentError('Expected an instant to come: 30d, 12h, 2026-12-31 or 2026-12-31T18:00:00Z.');
}

/** NaN for what is no ISO date or instant. */
function isoInstant(text: string): number {
  return /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
}

/** Dollars, exact, as they are sent: `250`, `19.99`. */
export function capOf(text: string): string {
  try {
    if (usd(text) >= 0n) return text;
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError('Expected dollars with at most six decimals, such as 250 or 19.99.');
}

/** A whole number of percent from 1 to 100. */
export function percentOf(text: string): number {
  const value = Number(text);
  if (/^\d{1,3}$/.test(text) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('Expected a whole number of percent from 1 to 100.');
}

/** One of the words. */
export function oneOf(words: readonly string[]): (text: string) => string {
  return (text) => {
    if (words.includes(text)) return text;
    throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
  };
}

/** A list for people; `all` where nothing is left out. */
export const namesShown = (names: unknown): string => (Array.isArray(names) ? names.join(', ') : 'all');

/** Budgets in a cell of a table: `month $12.50 of $250.00`. */
export function budgetsShown(budgets: unknown): string {
  if (!Array.isArray(budgets) || budgets.length === 0) return '-';
  return budgets
    .map(({ period, spent_usd: spent, held_usd: held, cap_usd: cap }) => {
      return `${period} ${dollars(Number(spent) + Number(held))} of ${dollars(Number(cap))}`;
    })
    .join(', ');
}

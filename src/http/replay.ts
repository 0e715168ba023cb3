import { createHash } from 'node:crypto';
import { invalidValue } from '../ground/errors.ts';
import type { Repeat } from '../jobs/repeat.ts';
import type { Ctx } from './context.ts';
import type { CreateFields } from './fields.ts';
import { wishesOf } from './routing-fields.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * What makes a create request the same as another: its decoded fields, its wishes for the provider in body or headers,
 * and the bytes of its files, in whatever encoding and order they came; and the caller's own key when it sent one.
 * Throws `invalid_value` for a key that is none.
 */
export function repeatOf(c: Ctx, fields: CreateFields, purpose: string): Repeat {
  const key = c.req.header('idempotency-key') ?? fields.idempotency_key;
  if (key !== undefined && !KEY.test(key)) {
    const shown = JSON.stringify(key.slice(0, 40));
    throw invalidValue('idempotency_key', `An idempotency key has 1 to 255 visible ASCII characters, got ${shown}.`);
  }
  const { idempotency_key: _, ...asked } = fields;
  const wishes = wishesOf(fields, (name) => c.req.header(name));
  const retry = Number(c.req.header('x-stainless-retry-count') ?? 0);
  return {
    // The braces stand for headers that once counted here: what carries none has the digest of before, so that a retry
    // across an update finds its video.
    fingerprint: digest(
      `${purpose}\n{}\n${canonical(Object.keys(wishes).length > 0 ? { ...asked, provider: wishes } : asked)}`,
    ),
    idempotencyKey: key === undefined ? null : digest(key),
    retryCount: Number.isInteger(retry) && retry > 0 ? retry : 0,
  };
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** JSON with sorted names. An upload counts by its bytes, not by where it was put. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if ('uploadId' in value && 'digest' in value) return JSON.stringify({ file: value.digest });
  const named = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const sorted = named.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`;
}

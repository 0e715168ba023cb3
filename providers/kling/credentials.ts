import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import type { Headers } from '../contract.ts';

/** An API key opens both generations; a key pair signs its own tokens and opens the legacy one only. */
export const credentials = z.union([
  z
    .object({ KLING_API_KEY: z.string() })
    .transform(({ KLING_API_KEY: apiKey }) => ({ kind: 'api_key' as const, apiKey })),
  z
    .object({ KLING_ACCESS_KEY: z.string(), KLING_SECRET_KEY: z.string() })
    .transform(({ KLING_ACCESS_KEY: accessKey, KLING_SECRET_KEY: secretKey }) => ({
      kind: 'key_pair' as const,
      accessKey,
      secretKey,
    })),
]);
export type Credentials = z.infer<typeof credentials>;

/** A token lives for 30 minutes and is minted for each exchange, so an expired one is never sent. */
const TOKEN_LIFE_MS = 30 * MINUTE_MS;
/** A token is good from a little before now: clocks differ. */
const CLOCK_SKEW_MS = 5 * SECOND_MS;

/** What proves who asks, on either generation (kling.ai/document-api, authentication, mirrored 2026-09-20). */
export function authorize(context: { readonly credentials: Credentials; readonly nowMs: number }): Headers {
  const { credentials: given, nowMs } = context;
  switch (given.kind) {
    case 'api_key':
      return { authorization: `Bearer ${given.apiKey}` };
    case 'key_pair':
      return { authorization: `Bearer ${mintToken(given, nowMs)}` };
  }
}

function mintToken(pair: { readonly accessKey: string; readonly secretKey: string }, nowMs: number): string {
  const claims = {
    iss: pair.accessKey,
    exp: Math.floor((nowMs + TOKEN_LIFE_MS) / SECOND_MS),
    nbf: Math.floor((nowMs - CLOCK_SKEW_MS) / SECOND_MS),
  };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', pair.secretKey).update(signed).digest('base64url')}`;
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** How official Kling answers, and whom: its envelope, its error codes, its two kinds of credentials. */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { SECOND_MS } from '../ground/time.ts';
import type { EmulatorContext } from './context.ts';

type ErrorStatus = 400 | 401 | 403 | 404 | 429 | 500 | 503 | 504;

/** An error as kling.ai/document-api lists them (error codes, mirrored 2026-09-20). */
export const error = (c: EmulatorContext, status: ErrorStatus, code: number, message: string): Response =>
  c.json({ code, message, request_id: randomUUID() }, status);

export const success = (c: EmulatorContext, data: unknown): Response =>
  c.json({ code: 0, message: 'SUCCEED', request_id: randomUUID(), data });

/** The key pair that the sandbox knows; it opens nothing else. */
export const SANDBOX_KEY_PAIR = { accessKey: 'sandbox-access-key', secretKey: 'sandbox-secret-key' } as const;

/** Why the caller may not ask this, as an answer; null when it may. Tokens of a key pair open the legacy part only. */
export function refusal(c: EmulatorContext, legacy: boolean, nowMs: number): Response | null {
  const authorization = c.req.header('authorization') ?? '';
  if (authorization === '') return error(c, 401, 1001, 'Authorization is empty');
  const credential = /^Bearer (\S+)$/.exec(authorization)?.[1];
  if (credential === undefined) return error(c, 401, 1002, 'Authorization is invalid');
  // An API key of any form opens the sandbox; three parts are a token.
  if (credential.split('.').length !== 3) return null;
  if (!legacy) {
    return error(c, 401, 1002, 'AccessKey/SecretKey authentication is not supported here, please create an API Key');
  }
  const fault = tokenFault(credential, nowMs / SECOND_MS);
  return fault && error(c, 401, fault.code, fault.message);
}

const header = z.object({ alg: z.literal('HS256'), typ: z.literal('JWT').optional() });
const claims = z.object({ iss: z.literal(SANDBOX_KEY_PAIR.accessKey), exp: z.number(), nbf: z.number() });

function tokenFault(token: string, nowSeconds: number): { code: number; message: string } | null {
  const [head = '', body = '', signature = ''] = token.split('.');
  const expected = createHmac('sha256', SANDBOX_KEY_PAIR.secretKey).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature, 'base64url');
  const isSigned = given.length === expected.length && timingSafeEqual(given, expected);
  const said = claims.safeParse(decode(body));
  if (!isSigned || !header.safeParse(decode(head)).success || !said.success) {
    return { code: 1002, message: 'Authorization is invalid' };
  }
  if (said.data.nbf > nowSeconds) return { code: 1003, message: 'Authorization is not yet valid' };
  if (said.data.exp <= nowSeconds) return { code: 1004, message: 'Authorization has expired' };
  return null;
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}

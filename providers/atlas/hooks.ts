import { createPublicKey, verify as verifySignature } from 'node:crypto';
import { z } from 'zod';
import { SECOND_MS } from '../../src/ground/time.ts';
import { read } from '../answers.ts';
import type { DeliveryProof, Headers, Hooks, ProviderResponse } from '../contract.ts';
import type { TaskIdentity } from '../identity.ts';
import { type Handle, taskId } from './tasks.ts';

const announced = z.object({ session_id: taskId });

const CLOCK_TOLERANCE_MS = 300 * SECOND_MS;
const SIGNATURE_BYTES = 64;

/**
 * Atlas posts once a task has ended, and signs `<timestamp>.<raw body>` by Ed25519 under a published key
 * (atlascloud.ai/docs, webhooks, 2026). Its older HMAC header is not believed.
 */
export const hooks: Hooks<Handle> = {
  proof: 'keys',
  keys: { host: 'api', path: '/api/v1/webhooks/jwks.json' },
  verify({ headers, rawBody }, proof) {
    const timestamp = headers['x-atlascloud-webhook-timestamp'] ?? '';
    if (!isFresh(timestamp, proof.nowMs)) return null;
    const signature = signatureIn(headers);
    const key = keyOf(headers['x-atlascloud-webhook-key-id'], proof);
    if (signature === null || key === null || !isSignedBy(key, `${timestamp}.${rawBody}`, signature)) return null;
    const parsed = announced.safeParse(parse(rawBody));
    if (!parsed.success) return null;
    // Equal on redelivery by the vendor's own advice; the header beside it is not signed.
    return { deliveryId: parsed.data.session_id, taskId: parsed.data.session_id };
  },
  adopt: (id) => (taskId.safeParse(id).success ? { taskId: id } : null),
  identity,
};

const shown = z.object({
  data: z.object({
    model: z.string().optional().catch(undefined),
    created_at: z.iso.datetime({ offset: true }).optional().catch(undefined),
  }),
});

/** The model id; the instant as text, where it is shown (atlascloud.ai/docs, predictions, 2026). */
function identity(response: ProviderResponse, upstream: string): TaskIdentity {
  const { model, created_at: createdAt } = read(shown, response)?.data ?? {};
  return {
    ...(model !== undefined && { isOfOrder: model === upstream }),
    ...(createdAt !== undefined && { createdAtMs: Date.parse(createdAt) }),
  };
}

function isFresh(timestamp: string, nowMs: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(nowMs - Number(timestamp) * SECOND_MS) <= CLOCK_TOLERANCE_MS;
}

/**
 * The vendor plans to move the value into the bare header when the HMAC there is retired. Hex of an HMAC never decodes
 * to 64 bytes.
 */
function signatureIn(headers: Headers): Buffer | null {
  for (const name of ['x-atlascloud-webhook-signature-ed25519', 'x-atlascloud-webhook-signature']) {
    const decoded = Buffer.from(headers[name] ?? '', 'base64url');
    if (decoded.length === SIGNATURE_BYTES) return decoded;
  }
  return null;
}

const keyOf = (kid: string | undefined, { keys }: DeliveryProof): JsonWebKey | null =>
  keys.find((key) => kid !== undefined && 'kid' in key && key.kid === kid) ?? null;

/** Never throws: a published key that cannot be read proves nothing. */
function isSignedBy({ kty, crv, x }: JsonWebKey, text: string, signature: Buffer): boolean {
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') return false;
  try {
    const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' });
    return verifySignature(null, Buffer.from(text, 'utf8'), key, signature);
  } catch {
    return false;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

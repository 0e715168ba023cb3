import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto';
import { z } from 'zod';
import { SECOND_MS } from '../../src/ground/time.ts';
import type { Announcement, Delivery, DeliveryProof, Hooks } from '../contract.ts';
import { type Handle, handleOf } from './tasks.ts';

/** A delivery further from our clock than this is refused (docs.fal.ai, webhooks, 2026). */
const FRESH_MS = 300 * SECOND_MS;

const body = z.object({ request_id: z.string().min(1) });

/**
 * fal signs with ED25519, under one of the keys it publishes: request id, user id, time and SHA-256 of the raw body,
 * joined by line ends (docs.fal.ai, webhooks, 2026). No header names the key, so every one is tried. A delivery may come
 * again, and is known by its request.
 */
function verify({ headers, rawBody }: Delivery, { nowMs, keys }: DeliveryProof): Announcement | null {
  const time = headers['x-fal-webhook-timestamp'] ?? '';
  const signature = headers['x-fal-webhook-signature'] ?? '';
  if (!/^\d{1,12}$/.test(time) || !/^[0-9a-f]{128}$/i.test(signature)) return null;
  if (Math.abs(nowMs - Number(time) * SECOND_MS) > FRESH_MS) return null;
  const digest = createHash('sha256').update(rawBody, 'utf8').digest('hex');
  const signed = [headers['x-fal-webhook-request-id'], headers['x-fal-webhook-user-id'], time, digest].join('\n');
  const isGenuine = keys.some((key) => isSignedBy(key, Buffer.from(signed), Buffer.from(signature, 'hex')));
  return isGenuine ? announcementOf(rawBody) : null;
}

/** Whatever is published beside the keys we can use is passed over. */
function isSignedBy(key: JsonWebKey, signed: Buffer, signature: Buffer): boolean {
  try {
    const published = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key.x ?? '' }, format: 'jwk' });
    return verifySignature(null, signed, published, signature);
  } catch {
    return false;
  }
}

/** The id in the signed body; after a requeue at fal, `gateway_request_id` is another one. */
function announcementOf(rawBody: string): Announcement | null {
  try {
    const parsed = body.safeParse(JSON.parse(rawBody));
    if (!parsed.success) return null;
    return { deliveryId: parsed.data.request_id, taskId: parsed.data.request_id };
  } catch {
    return null;
  }
}

export const hooks: Hooks<Handle> = {
  proof: 'keys',
  /** The whole address is configured, so nothing is left to add to it. */
  keys: { host: 'jwks', path: '' },
  verify,
  adopt: handleOf,
};

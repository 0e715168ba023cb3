/** Atlas's announcements, signed by Ed25519 under a key that is published (atlascloud.ai/docs, webhooks, 2026). */
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { Letter } from './announcer.ts';

const KEY_ID = 'k-sandbox';

/** The sandbox's own key: made from a text, so that it is the same after a restart, and good for nothing else. */
const SEED = createHash('sha256').update('the webhook key of the sandbox').digest();
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, SEED]), format: 'der', type: 'pkcs8' });
const { kty, crv, x } = createPublicKey(privateKey).export({ format: 'jwk' });

/** What is published under `/api/v1/webhooks/jwks.json`. */
export const publishedKeys = { keys: [{ kty, crv, kid: KEY_ID, x }] };

export interface Ended {
  readonly id: string;
  readonly nowMs: number;
  readonly payload: Readonly<Record<string, unknown>>;
  /** What went wrong; null when it went well. */
  readonly error: string | null;
}

/** The announcement of an ended task. The hex header beside the signature is the one that is to be retired. */
export function letterOf({ id, nowMs, payload, error }: Ended): Letter {
  const body = JSON.stringify({
    session_id: id,
    event_type: 'video.task.terminal',
    status: error === null ? 'OK' : 'ERROR',
    created_at: new Date(nowMs).toISOString(),
    payload,
    error,
  });
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signed = Buffer.from(`${timestamp}.${body}`);
  return {
    body,
    headers: {
      'X-AtlasCloud-Webhook-Id': id,
      'X-AtlasCloud-Webhook-Event': 'video.task.terminal',
      'X-AtlasCloud-Webhook-Timestamp': timestamp,
      'X-AtlasCloud-Webhook-Key-Id': KEY_ID,
      'X-AtlasCloud-Webhook-Signature-Ed25519': sign(null, signed, privateKey).toString('base64url'),
      'X-AtlasCloud-Webhook-Signature': createHmac('sha256', SEED).update(signed).digest('hex'),
    },
  };
}

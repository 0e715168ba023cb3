/** The emulator's own ED25519 key, the same after a restart, and a webhook signed with it (docs.fal.ai, webhooks, 2026). */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Letter } from './announcer.ts';

/** How an ED25519 key of 32 bytes is wrapped for PKCS #8 (RFC 8410). */
const WRAPPING = Buffer.from('302e020100300506032b657004220420', 'hex');

function keyFrom(words: string): KeyObject {
  const seed = createHash('sha256').update(words).digest();
  return createPrivateKey({ key: Buffer.concat([WRAPPING, seed]), format: 'der', type: 'pkcs8' });
}

const SIGNING = keyFrom('the key of the sandbox');
/** Published beside the one in use, as before and after a rotation. */
const RETIRED = keyFrom('the former key of the sandbox');

const USER_ID = 'sandbox-user';

/** The published keys. */
export function jwks(): { readonly keys: readonly Record<string, unknown>[] } {
  return { keys: [RETIRED, SIGNING].map((key) => ({ ...createPublicKey(key).export({ format: 'jwk' }) })) };
}

/** The announcement with the headers that prove it. */
export function signed(requestId: string, payload: unknown, nowMs: number): Letter {
  const body = JSON.stringify(payload);
  const timestamp = String(Math.floor(nowMs / 1_000));
  const digest = createHash('sha256').update(body, 'utf8').digest('hex');
  const message = [requestId, USER_ID, timestamp, digest].join('\n');
  return {
    body,
    headers: {
      'x-fal-webhook-request-id': requestId,
      'x-fal-webhook-user-id': USER_ID,
      'x-fal-webhook-timestamp': timestamp,
      'x-fal-webhook-signature': sign(null, Buffer.from(message), SIGNING).toString('hex'),
    },
  };
}

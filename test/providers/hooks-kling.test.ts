/** Which announcements of official Kling are believed: Standard Webhooks, under a secret of the account's. */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { kling } from '../../providers/kling/index.ts';

/** The vector that was checked against kling.ai/document-api (callbacks, signature, since 2026-08-07). */
const SECRET = 'whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI=';
const GENUINE = {
  headers: {
    'webhook-id': '9876543210',
    'webhook-timestamp': '1781080794',
    'webhook-signature': 'v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=',
  },
  rawBody:
    '{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}',
};
const SENT_AT_MS = 1_781_080_794_000;

describe('an announcement', () => {
  const verify = (delivery: typeof GENUINE, nowMs = SENT_AT_MS, secrets = [SECRET]) =>
    kling.hooks?.verify(delivery, { nowMs, secrets, keys: [] });
  const withHeaders = (headers: Partial<(typeof GENUINE)['headers']>) => ({
    ...GENUINE,
    headers: { ...GENUINE.headers, ...headers },
  });
  const accepted = { deliveryId: '9876543210', taskId: '1234567890' };

  it('that is signed is heard, up to five minutes early or late, under any of its signatures and secrets', () => {
    expect(verify(GENUINE)).toEqual(accepted);
    expect(verify(GENUINE, SENT_AT_MS + 300_000)).toEqual(accepted);
    expect(verify(GENUINE, SENT_AT_MS - 300_000)).toEqual(accepted);
    const several = `v1,AAAA ${GENUINE.headers['webhook-signature']}`;
    expect(verify(withHeaders({ 'webhook-signature': several }))).toEqual(accepted);
    expect(verify(GENUINE, SENT_AT_MS, ['whsec_b3RoZXI=', SECRET])).toEqual(accepted);
  });

  it('that is sent again has the same id', () => {
    expect(verify(GENUINE)).toEqual(verify(GENUINE, SENT_AT_MS + 60_000));
  });

  it.each([
    ['is stale', () => verify(GENUINE, SENT_AT_MS + 301_000)],
    ['comes from the future', () => verify(GENUINE, SENT_AT_MS - 301_000)],
    ['has another body', () => verify({ ...GENUINE, rawBody: GENUINE.rawBody.replace('1234567890', '1') })],
    ['has another id', () => verify(withHeaders({ 'webhook-id': '1' }))],
    ['has another time', () => verify(withHeaders({ 'webhook-timestamp': '1781080795' }))],
    ['has a forged signature', () => verify(withHeaders({ 'webhook-signature': 'v1,AAAA' }))],
    ['is signed by nobody', () => verify({ headers: {} as never, rawBody: GENUINE.rawBody })],
    ['meets no secret', () => verify(GENUINE, SENT_AT_MS, [])],
    ['meets an empty secret', () => verify(GENUINE, SENT_AT_MS, ['', 'whsec_'])],
  ])('that %s is refused', (_what, verified) => {
    expect(verified()).toBeNull();
  });

  it('names its task in either generation, and what is adopted is read there', () => {
    const sign = (rawBody: string) => {
      const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
      const signature = createHmac('sha256', key).update(`1.1781080794.${rawBody}`).digest('base64');
      return { headers: { ...GENUINE.headers, 'webhook-id': '1', 'webhook-signature': `v1,${signature}` }, rawBody };
    };
    expect(verify(sign('{"task_id":"8","task_status":"succeed"}'))).toEqual({ deliveryId: '1', taskId: '8' });
    for (const odd of ['', '[]', 'null', '{"id":""}', '{"id":8}', '{']) expect(verify(sign(odd))).toBeNull();
    expect(kling.hooks?.adopt('8', '/text-to-video/kling-3.0')).toEqual({ taskId: '8' });
    expect(kling.hooks?.adopt('8', '/v1/videos/image2video kling-v2-1')).toEqual({
      taskId: '8',
      path: '/v1/videos/image2video',
    });
  });
});

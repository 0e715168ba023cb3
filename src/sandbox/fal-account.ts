/** What fal offers besides the queue: storage, published keys, list prices, the balance (docs.fal.ai, 2026). */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import type { Emulator } from './emulator.ts';
import { endpointOf } from './fal-models.ts';
import { jwks } from './fal-signing.ts';

interface StoredFile {
  readonly name: string;
  readonly type: string;
  bytes: Buffer | null;
}

const initiate = z.strictObject({ file_name: z.string().min(1), content_type: z.string().regex(/^\w+\/[\w.+-]+$/) });

/** Storage: a place is asked for with the key, and filled by PUT without it. Files live as long as the process. */
export function mountStorage(emulator: Emulator): void {
  const files = new Map<string, StoredFile>();
  const { app } = emulator;
  app.use('/storage/*', async (c, next) => {
    if (isKeyed(c)) return await next();
    return c.json({ detail: 'No user found for Key ID and Secret' }, 401);
  });
  app.post('/storage/upload/initiate', async (c) => {
    const checked = emulator.check(initiate, await c.req.json().catch(() => null));
    // Without a type, as the vendor's former client asks, the place is at an older host; here it is the same.
    if (![undefined, 'gcs', 'fal-cdn-v3'].includes(c.req.query('storage_type'))) {
      return c.json({ detail: 'unknown storage_type' }, 400);
    }
    if ('fault' in checked) {
      return c.json({ detail: [{ loc: ['body', checked.field], msg: checked.fault, type: 'missing' }] }, 422);
    }
    const { file_name: name, content_type: type } = checked.value;
    const id = randomUUID();
    files.set(id, { name, type, bytes: null });
    const path = `b/${id}/${encodeURIComponent(name)}`;
    return c.json({
      upload_url: `${emulator.url}/upload/${path}?signature=${randomUUID()}`,
      file_url: `${emulator.url}/media/${path}`,
    });
  });
  app.put('/upload/b/:id/:name', async (c) => {
    const file = files.get(c.req.param('id'));
    if (!file || c.req.query('signature') === undefined) return c.json({ detail: 'Forbidden' }, 403);
    if (c.req.header('content-type') !== file.type) {
      emulator.violations.push(`upload: content-type ${c.req.header('content-type')} where ${file.type} was announced`);
      return c.json({ detail: 'SignatureDoesNotMatch' }, 403);
    }
    file.bytes = Buffer.from(await c.req.arrayBuffer());
    return c.json({});
  });
  app.get('/media/b/:id/:name', (c) => {
    const file = files.get(c.req.param('id'));
    if (!file?.bytes) return c.text('not found', 404);
    return c.body(new Uint8Array(file.bytes), 200, { 'content-type': file.type });
  });
  app.get('/.well-known/jwks.json', (c) => c.json(jwks()));
}

export const isKeyed = (c: EmulatorContext): boolean => /^Key \S+$/.test(c.req.header('authorization') ?? '');

const CREDITS_USD = 1_000;

/** The platform's own interface, whose errors have an envelope of their own. `spent` is what the tasks have cost. */
export function mountPlatform(emulator: Emulator, spent: () => number): void {
  const { app } = emulator;
  const refuse = (c: EmulatorContext, status: 400 | 401 | 403 | 404, type: string, message: string): Response =>
    c.json({ error: { type, message, docs_url: 'https://docs.fal.ai', request_id: randomUUID() } }, status);
  app.use('/v1/*', async (c, next) => {
    if (isKeyed(c)) return await next();
    return refuse(c, 401, 'authorization_error', 'Authentication is required');
  });
  app.get('/v1/account/billing', (c) => {
    // A key for inference alone has not the scope.
    if (c.req.header('authorization') === 'Key sandbox-inference') {
      return refuse(c, 403, 'authorization_error', 'the key needs the scope ADMIN');
    }
    if (c.req.query('expand') !== 'credits') return c.json({ username: 'sandbox' });
    const left = Math.round((CREDITS_USD - spent()) * 1_000_000) / 1_000_000;
    return c.json({ username: 'sandbox', credits: { current_balance: left, currency: 'USD' } });
  });
  app.get('/v1/models/pricing', (c) => {
    const ids = c.req.queries('endpoint_id')?.flatMap((id) => id.split(',')) ?? [];
    const unknown = ids.find((id) => !endpointOf(id));
    if (unknown !== undefined) return refuse(c, 404, 'not_found', `Endpoint ${unknown} not found`);
    const prices = ids.map((id) => ({
      endpoint_id: id,
      unit_price: endpointOf(id)?.usdPerSecond,
      unit: 'second',
      currency: 'USD',
    }));
    return c.json({ prices, next_cursor: null, has_more: false });
  });
}

/** What Atlas tells besides videos: catalog, quote, uploads, history, balance (atlascloud.ai/docs and atlascloud-mcp, 2026). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { formOf, modelIds, modelOf, orderOf } from './atlas-models.ts';
import { modelIdOf, showTask, statusOf, usdOf } from './atlas-tasks.ts';
import type { EmulatorContext } from './context.ts';
import type { Emulator } from './emulator.ts';

export type Status = 400 | 401 | 402 | 403 | 404 | 413 | 429 | 500;
export type Refuse = (c: EmulatorContext, status: Status, msg: string) => Response;

const CASH_USD = 10_000;

const money = (usd: number) => ({ value: usd.toFixed(6), currency: 'usd' });

/** A body that this model takes, or the refusal of it. */
export function readForm(emulator: Emulator, c: EmulatorContext, body: unknown, refuse: Refuse) {
  const id = typeof body === 'object' && body !== null && 'model' in body ? body.model : undefined;
  if (typeof id !== 'string') return { refusal: refuse(c, 400, 'model is required') };
  const model = modelOf(id);
  if (!model) {
    emulator.violations.push(`model: ${id.slice(0, 100)} is not sold`);
    return { refusal: refuse(c, 404, `model ${id} not found`) };
  }
  const checked = emulator.check(formOf(id, model), body);
  return 'fault' in checked ? { refusal: refuse(c, 400, checked.fault) } : { order: orderOf(checked.value, model) };
}

/** Open to everybody. */
export function mountCatalog(emulator: Emulator, refuse: Refuse): void {
  const { app } = emulator;
  app.get('/api/v1/models', (c) => c.json({ code: '200', data: modelIds.map((id) => showModel(emulator, id)) }));
  app.get('/model/schema/:name', (c) => {
    const id = modelIds.find((known) => schemaName(known) === c.req.param('name'));
    const model = id && modelOf(id);
    if (!model) return c.text('not found', 404);
    const input = z.toJSONSchema(formOf(id, model), { io: 'input' });
    return c.json({ openapi: '3.0.0', info: { title: id, version: '1' }, components: { schemas: { Input: input } } });
  });
  app.post('/api/v1/model/calculate', async (c) => {
    const read = readForm(emulator, c, await c.req.json().catch(() => null), refuse);
    return read.refusal ?? c.json({ code: 200, data: { price: read.order.usd } });
  });
}

const schemaName = (id: string): string => `${id.replaceAll('/', '_')}.json`;

function showModel(emulator: Emulator, id: string): Record<string, unknown> {
  const price = String(modelOf(id)?.usd[0] ?? 0);
  return {
    model: id,
    type: 'Video',
    displayName: id.split('/').slice(1).join(' '),
    schema: `${emulator.url}/model/schema/${schemaName(id)}`,
    tags: [],
    price: {
      actual: { base_price: price, unit: 'second' },
      origin: { base_price: price, unit: 'second' },
      discount: '100',
    },
    display_console: true,
  };
}

const historyQuery = z.object({
  no: z.coerce.number().int().min(1).default(1),
  size: z.coerce.number().int().min(1).max(50).default(10),
  sessionID: z.string().optional(),
  model: z.string().optional(),
  status: z.string().optional(),
});

/** Behind the key. */
export function mountAccount(emulator: Emulator, refuse: Refuse): void {
  const { app } = emulator;
  mountUploads(emulator, refuse);
  app.get('/api/v1/model/history', (c) => {
    const parsed = historyQuery.safeParse(c.req.query());
    if (!parsed.success) return refuse(c, 400, 'no or size');
    const { no, size, sessionID, model, status } = parsed.data;
    const wanted = emulator
      .list()
      .reverse()
      .filter((task) => task.fault !== 'vanished')
      .filter((task) => sessionID === undefined || task.id === sessionID)
      .filter((task) => model === undefined || modelIdOf(task) === model)
      .filter((task) => status === undefined || statusOf(emulator, task) === status);
    const items = wanted.slice((no - 1) * size, no * size).map((task) => ({
      ID: task.id,
      createdAt: Math.floor(task.createdAtMs / 1_000),
      model: modelIdOf(task),
      requestBody: JSON.stringify(task.request),
      result: showTask(emulator, task),
      status: statusOf(emulator, task),
    }));
    return c.json({ code: 200, data: { items, pageNo: no, pageSize: size, total: wanted.length } });
  });
  app.get('/public/v1/balance', (c) => {
    const usd = emulator.list().map((task) => usdOf(emulator, task));
    const frozen = usd.reduce((sum, { held }) => sum + held, 0);
    const cash = CASH_USD - usd.reduce((sum, { charged }) => sum + charged, 0);
    return c.json({
      object: 'balance',
      scope: 'account',
      account: { id: 'acc_sandbox', name: 'sandbox', type: 'team' },
      available: money(cash - frozen),
      cash: money(cash),
      bonus: money(0),
      subscription_bonus: money(0),
      frozen: money(frozen),
      credit_grant: {
        status: 'none',
        granted: money(0),
        used: money(0),
        remaining_overdraft: money(0),
        overdrawn: money(0),
      },
      request_id: randomBytes(4).toString('hex'),
    });
  });
}

/** Files live in memory, as long as the process. */
function mountUploads(emulator: Emulator, refuse: Refuse): void {
  const files = new Map<string, { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> }>();
  emulator.app.post('/api/v1/model/uploadMedia', async (c) => {
    const form = await c.req.formData().catch(() => null);
    const file = form?.get('file');
    if (!(file instanceof File)) return refuse(c, 400, 'file is required');
    const bytes = new Uint8Array(await file.arrayBuffer());
    const name = `${randomBytes(8).toString('hex')}-${file.name.replaceAll('/', '_')}`;
    files.set(name, { type: file.type || 'application/octet-stream', bytes });
    const download_url = `${emulator.url}/media/${encodeURIComponent(name)}`;
    const data = { type: file.type.split('/')[0] ?? '', download_url, filename: file.name, size: bytes.length };
    return c.json({ code: 200, message: '', data });
  });
  emulator.app.get('/media/:name', (c) => {
    const file = files.get(c.req.param('name'));
    return file ? c.body(file.bytes, 200, { 'content-type': file.type }) : c.text('not found', 404);
  });
}

/** What PiAPI tells about an account, and its host for uploads (piapi.ai/docs, account-info; upload, 2026). */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import type { Emulator } from './emulator.ts';
import { POINTS_PER_USD, pointsTaken } from './piapi-tasks.ts';

const USD_BOUGHT = 200;
const UPLOAD_BYTES_MAX = 10 * 1_048_576;

type Refuse = (c: EmulatorContext, status: 400 | 404, message: string) => Response;

const uploadRequest = z.strictObject({
  file_name: z
    .string()
    .regex(/^[^/\\]{1,200}\.(jpe?g|png|webp|gif|mp4|mov|mp3|wav)$/i, 'expected a name with its ending'),
  file_data: z.base64().min(4),
});

/** Balance and tasks of the account; uploads, which live in memory as long as the process. */
export function mountAccount(emulator: Emulator, refuse: Refuse): void {
  const { app } = emulator;
  const files = new Map<string, Buffer>();
  app.get('/account/info', (c) => c.json({ code: 200, data: accountOf(emulator), message: 'success' }));
  app.get('/account/active_tasks', (c) => {
    const phases = emulator.list().map((task) => emulator.phaseOf(task));
    const pending = phases.filter((phase) => phase === 'queued').length;
    const processing = phases.filter((phase) => phase === 'running').length;
    const kling = { pending_count: pending, processing_count: processing, staged_count: 0 };
    const data = { kling: { ...kling, active_tasks: pending + processing } };
    return c.json({ code: 200, data, message: 'success' });
  });
  app.post('/api/ephemeral_resource', async (c) => {
    const checked = emulator.check(uploadRequest, await c.req.json().catch(() => null));
    if ('fault' in checked) return refuse(c, 400, checked.fault);
    const bytes = Buffer.from(checked.value.file_data, 'base64');
    if (bytes.length > UPLOAD_BYTES_MAX) return refuse(c, 400, 'file is larger than 10 MB');
    const name = `${randomUUID()}.${checked.value.file_name.split('.').at(-1)}`;
    files.set(name, bytes);
    return c.json({ url: `${emulator.url}/ephemeral/${name}` });
  });
  app.get('/ephemeral/:name', (c) => {
    const bytes = files.get(c.req.param('name'));
    return bytes ? c.body(new Uint8Array(bytes)) : c.text('404 page not found', 404);
  });
}

function accountOf(emulator: Emulator): Record<string, unknown> {
  const taken = emulator.list().reduce((sum, task) => sum + pointsTaken(emulator, task), 0);
  const points = USD_BOUGHT * POINTS_PER_USD - taken;
  const pack = { total_credits: 0, available_credits: 0, used_credits: 0, frozen_credits: 0 };
  return {
    id: 'acc_sandbox',
    name: 'sandbox',
    plan: 'creator',
    type: 'ppu',
    is_enable: true,
    equivalent_in_usd: points / POINTS_PER_USD,
    max_concurrent_task_count: emulator.slots,
    wallet: { point_remain: points },
    credit_pack_info: { ...pack, expired_credits: 0, inactive_credits: 0 },
  };
}

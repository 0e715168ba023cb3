/** EvoLink's files host, as its own clients use it (EvoLinkAI/evolink-mcp and evolink-media-mcp, file-client, 2026). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import type { Emulator } from './emulator.ts';

const BYTES_MAX = 100 * 1_048_576;
const FILES_MAX = 100;
const LIFE_MS = 72 * 3_600_000;
const IMAGES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];

interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
  readonly storedAtMs: number;
}

const names = { upload_path: z.string().max(255).optional(), file_name: z.string().max(255).optional() };
const base64Upload = z.strictObject({ base64_data: z.string().min(1), ...names });
const urlUpload = z.strictObject({ file_url: z.string().regex(/^https?:\/\/\S+$/), ...names });

const refuse = (c: EmulatorContext, status: 400 | 401 | 404, code: number, msg: string): Response =>
  c.json({ success: false, code, msg }, status);

/** The routes of the files host, on the emulator's own origin. Files live in memory, as long as the process. */
export function mountFiles(emulator: Emulator): void {
  const files = new Map<string, StoredFile>();
  const { app } = emulator;
  const root = '/api/v1/files';
  app.use(`${root}/*`, async (c, next) => {
    if (/^Bearer \S+$/.test(c.req.header('authorization') ?? '')) return await next();
    return refuse(c, 401, 401, 'invalid api key');
  });
  app.post(`${root}/upload/base64`, async (c) => {
    const checked = emulator.check(base64Upload, await c.req.json().catch(() => null));
    if ('fault' in checked) return refuse(c, 400, 400, checked.fault);
    const { base64_data: data, file_name: name } = checked.value;
    const [, type = 'image/png', base64 = data] = /^data:([^;,]+);base64,(.*)$/s.exec(data) ?? [];
    return keep(emulator, files, c, {
      name: name ?? randomBytes(8).toString('hex'),
      type,
      bytes: Buffer.from(base64, 'base64'),
    });
  });
  app.post(`${root}/upload/stream`, async (c) => {
    const form = await c.req.formData().catch(() => null);
    const file = form?.get('file');
    if (!(file instanceof File)) return refuse(c, 400, 400, 'file is required');
    const name = form?.get('fileName');
    const bytes = Buffer.from(await file.arrayBuffer());
    return keep(emulator, files, c, { name: typeof name === 'string' ? name : file.name, type: file.type, bytes });
  });
  app.post(`${root}/upload/url`, async (c) => {
    const checked = emulator.check(urlUpload, await c.req.json().catch(() => null));
    if ('fault' in checked) return refuse(c, 400, 400, checked.fault);
    // The sandbox reaches nothing but loopback.
    return refuse(c, 400, 40004, 'the URL cannot be fetched');
  });
  app.get(`${root}/list`, (c) => {
    const page = Number(c.req.query('page') ?? 1);
    const size = Number(c.req.query('page_size') ?? c.req.query('pageSize') ?? 20);
    const shown = [...files.values()].slice((page - 1) * size, page * size).map((file) => show(emulator, file));
    return c.json({ success: true, code: 200, msg: 'ok', data: { files: shown, total: files.size } });
  });
  app.get(`${root}/quota`, (c) => {
    const used = { used_files: files.size, remain_files: FILES_MAX - files.size };
    const data = { user_group: 'default', max_files: FILES_MAX, ...used };
    return c.json({ success: true, code: 200, msg: 'ok', data });
  });
  app.delete(`${root}/:id`, (c) => {
    if (!files.delete(c.req.param('id'))) return refuse(c, 404, 404, 'file not found');
    return c.json({ success: true, code: 200, msg: 'ok' });
  });
  app.get('/kept/:id/:name', (c) => {
    const file = files.get(c.req.param('id'));
    if (!file) return c.text('not found', 404);
    return c.body(new Uint8Array(file.bytes), 200, { 'content-type': file.type });
  });
}

type NewFile = Pick<StoredFile, 'name' | 'type' | 'bytes'>;

/** Stores a file under its name, over one that has it; what is too large, too many or no media is refused. */
function keep(emulator: Emulator, files: Map<string, StoredFile>, c: EmulatorContext, file: NewFile): Response {
  for (const { id, storedAtMs } of files.values()) if (emulator.nowMs() - storedAtMs > LIFE_MS) files.delete(id);
  if (file.bytes.length > BYTES_MAX) return refuse(c, 400, 40001, 'file too large');
  if (!IMAGES.includes(file.type) && !/^(video|audio)\//.test(file.type)) {
    return refuse(c, 400, 40002, `unsupported file type ${file.type}`);
  }
  const same = [...files.values()].find(({ name }) => name === file.name);
  if (!same && files.size >= FILES_MAX) return refuse(c, 400, 40003, 'file quota exceeded');
  const id = same?.id ?? `file_${randomBytes(8).toString('hex')}`;
  const stored: StoredFile = { ...file, id, storedAtMs: emulator.nowMs() };
  files.set(id, stored);
  return c.json({ success: true, code: 200, msg: 'ok', data: show(emulator, stored) });
}

function show(emulator: Emulator, { id, name, type, bytes, storedAtMs }: StoredFile): Record<string, unknown> {
  const address = `${emulator.url}/kept/${id}/${encodeURIComponent(name)}`;
  return {
    file_id: id,
    file_name: name,
    original_name: name,
    file_size: bytes.length,
    mime_type: type,
    file_url: address,
    download_url: `${address}?download=1`,
    upload_time: new Date(storedAtMs).toISOString(),
    expires_at: new Date(storedAtMs + LIFE_MS).toISOString(),
  };
}

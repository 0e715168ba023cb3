import { Readable } from 'node:stream';
import parseRange from 'range-parser';
import { GatewayError } from '../ground/errors.ts';
import { videoName } from '../jobs/close.ts';
import type { JobRow } from '../store/schema.ts';
import type { Ctx, FrontDeps } from './context.ts';
import type { SavedFiles } from './saved-files.ts';

const VARIANTS_WE_LACK = ['thumbnail', 'spritesheet'];

/**
 * Streams the saved video: whole, or one range of it, or nothing when the client has it already. A file that is not what
 * was saved is not sent: its ETag would vouch for it, for ever.
 */
export async function serveContent(deps: FrontDeps, c: Ctx, job: JobRow, saved: SavedFiles): Promise<Response> {
  assertVariant(c.req.query('variant') ?? 'video');
  assertReady(deps, job);
  const size = job.fileBytes ?? 0;
  const etag = `"${job.fileDigest}"`;
  const headers: Record<string, string> = {
    'content-type': job.fileType ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'content-disposition': `inline; filename="${job.id}.mp4"`,
    etag,
  };
  if (matches(c.req.header('if-none-match'), etag)) return c.body(null, 304, headers);
  const range = rangeOf(c, size, etag);
  if (range === 'unsatisfiable') {
    throw new GatewayError('range_not_satisfiable', {
      message: `The range lies outside the ${size} bytes of this video.`,
      param: 'range',
      headers: { 'content-range': `bytes */${size}` },
    });
  }
  await assertWhole(saved, job);
  const stream = deps.jobs.files.read(videoName(job.id), range ?? undefined);
  const body = Readable.toWeb(stream) as ReadableStream;
  if (range === null) return c.body(body, 200, { ...headers, 'content-length': String(size) });
  return c.body(body, 206, {
    ...headers,
    'content-length': String(range.end - range.start + 1),
    'content-range': `bytes ${range.start}-${range.end}/${size}`,
  });
}

function assertVariant(variant: string): void {
  if (variant === 'video') return;
  const known = VARIANTS_WE_LACK.includes(variant) ? `'${variant}' is not made here` : `there is no '${variant}'`;
  throw new GatewayError('invalid_value', {
    message: `Invalid value for 'variant': ${known}; use 'video'.`,
    param: 'variant',
  });
}

function assertReady(deps: FrontDeps, job: JobRow): void {
  switch (job.state) {
    case 'completed':
      if (job.expiresAtMs !== null && job.expiresAtMs <= deps.jobs.clock.nowMs())
        throw new GatewayError('video_expired');
      return;
    case 'failed':
    case 'cancelled':
      throw new GatewayError('video_failed', { message: job.errorMessage ?? undefined });
    case 'queued':
    case 'running':
    case 'saving':
      throw new GatewayError('video_not_ready');
  }
}

async function assertWhole(saved: SavedFiles, job: JobRow): Promise<void> {
  const fault = await saved.faultOf(job);
  if (fault === null) return;
  throw new GatewayError('server_error', {
    message: 'The saved file of this video is missing or damaged, so it is not sent. Ask the operator of this gateway.',
    headers: { 'x-should-retry': 'false' },
    internal: fault,
  });
}

const matches = (header: string | undefined, etag: string): boolean =>
  header !== undefined && (header === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag));

/** One range at most; several, or one for another version of the file, are answered with the whole. */
function rangeOf(c: Ctx, size: number, etag: string): { start: number; end: number } | null | 'unsatisfiable' {
  const header = c.req.header('range');
  const ifRange = c.req.header('if-range');
  if (header === undefined || (ifRange !== undefined && ifRange !== etag)) return null;
  const ranges = parseRange(size, header, { combine: false });
  if (ranges === -1) return 'unsatisfiable';
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null;
  return ranges[0] ?? null;
}

import { isNotNull } from 'drizzle-orm';
import { mediaOf } from '../ground/video-request.ts';
import { jobs } from '../store/schema.ts';
import { requestOf, uploadName } from './close.ts';
import type { Deps } from './deps.ts';

/**
 * Removes what a killed process left behind: half-written files, and uploads that no open job will ask for. Only at
 * start, and only where this process has the store to itself.
 */
export async function sweepLeftovers({
  database,
  files,
  log,
}: Pick<Deps, 'database' | 'files' | 'log'>): Promise<void> {
  const open = await database.read((tx) =>
    tx.select({ request: jobs.request }).from(jobs).where(isNotNull(jobs.dueAtMs)),
  );
  const media = open.flatMap((job) => mediaOf(requestOf(job)).map((item) => item.media));
  const needed = new Set(media.flatMap((item) => (item.kind === 'upload' ? [uploadName(item.uploadId)] : [])));
  const uploads = await files.list('uploads');
  const videos = await files.list('videos');
  const left = [...uploads.filter((name) => !needed.has(name)), ...videos.filter((name) => name.endsWith('.part'))];
  for (const name of left) await files.remove(name);
  if (left.length > 0) log.info('leftovers removed', { count: left.length });
}

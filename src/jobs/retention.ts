import { and, eq, isNotNull, isNull, lte } from 'drizzle-orm';
import { jobs } from '../store/schema.ts';
import { videoName } from './close.ts';
import type { Deps } from './deps.ts';

const BATCH = 200;

/** Removes the files of videos whose time is over; their rows stay. How many were removed. */
export async function removeExpired({
  database,
  files,
  clock,
}: Pick<Deps, 'database' | 'files' | 'clock'>): Promise<number> {
  let removed = 0;
  for (;;) {
    const nowMs = clock.nowMs();
    const expired = await database.read((tx) =>
      tx
        .select({ id: jobs.id })
        .from(jobs)
        .where(and(isNotNull(jobs.expiresAtMs), isNull(jobs.fileRemovedAtMs), lte(jobs.expiresAtMs, nowMs)))
        .limit(BATCH),
    );
    for (const { id } of expired) {
      // The file goes first: a mark without a removal would keep it for ever, a removal without a mark is done again.
      await files.remove(videoName(id));
      await database.write((tx) => tx.update(jobs).set({ fileRemovedAtMs: nowMs }).where(eq(jobs.id, id)));
    }
    removed += expired.length;
    if (expired.length < BATCH) return removed;
  }
}

import type { Clock } from '../ground/time.ts';
import type { Files } from '../store/files.ts';

/** Below this much free space nothing is admitted: what runs must still find room for its videos and its books. */
const FREE_BYTES_MIN = 1_024 ** 3;
const FREE_SHARE_MIN = 0.05;
/** How long one look at the disk counts. */
const LOOK_EVERY_MS = 2_000;

/** Whether the disk has room for more videos. Asks the system at most every two seconds. */
export class DiskWatch {
  private readonly files: Pick<Files, 'space'>;
  private readonly clock: Pick<Clock, 'monotonicMs'>;
  private lookedAtMs = Number.NEGATIVE_INFINITY;
  private last: Promise<string | null> = Promise.resolve(null);

  constructor(files: Pick<Files, 'space'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.files = files;
    this.clock = clock;
  }

  /** What is wrong, in words for operators; null while there is room. */
  async shortage(): Promise<string | null> {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.lookedAtMs >= LOOK_EVERY_MS) {
      this.lookedAtMs = nowMs;
      this.last = this.look();
    }
    return await this.last;
  }

  private async look(): Promise<string | null> {
    const { freeBytes, totalBytes } = await this.files.space();
    const needed = Math.max(FREE_BYTES_MIN, totalBytes * FREE_SHARE_MIN);
    if (freeBytes >= needed) return null;
    const mebibytes = (bytes: number): string => `${Math.floor(bytes / 1_024 ** 2)} MiB`;
    return `${mebibytes(freeBytes)} free on the disk of the videos, ${mebibytes(needed)} are needed to admit more`;
  }
}

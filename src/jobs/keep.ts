import { SECOND_MS } from '../ground/time.ts';
import { StoreUnavailable } from '../store/database.ts';
import type { Deps } from './deps.ts';

const AGAIN_MS = SECOND_MS;
/** A process that is told to stop hopes for its store this long. */
const WHEN_STOPPING_MS = 30 * SECOND_MS;

/** Whose write it is, and what it is about, for the log. */
export interface Kept {
  readonly video: string;
  readonly attempt: string;
  readonly account: string;
  readonly detail: string;
}

/**
 * Repeats a write of something that nobody tells a second time (a task's id, a refusal) once a second, for as long as the
 * store refuses it: until it is written, or this process ends. Errors that are not the store's come through at once. After
 * a stop it is given up in half a minute, with the store's own error; what was lost is in the log.
 */
export async function untilWritten<T>(
  { clock, log, stopping }: Pick<Deps, 'clock' | 'log' | 'stopping'>,
  kept: Kept,
  write: () => Promise<T>,
): Promise<T> {
  let stoppedAtMs: number | null = null;
  for (let tries = 1; ; tries += 1) {
    try {
      const value = await write();
      if (tries > 1) log.info('written at last', { ...kept, count: tries });
      return value;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (stopping?.aborted) stoppedAtMs ??= clock.monotonicMs();
      if (stoppedAtMs !== null && clock.monotonicMs() >= stoppedAtMs + WHEN_STOPPING_MS) {
        log.error('never written', { ...kept, count: tries, error });
        throw error;
      }
      if (tries === 1) log.error('not written yet', { ...kept, error });
      await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
    }
  }
}

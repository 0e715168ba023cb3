import { present } from '../ground/assert.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { dropVideo } from './cancel.ts';
import { type Deps, DUE_NOW, ENDED, type StepResult } from './deps.ts';
import { dispatchJob } from './dispatch.ts';
import { lookAfterDoubt } from './doubt.ts';
import type { DownloadPlaces } from './download-line.ts';
import { hasEnded, isLive } from './job.ts';
import { lookAfterLate } from './late.ts';
import { pollAttempt } from './poll.ts';
import type { Slots } from './queue.ts';
import { LeaseLost, loadAttempts, loadJob } from './rows.ts';
import { saveVideo } from './save.ts';
import { stopTask } from './stop.ts';
import { abandonedSubmission } from './submit.ts';
import { waitForAccount } from './unconfigured.ts';

/**
 * One step in the life of a job: reads where it stands, does the next thing, says when the one after is due. Steps of
 * one job never run side by side in a process; another process that took the job makes this one stop at its first
 * write.
 */
export async function runStep(deps: Deps, jobId: string, slots: Slots, places: DownloadPlaces): Promise<StepResult> {
  const found = await deps.database.read(async (tx) => {
    const job = await loadJob(tx, jobId);
    return job && { job, attempts: await loadAttempts(tx, jobId) };
  });
  if (!found) return ENDED;
  if (hasEnded(found.job.state)) return await lookAfterLate(deps, found.job, found.attempts);
  if (found.job.leaseOwner !== deps.processId) return ENDED;
  try {
    return await nextStep(deps, found.job, found.attempts, { slots, places });
  } catch (error) {
    // Looked at again: whoever wrote in between may have left the job with this process all the same.
    if (error instanceof LeaseLost) return DUE_NOW;
    throw error;
  }
}

async function nextStep(
  deps: Deps,
  job: JobRow,
  attempts: readonly AttemptRow[],
  { slots, places }: { readonly slots: Slots; readonly places: DownloadPlaces },
): Promise<StepResult> {
  const latest = attempts.at(-1);
  if (job.state === 'saving') {
    const finished = present(latest, 'the attempt that finished');
    if (job.cancelRequestedAtMs !== null) return await dropVideo(deps, job, finished);
    return await saveVideo(deps, job, finished, places);
  }
  if (!latest || !isLive(latest.state)) return await dispatchJob(deps, job, attempts, slots);
  const account = deps.accounts.get(latest.account);
  if (!account) return await waitForAccount(deps, job, latest);
  switch (latest.state) {
    case 'submitting':
      return await abandonedSubmission(deps, job, latest);
    case 'in_doubt':
      return await lookAfterDoubt(deps, job, latest, account);
    default: {
      const stopped = job.cancelRequestedAtMs === null ? null : await stopTask(deps, job, latest, account);
      return stopped ?? (await pollAttempt(deps, job, latest, account));
    }
  }
}

import { HOUR_MS, utcDay } from '../ground/time.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import { type Deps, dueIn, type StepResult } from './deps.ts';
import { goOnInDoubt } from './doubt-fallback.ts';
import { giveUp } from './poll.ts';
import { raise } from './raise.ts';
import { abandonedSubmission } from './submit.ts';

/** Accounts are read when the process starts: to look more often would find the same, and say it again. */
const LOOK_EVERY_MS = HOUR_MS;

/**
 * Looks after a task whose account is not in the configuration any more. Nobody can ask for it, but the account may come
 * back, so it waits for that, or for a person's verdict, until the job's deadline. Then the job ends without a video:
 * what the task may have cost is suspected. A task that is known to have finished does not come here: its file is at an
 * address.
 */
export async function waitForAccount(deps: Deps, job: JobRow, attempt: AttemptRow): Promise<StepResult> {
  if (attempt.state === 'submitting') return await abandonedSubmission(deps, job, attempt);
  await tellOfMissing(deps, job, attempt);
  if (attempt.state === 'in_doubt') {
    const onward = await goOnInDoubt(deps, job, attempt);
    if (onward) return onward;
  }
  const leftMs = job.deadlineAtMs - deps.clock.nowMs();
  if (leftMs > 0) return dueIn(Math.min(LOOK_EVERY_MS, leftMs));
  return await giveUp(deps, job, attempt);
}

/** One alarm for each account and day, with one of its jobs as the example; a line in the log for each look. */
async function tellOfMissing(deps: Deps, job: JobRow, { id, provider, account }: AttemptRow): Promise<void> {
  const detail = 'its task cannot be read: configure the account again, or resolve the job by hand';
  deps.log.error('account not configured', { video: job.id, attempt: id, provider, account, detail });
  const data = {
    account,
    provider,
    job: job.id,
    next: `Configure ${account} again, or settle the job by POST /admin/v1/jobs/${job.id}/resolve; it ends at its deadline.`,
  };
  const mark = utcDay(deps.clock.nowMs());
  await raise(deps, { type: 'account.missing', subject: account, mark, data }, { detail, account });
}

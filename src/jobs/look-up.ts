import type { Absent, Failure, Json, Submission, Submitted } from '../../providers/contract.ts';
import type { BoundExchange } from '../../providers/define.ts';
import { MINUTE_MS, SECOND_MS } from '../ground/time.ts';
import type { AttemptRow, JobRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';
import { SEND_WITHIN_MS } from './submit.ts';

/** Absence is believed no sooner than this after the submission could last have left … */
const ABSENCE_AFTER_MS = 2 * MINUTE_MS;
/** … and from two look-ups this far apart that both succeeded. */
export const ABSENCES_APART_MS = 30 * SECOND_MS;
export const ABSENCES_NEEDED = 2;

/** Whether the submission may still be on its way, so that a look-up which finds nothing says nothing. */
export const mayStillArrive = ({ sendByMs }: Pick<AttemptRow, 'sendByMs'>, nowMs: number): boolean =>
  nowMs < sendByMs + ABSENCE_AFTER_MS;

/** Whether a look-up that finds nothing now counts besides those before it. */
export function countsAsAbsence(attempt: Pick<AttemptRow, 'sendByMs' | 'absentAtMs'>, nowMs: number): boolean {
  const { absentAtMs } = attempt;
  return !mayStillArrive(attempt, nowMs) && (absentAtMs === null || nowMs >= absentAtMs + ABSENCES_APART_MS);
}

/**
 * When doubt about an attempt is over, the end of its job at the latest. It runs from when the attempt was sent last: one
 * that was proven absent and sent again is as new as it was.
 */
export function endOfDoubtMs(
  { settings }: Pick<Deps, 'settings'>,
  { deadlineAtMs }: Pick<JobRow, 'deadlineAtMs'>,
  { sendByMs }: Pick<AttemptRow, 'sendByMs'>,
): number {
  return Math.min(sendByMs - SEND_WITHIN_MS + settings.doubtMs, deadlineAtMs);
}

/** Asks the provider for the task that has this submission's tag. No answer is a failure, and says nothing of the task. */
export async function lookUp(
  deps: Pick<Deps, 'wire' | 'wallMs'>,
  find: BoundExchange<Submission, Submitted<Json> | Absent>,
  submission: Submission,
  account: ProviderAccount,
): Promise<Submitted<Json> | Absent | Failure> {
  const answer = await deps.wire.read(account.target, find.request(submission, deps.wallMs()));
  if (answer.kind === 'answered') return find.response(answer.response, submission);
  return { state: 'failure', kind: 'unavailable', detail: answer.detail };
}

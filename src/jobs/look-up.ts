import type { Absent, Failure, Json, Submission, Submitted } from '../../providers/contract.ts';
import type { BoundExchange } from '../../providers/define.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';

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

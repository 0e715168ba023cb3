/** Tasks that only an announcement has named: whose they are is for a read with our own key to say. */
import type { Json, Submitted } from '../../providers/contract.ts';
import type { TaskIdentity } from '../../providers/identity.ts';
import { MINUTE_MS } from '../ground/time.ts';
import type { AttemptRow } from '../store/schema.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';
import { attemptOfTask } from './rows.ts';

/**
 * How far a provider's clock may be from ours, as far as signed announcements allow it too. Past the last instant at
 * which the submission could leave, a task may also come later by what an answer may take.
 */
const CLOCKS_APART_MS = 5 * MINUTE_MS;
const ANSWER_WITHIN_MS = MINUTE_MS;

/** `not_ours`: the provider has answered, and it is somebody else's task, or none. `unread`: it has not. */
export type Announced =
  | { readonly kind: 'ours'; readonly submitted: Submitted<Json> }
  | { readonly kind: 'not_ours' }
  | { readonly kind: 'unread' };

/**
 * Reads the announced task with the account's own key. It is the attempt's when it is there, no other attempt has it, and
 * everything fits that this provider's reads tell of it. Writes nothing.
 */
export async function readAnnounced(
  deps: Pick<Deps, 'wire' | 'wallMs' | 'database' | 'log'>,
  attempt: AttemptRow,
  account: ProviderAccount,
  taskId: string,
): Promise<Announced> {
  const { hooks } = account.provider;
  const handle = hooks?.adopt(taskId, attempt.upstream) ?? null;
  if (!hooks || handle === null) return { kind: 'not_ours' };
  const { poll } = account.connection;
  const answer = await deps.wire.read(account.target, poll.request(handle, deps.wallMs()));
  if (answer.kind !== 'answered') return { kind: 'unread' };
  const outcome = poll.response(answer.response, handle);
  if (outcome.state === 'failure' && outcome.task !== 'ended' && outcome.kind !== 'video_missing') {
    return { kind: outcome.kind === 'task_not_found' ? 'not_ours' : 'unread' };
  }
  const misfit = misfitOf(hooks.identity?.(answer.response, attempt.upstream) ?? {}, attempt);
  const taken = await deps.database.read((tx) => attemptOfTask(tx, account.id, taskId));
  const detail = misfit ?? (taken !== null && taken !== attempt.id ? 'another attempt has it' : null);
  if (detail === null) return { kind: 'ours', submitted: { state: 'submitted', taskId, handle } };
  deps.log.warn('announced task is not ours', { attempt: attempt.id, account: account.id, detail });
  return { kind: 'not_ours' };
}

/** Why a task is not that of the attempt; null when nothing that is known of it speaks against it. Pure. */
export function misfitOf(
  { attemptId, isOfOrder, createdAtMs }: TaskIdentity,
  attempt: Pick<AttemptRow, 'id' | 'createdAtMs' | 'sendByMs'>,
): string | null {
  if (attemptId !== undefined && attemptId !== attempt.id) return 'it has the tag of another attempt';
  if (isOfOrder === false) return 'it is of another model';
  if (createdAtMs === undefined) return null;
  if (createdAtMs < attempt.createdAtMs - CLOCKS_APART_MS) return 'it was made before the attempt';
  const latestMs = attempt.sendByMs + ANSWER_WITHIN_MS + CLOCKS_APART_MS;
  return createdAtMs > latestMs ? 'it was made after the attempt could leave' : null;
}

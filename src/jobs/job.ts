/**
 * Jobs own the life of a video: admitted, dispatched, polled, saved, closed. This file is its states, as a table; what
 * a tenant sees of them is `http/openai.ts`'s to say.
 */
import { assert } from '../ground/assert.ts';
import type { AttemptState, JobState } from '../store/schema.ts';

/**
 * `queued` until a provider has taken a task or may have; `running` from then on, also between two attempts; `saving`
 * once a task has finished, until its file is ours.
 */
export const JOB_TRANSITIONS = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['saving', 'failed', 'cancelled'],
  saving: ['completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<JobState, readonly JobState[]>;

/**
 * `submitting` is written before the submission leaves. `in_doubt`: it was sent, or may have been, and the answer was
 * never seen; it goes back to `submitting` only after proof that no task exists, or once where the account was seen to
 * replay, each under the same tag.
 */
export const ATTEMPT_TRANSITIONS = {
  submitting: ['running', 'in_doubt', 'failed', 'cancelled'],
  in_doubt: ['running', 'submitting', 'failed', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled', 'in_doubt'],
  succeeded: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<AttemptState, readonly AttemptState[]>;

/** The new state, after holding that the table allows the way there. Staying is always allowed. */
export function jobMoves(from: JobState, to: JobState): JobState {
  const allowed: readonly JobState[] = JOB_TRANSITIONS[from];
  assert(
    from === to || allowed.includes(to),
    `a job to go from ${from} only to ${allowed.join(', ') || 'nowhere'}, not ${to}`,
  );
  return to;
}

/** The new state, after holding that the table allows the way there. */
export function attemptMoves(from: AttemptState, to: AttemptState): AttemptState {
  const allowed: readonly AttemptState[] = ATTEMPT_TRANSITIONS[from];
  assert(allowed.includes(to), `an attempt to go from ${from} only to ${allowed.join(', ') || 'nowhere'}, not ${to}`);
  return to;
}

export function hasEnded(state: JobState): boolean {
  return JOB_TRANSITIONS[state].length === 0;
}

/** Attempts for which a paid task may exist. A job has at most one of them. */
export function isLive(state: AttemptState): boolean {
  return ATTEMPT_TRANSITIONS[state].length > 0;
}

import type { Failure, Json, Submission, Submitted } from '../../providers/contract.ts';
import type { BoundExchange } from '../../providers/define.ts';
import type { Answer } from '../wire/call.ts';

/** What a submission has come to. Everything that is neither accepted nor certainly refused is doubt. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly submitted: Submitted<Json> }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'in_doubt'; readonly detail: string };

/**
 * Judges the end of a submission.
 *
 * Certainly refused is only what was never sent, a complete 4xx other than 408 and 409, and what the adapter says its
 * provider documents as such. A reset, a timeout, a 5xx, a success without a task id, a redirect: a task may exist
 * and be paid for, so the attempt is in doubt and nothing is sent again.
 */
export function judgeSubmission(
  answer: Answer,
  exchange: BoundExchange<Submission, Submitted<Json>>,
  submission: Submission,
): Verdict {
  switch (answer.kind) {
    case 'never_sent':
      return {
        kind: 'refused',
        failure: { state: 'failure', kind: 'unavailable', detail: answer.detail },
      };
    case 'unanswered':
      return { kind: 'in_doubt', detail: answer.detail };
    case 'answered': {
      const outcome = exchange.response(answer.response, submission);
      if (outcome.state === 'submitted') return { kind: 'accepted', submitted: outcome };
      return certainlyRefused(answer.response.status, outcome)
        ? { kind: 'refused', failure: outcome }
        : { kind: 'in_doubt', detail: outcome.detail };
    }
  }
}

function certainlyRefused(status: number, { task }: Failure): boolean {
  if (task === 'none') return true;
  if (task === 'maybe') return false;
  return status >= 400 && status < 500 && status !== 408 && status !== 409;
}

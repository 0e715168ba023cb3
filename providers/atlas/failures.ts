import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

/** Media endpoints say `msg` in errors and `message` in successes; `/public/v1` says `error.message`. */
const words = z.object({
  msg: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  error: z.object({ message: z.string() }).optional().catch(undefined),
});

/** What each status means on a create: atlascloud.ai/docs, errors (2026). */
const KIND_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  402: 'out_of_credit',
  403: 'unauthorized',
  404: 'offer_refused',
  413: 'invalid_request',
  429: 'rate_limited',
  // The region is blocked for this model; others of the account may be open.
  451: 'offer_refused',
  500: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

const CONTENT_WORDS = ['moderation', 'sensitive', 'policy', 'nsfw', 'risk control', 'prohibited'];
const INPUT_WORDS = ['download', 'fetch', 'decode', 'image size', 'duration'];
const UNKNOWN_WORDS = ['unknown', 'not found', 'not exist', 'unsupported', 'not available'];

/** Where the text says more than the status. First match counts. */
const KIND_BY_TEXT: readonly (readonly [status: number, says: (text: string) => boolean, kind: FailureKind])[] = [
  // "model not found", in some cases: our catalog is wrong, not the request.
  [400, (text) => mentions(text, ['model']) && mentions(text, UNKNOWN_WORDS), 'offer_refused'],
  // An address of ours: the tenant has no part in it.
  [400, (text) => mentions(text, ['webhook']), 'offer_refused'],
  [400, (text) => mentions(text, CONTENT_WORDS), 'content_rejected'],
  // Rate and tasks at once are not told apart by anything but, perhaps, the words.
  [429, (text) => mentions(text, ['concurren']), 'concurrency_limited'],
];

/** The edge refuses unusual agents with a page and "error code: 1010"; nothing was created, and the key is fine. */
const isEdge = (response: ProviderResponse, text: string): boolean =>
  response.status === 403 && (response.body === null || text === '' || text.includes('1010'));

/** What an answer other than success means, on a submission. */
export function classify(response: ProviderResponse): Failure {
  const envelope = read(words, response);
  const text = envelope?.msg ?? envelope?.message ?? envelope?.error?.message ?? '';
  const detail = `HTTP ${response.status} ${text || response.text || outline(response.body)}`;
  const kind = kindOf(response, text);
  return kind === null ? protocolError(response, 'an Atlas error') : failure(kind, detail, retryAfter(response));
}

function kindOf(response: ProviderResponse, text: string): FailureKind | null {
  const { status } = response;
  if (isEdge(response, text)) return 'unavailable';
  const told = KIND_BY_TEXT.find(([ofStatus, says]) => ofStatus === status && says(text));
  return told?.[2] ?? KIND_BY_STATUS[status] ?? (status >= 500 ? 'unavailable' : null);
}

/** A read. In the first seconds after the create that of a task may answer 404, sometimes 400. */
export function classifyRead(response: ProviderResponse): Failure {
  const classified = classify(response);
  const unknown = response.status === 404 || response.status === 400;
  if (unknown) return failure('task_not_found', classified.detail);
  // Nothing is sold on a read: whatever is closed to us now may be open later.
  return classified.kind === 'offer_refused' ? failure('unavailable', classified.detail) : classified;
}

const INPUT_REJECTED = 1039;

/** The task has failed, and its hold is released (atlascloud.ai/docs, billing/refunds, 2026). */
const FREE = { task: 'ended', charged: 'no' } as const;

/** A task that ended in failure: only 1039 is a published code, the rest is text. */
export function classifyFailedTask(status: string, text: string, code: number | undefined): Failure {
  const detail = [status, code, text].filter((part) => part !== undefined && part !== '').join(': ');
  if (code === INPUT_REJECTED || mentions(text, CONTENT_WORDS)) return failure('content_rejected', detail, FREE);
  if (mentions(text, INPUT_WORDS)) return failure('invalid_request', detail, FREE);
  return failure('generation_failed', detail, FREE);
}

/** A task that is done and flagged. Success is charged, and nobody says that this one is not. */
export const flagged = (): Failure =>
  failure('content_rejected', 'completed: has_nsfw_contents', { task: 'ended', charged: 'unknown' });

import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

const errorEnvelope = z.object({ code: z.number().optional(), message: z.string().default('') });

/** PiAPI publishes no table of codes; these words were seen in its answers and are read before the HTTP status. */
const KIND_BY_WORDS: readonly (readonly [readonly string[], FailureKind])[] = [
  // Seen for an empty balance and for images that could not be used; the balance is the safer reading.
  [['failed to freeze point'], 'unavailable'],
  [['credit not enough', 'quota not enough', 'insufficient', 'freeze credit'], 'out_of_credit'],
  [['content violation', 'content restriction', 'nsfw', 'real person', 'deleted the task'], 'content_rejected'],
  [['decode input image', 'image size', 'image format'], 'invalid_request'],
  [['concurren'], 'concurrency_limited'],
  [['plan limit'], 'offer_refused'],
  [['fetch task failed'], 'unavailable'],
];

const kindByWords = (text: string): FailureKind | undefined =>
  KIND_BY_WORDS.find(([words]) => mentions(text, words))?.[1];

const KIND_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  402: 'out_of_credit',
  403: 'offer_refused',
  404: 'offer_refused',
  413: 'invalid_request',
  422: 'invalid_request',
  429: 'rate_limited',
};

/** What an answer other than success means, on a submission. */
export function classify(response: ProviderResponse): Failure {
  const message = read(errorEnvelope, response)?.message ?? '';
  const detail = `HTTP ${response.status} ${message || outline(response.body)}`;
  const kind = kindByWords(message) ?? KIND_BY_STATUS[response.status];
  if (response.status >= 500) return failure('unavailable', detail, retryAfter(response));
  if (kind !== undefined) return failure(kind, detail, retryAfter(response));
  return protocolError(response, 'a PiAPI error');
}

/** A read of a task: 404 is about the task. */
export function classifyRead(response: ProviderResponse): Failure {
  const classified = classify(response);
  return response.status === 404 ? failure('task_not_found', classified.detail) : classified;
}

/** A task that ended `failed`. The frozen points are released: such tasks show `consume` 0. */
export function classifyFailedTask(texts: readonly string[], consumed: number | undefined): Failure {
  const text = texts.filter((part) => part !== '').join('; ');
  const charged = consumed === undefined ? 'unknown' : consumed > 0 ? 'yes' : 'no';
  const kind = kindByWords(text) ?? 'generation_failed';
  return failure(kind, text || 'failed without a reason', { task: 'ended', charged });
}

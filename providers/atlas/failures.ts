import { z } from 'zod';
import { failure, mentions, outline, protocolError, read } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

/** Errors say `msg`, successes `message`; both are read. */
const errorEnvelope = z.object({ msg: z.string().optional(), message: z.string().optional() });

/** atlascloud.ai/docs, errors (2026). */
const KIND_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  402: 'out_of_credit',
  403: 'unauthorized',
  404: 'offer_refused',
  413: 'invalid_request',
  429: 'rate_limited',
  451: 'unauthorized',
  500: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/** What an answer other than success means, on a submission. */
export function classify(response: ProviderResponse): Failure {
  const envelope = read(errorEnvelope, response);
  const text = envelope?.msg ?? envelope?.message ?? '';
  const detail = `HTTP ${response.status} ${text || outline(response.body)}`;
  // The edge refuses unusual user agents with a page and "error code: 1010"; the key is fine.
  if (response.status === 403 && response.body === null) return failure('unavailable', detail);
  if (response.status === 400 && mentions(text, ['model']) && mentions(text, ['unknown', 'not found', 'not exist'])) {
    return failure('offer_refused', detail);
  }
  const kind = KIND_BY_STATUS[response.status];
  if (kind !== undefined) return failure(kind, detail);
  if (response.status >= 500) return failure('unavailable', detail);
  return protocolError(response, 'an Atlas error');
}

/** A read of a task. In the first seconds after the create a read may answer 404, sometimes 400. */
export function classifyRead(response: ProviderResponse): Failure {
  const classified = classify(response);
  const unknown = response.status === 404 || response.status === 400;
  return unknown ? failure('task_not_found', classified.detail) : classified;
}

const INPUT_REJECTED = 1039;
const CONTENT_WORDS = ['moderation', 'sensitive', 'policy', 'nsfw', 'risk control', 'prohibited'];
const INPUT_WORDS = ['download', 'fetch', 'decode', 'image size', 'duration'];

/** A job that ended in failure: only 1039 has a code, the rest is text. Failed jobs are not charged (docs). */
export function classifyFailedTask(status: string, text: string, code: number | undefined): Failure {
  const detail = [status, code, text].filter((part) => part !== undefined && part !== '').join(': ');
  if (code === INPUT_REJECTED || mentions(text, CONTENT_WORDS)) return failure('content_rejected', detail, FREE);
  if (mentions(text, INPUT_WORDS)) return failure('invalid_request', detail, FREE);
  return failure('generation_failed', detail, FREE);
}

const FREE = { task: 'ended', charged: 'no' } as const;

import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

const errorEnvelope = z.object({ code: z.number(), message: z.string().default('') });

/**
 * Kling's error table (kling.ai/document-api, error codes, mirrored 2026-09-20). Money, rate, concurrency and IP blocks
 * all come as HTTP 429; only `code` tells them apart.
 */
const KIND_BY_CODE: Readonly<Record<number, FailureKind>> = {
  1000: 'unauthorized',
  1001: 'unauthorized',
  1002: 'unauthorized',
  1003: 'unauthorized',
  1004: 'unauthorized',
  1100: 'unauthorized',
  1101: 'out_of_credit',
  1102: 'out_of_credit',
  1103: 'offer_refused',
  1200: 'invalid_request',
  1201: 'invalid_request',
  1202: 'offer_refused',
  1203: 'offer_refused',
  1300: 'content_rejected',
  1301: 'content_rejected',
  1302: 'rate_limited',
  1303: 'concurrency_limited',
  1304: 'unauthorized',
  5000: 'unavailable',
  5001: 'unavailable',
  5002: 'unavailable',
};

/** What an answer other than success means. */
export function classify(response: ProviderResponse): Failure {
  const envelope = read(errorEnvelope, response);
  if (!envelope) {
    if (response.status === 429) return failure('rate_limited', 'HTTP 429 without JSON', retryAfter(response));
    if (response.status >= 500) return failure('unavailable', `HTTP ${response.status} ${outline(response.body)}`);
    return protocolError(response, 'a Kling envelope');
  }
  const { code, message } = envelope;
  const detail = `code ${code}: ${message}`;
  const kind = KIND_BY_CODE[code];
  if (kind === undefined) return protocolError(response, 'a documented error code');
  if (code === 1201) return classifyBadValue(message, detail);
  return failure(kind, detail, retryAfter(response));
}

/** 1201 is also said of a repeated external id, an unknown task and a discontinued model. */
function classifyBadValue(message: string, detail: string): Failure {
  if (mentions(message, ['already exist', 'duplicate'])) {
    // Our tag was seen before: the task of this very attempt is there, and refusing the repeat cost nothing.
    return failure('protocol_error', detail, { task: 'maybe' });
  }
  if (mentions(message, ['task not found'])) return failure('task_not_found', detail);
  if (mentions(message, ['model']) && mentions(message, ['not exist', 'not found', 'discontinued', 'not support'])) {
    return failure('offer_refused', detail);
  }
  return failure('invalid_request', detail);
}

const CONTENT_WORDS = ['content', 'risk control', 'sensitive', 'moderation', 'policy', 'prohibited'];

/** A task that ended in failure. Kling gives a text and no code; a failed task is not charged (service terms). */
export function classifyFailedTask(message: string): Failure {
  const kind = mentions(message, CONTENT_WORDS) ? 'content_rejected' : 'generation_failed';
  return failure(kind, message || 'failed without a reason', { task: 'ended', charged: 'no' });
}

import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

const errorEnvelope = z.object({ code: z.number(), message: z.string().catch('') });

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
  // The account's state is abnormal: nobody but a person can mend that.
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

/** What a status says by itself, where no documented code stands beside it: pages of an edge, codes of tomorrow. */
function kindByStatus(status: number): FailureKind | null {
  if (status === 401) return 'unauthorized';
  if (status === 429) return 'rate_limited';
  // An edge that blocks us writes a page; Kling itself would have said 1103 or 1304.
  if (status === 403 || status === 408 || status >= 500) return 'unavailable';
  return null;
}

/** Whether an answer is to a submission or to a reading of what was made before. */
export type About = 'submission' | 'reading';

/** What an answer other than success means. A failed reading says nothing about its task. */
export function classify(response: ProviderResponse, about: About): Failure {
  const envelope = read(errorEnvelope, response);
  const kind = envelope ? KIND_BY_CODE[envelope.code] : undefined;
  if (envelope && kind) {
    const detail = `code ${envelope.code}: ${envelope.message}`;
    if (envelope.code === 1201) return classifyBadValue(envelope.message, detail, about);
    return failure(kind, detail, retryAfter(response));
  }
  const byStatus = kindByStatus(response.status);
  if (!byStatus) return protocolError(response, 'a documented error code of Kling');
  const words = response.text ?? outline(response.body);
  return failure(byStatus, `HTTP ${response.status} ${words}`, retryAfter(response));
}

/** 1201 is also said of a repeated external id, an unknown task and a discontinued model. */
function classifyBadValue(message: string, detail: string, about: About): Failure {
  if (mentions(message, ['already exist', 'duplicate'])) {
    // Our tag was seen before: the task of this very attempt is there, and refusing the repeat cost nothing.
    return failure('protocol_error', detail, { task: 'maybe' });
  }
  if (about === 'reading' && mentions(message, ['not found'])) return failure('task_not_found', detail);
  const isGone = mentions(message, ['not exist', 'not found', 'discontinued', 'offline', 'not support']);
  if (isGone && mentions(message, ['model'])) return failure('offer_refused', detail);
  return failure('invalid_request', detail);
}

/** Words of a moderation, in the languages in which tasks have been seen to end. */
const CONTENT_WORDS = [
  'content',
  'risk control',
  'sensitive',
  'moderation',
  'policy',
  'prohibited',
  '风控',
  '敏感',
  '违规',
];

/**
 * A task that ended in failure: kind and money. Kling gives a text and no code, and a failed task is not charged (Kling
 * API service terms, as read 2026-11-20).
 */
export function classifyFailedTask(message: string): Failure {
  const kind = mentions(message, CONTENT_WORDS) ? 'content_rejected' : 'generation_failed';
  return failure(kind, message || 'failed without a reason', { task: 'ended', charged: 'no' });
}

import { z } from 'zod';
import { failure, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

/** `code` is a string in the main reference and the HTTP status as an integer elsewhere; both are read. */
const errorEnvelope = z.object({
  error: z.object({
    code: z.union([z.string(), z.number()]).optional(),
    message: z.string().default(''),
    type: z.string().default(''),
  }),
});

/** Codes that say more than the HTTP status (docs.evolink.ai error codes; the vendor's own client, 2026-11). */
const KIND_BY_CODE: Readonly<Record<string, FailureKind>> = {
  insufficient_quota: 'out_of_credit',
  insufficient_user_quota: 'out_of_credit',
  quota_not_enough: 'out_of_credit',
  account_balance_insufficient: 'out_of_credit',
  insufficient_token_quota: 'out_of_credit',
  key_quota_exhausted: 'out_of_credit',
  token_daily_quota_exceeded: 'out_of_credit',
  key_daily_quota_exhausted: 'out_of_credit',
  key_disabled: 'unauthorized',
  key_expired: 'unauthorized',
  user_disabled: 'unauthorized',
  ip_restricted: 'unauthorized',
  key_model_not_allowed: 'offer_refused',
  model_access_denied: 'offer_refused',
  content_filter: 'content_rejected',
  sensitive_content: 'content_rejected',
  moderation_blocked: 'content_rejected',
  input_moderation_failed: 'content_rejected',
  content_policy_violation: 'content_rejected',
  no_available_channel: 'unavailable',
  model_unavailable: 'unavailable',
  channel_selection_failed: 'unavailable',
  service_unavailable: 'unavailable',
  task_not_found: 'task_not_found',
};

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
  const envelope = read(errorEnvelope, response);
  const code = String(envelope?.error.code ?? '');
  const detail = envelope ? `HTTP ${response.status} ${code}: ${envelope.error.message}` : outline(response.body);
  // The same key with another body, or a payment whose outcome EvoLink itself does not know: a task may exist.
  if (code === 'idempotency_conflict' || code === 'paid_outcome_unknown') {
    return failure('protocol_error', detail, { task: 'maybe' });
  }
  const kind = KIND_BY_CODE[code] ?? KIND_BY_STATUS[response.status];
  if (kind !== undefined) return failure(kind, detail, retryAfter(response));
  if (response.status >= 500) return failure('unavailable', detail, retryAfter(response));
  return protocolError(response, 'an EvoLink error');
}

/** A read of a task: 404 is about the task, not about the model. */
export function classifyRead(response: ProviderResponse): Failure {
  const classified = classify(response);
  return response.status === 404 ? failure('task_not_found', classified.detail) : classified;
}

/** Codes of a task that ended `failed`; the read itself is an HTTP 200. Credits are returned on failure (docs). */
const KIND_BY_TASK_CODE: Readonly<Record<string, FailureKind>> = {
  content_policy_violation: 'content_rejected',
  invalid_parameters: 'invalid_request',
  image_processing_error: 'invalid_request',
  image_dimension_mismatch: 'invalid_request',
  service_error: 'unavailable',
  service_unavailable: 'unavailable',
  resource_exhausted: 'unavailable',
  generation_timeout: 'unavailable',
  upstream_error: 'unavailable',
  model_unavailable: 'unavailable',
  rate_limited: 'unavailable',
  // Rate, concurrency or money: the word does not say which, so it moves on without blaming the key.
  quota_exceeded: 'unavailable',
};

export function classifyFailedTask(code: string, message: string): Failure {
  const kind = KIND_BY_TASK_CODE[code] ?? 'generation_failed';
  return failure(kind, `${code || 'failed'}: ${message}`, { task: 'ended', charged: 'no' });
}

import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

const code = z.union([z.string(), z.number()]).transform(String);

/** `code` is a string in the main reference, and the HTTP status as a number on its sister site; both are read. */
const envelope = z.object({
  error: z.object({ code: code.catch(''), message: z.string().catch('') }),
});
/** The files host and the sign-in service write their errors flat. */
const flat = z.object({
  error: z.string().optional().catch(undefined),
  code: code.optional().catch(undefined),
  msg: z.string().optional().catch(undefined),
  error_description: z.string().optional().catch(undefined),
});

/**
 * Codes that say more than the HTTP status. The vendor's own client reads them before the status, whatever it is
 * (deeplearning-goethe/evolink-cli, services/error-handler.js, 2026-11; docs.evolink.ai error codes).
 */
const KIND_BY_CODE: Readonly<Record<string, FailureKind>> = {
  insufficient_quota: 'out_of_credit',
  insufficient_user_quota: 'out_of_credit',
  quota_not_enough: 'out_of_credit',
  account_balance_insufficient: 'out_of_credit',
  insufficient_token_quota: 'out_of_credit',
  key_quota_exhausted: 'out_of_credit',
  token_daily_quota_exceeded: 'out_of_credit',
  key_daily_quota_exhausted: 'out_of_credit',
  unauthorized: 'unauthorized',
  key_disabled: 'unauthorized',
  key_expired: 'unauthorized',
  user_disabled: 'unauthorized',
  ip_restricted: 'unauthorized',
  key_model_not_allowed: 'offer_refused',
  model_access_denied: 'offer_refused',
  unsupported_parameters: 'offer_refused',
  content_filter: 'content_rejected',
  sensitive_content: 'content_rejected',
  moderation_blocked: 'content_rejected',
  input_moderation_failed: 'content_rejected',
  content_policy_violation: 'content_rejected',
  rate_limit_exceeded: 'rate_limited',
  no_available_channel: 'unavailable',
  model_unavailable: 'unavailable',
  channel_selection_failed: 'unavailable',
  service_unavailable: 'unavailable',
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

/** The same key with another body, or a payment whose outcome EvoLink itself does not know: a task may exist. */
const OUTCOME_UNKNOWN = ['idempotency_conflict', 'paid_outcome_unknown'];

/** What an answer other than success means, on a submission. */
export function classify(response: ProviderResponse): Failure {
  const told = errorOf(response);
  if (told === null) return withoutEnvelope(response);
  const detail = `HTTP ${response.status} ${told.code}: ${told.message}`;
  if (OUTCOME_UNKNOWN.includes(told.code)) return failure('protocol_error', detail, { task: 'maybe' });
  const kind = KIND_BY_CODE[told.code] ?? kindByStatus(response.status, told.message);
  if (kind === null) return protocolError(response, 'an EvoLink error');
  return failure(kind, detail, retryAfter(response));
}

/** The status alone says what it can; an edge's page does not come from EvoLink at all. */
function withoutEnvelope(response: ProviderResponse): Failure {
  const kind = kindByStatus(response.status, '');
  const detail = `HTTP ${response.status} ${response.text ?? outline(response.body)}`;
  return kind === null ? protocolError(response, 'an EvoLink error') : failure(kind, detail, retryAfter(response));
}

/** A 429 may mean the rate or the tasks at once, and only its words can tell (seedance2api.app, rate limits, 2026). */
function kindByStatus(status: number, message: string): FailureKind | null {
  if (status === 429 && mentions(message, ['concurren'])) return 'concurrency_limited';
  return KIND_BY_STATUS[status] ?? (status >= 500 ? 'unavailable' : null);
}

function errorOf(response: ProviderResponse): { code: string; message: string } | null {
  const nested = read(envelope, response);
  if (nested) return nested.error;
  const written = read(flat, response);
  const flatCode = written?.error ?? written?.code;
  if (flatCode === undefined) return null;
  return { code: flatCode, message: written?.msg ?? written?.error_description ?? '' };
}

/** A read of a task: a 404 is about the task, not about the model, and a 403 about the key. */
export function classifyRead(response: ProviderResponse): Failure {
  const classified = classify(response);
  const told = errorOf(response);
  const unknownId = told?.code === 'invalid_task_id' || told?.code === 'resource_not_found';
  if (response.status === 404 || unknownId) return failure('task_not_found', classified.detail);
  return response.status === 403 ? failure('unauthorized', classified.detail) : classified;
}

/** Codes of the files host (EvoLinkAI/evolink-mcp, services/file-client.ts, 2026); its answers may be an HTTP 200. */
const KIND_BY_FILE_CODE: Readonly<Record<string, FailureKind>> = {
  40001: 'invalid_request',
  40002: 'invalid_request',
  40003: 'unavailable',
  40004: 'invalid_request',
  50001: 'unavailable',
};

/** An upload that did not succeed. A full store (40003) empties by itself: files live 72 hours. */
export function classifyUpload(response: ProviderResponse): Failure {
  const told = errorOf(response);
  const kind = told && KIND_BY_FILE_CODE[told.code];
  if (told && kind) return failure(kind, `upload ${told.code}: ${told.message}`, retryAfter(response));
  const classified = classify(response);
  // Nothing is sold at the files host: a refusal there says nothing against the offer.
  return classified.kind === 'offer_refused' ? failure('unavailable', classified.detail) : classified;
}

/** Codes of a task that ended `failed`; the read itself is an HTTP 200. */
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
  rate_limited: 'rate_limited',
  // Rate, tasks at once or money: the word does not say which, so it is asked again without blaming the key.
  quota_exceeded: 'rate_limited',
};

/** What EvoLink says it did with the credits; read by its own client, absent on older gateways. */
export interface Billing {
  readonly charge_status?: string | undefined;
  readonly refund_status?: string | undefined;
}

/** A task that ended without a video. */
export function classifyFailedTask(
  { code: taskCode, message }: { readonly code: string; readonly message: string },
  billing: Billing | undefined,
): Failure {
  const kind = KIND_BY_TASK_CODE[taskCode] ?? 'generation_failed';
  return failure(kind, `${taskCode || 'failed'}: ${message}`, { task: 'ended', charged: chargedOf(billing) });
}

/** Credits of a failed task are returned (docs and price pages, 2026), unless its bill says otherwise. */
function chargedOf(billing: Billing | undefined): 'no' | 'yes' | 'unknown' {
  const { charge_status: charge, refund_status: refund } = billing ?? {};
  if (charge === undefined || charge === 'released' || refund === 'completed') return 'no';
  return charge === 'charged' && (refund === 'not_required' || refund === 'failed') ? 'yes' : 'unknown';
}

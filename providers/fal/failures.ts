import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

/** A model's error: `detail` is an array. A platform's error: `detail` is a string, with `error_type` beside it. */
const modelError = z.object({
  detail: z.array(z.object({ type: z.string(), msg: z.string().default('') })).nonempty(),
});
const platformError = z.object({ detail: z.string(), error_type: z.string().optional() });

/** docs.fal.ai, errors and request errors (2026). Everything else of status 422 is the tenant's input. */
const KIND_BY_TYPE: Readonly<Record<string, FailureKind>> = {
  content_policy_violation: 'content_rejected',
  // Mostly moderation in disguise; moving on to a laxer provider is the tenant's to allow.
  no_media_generated: 'content_rejected',
  internal_server_error: 'unavailable',
  internal_error: 'unavailable',
  generation_timeout: 'unavailable',
  downstream_service_error: 'unavailable',
  downstream_service_unavailable: 'unavailable',
  request_timeout: 'unavailable',
  startup_timeout: 'unavailable',
  runner_scheduling_failure: 'unavailable',
  runner_connection_timeout: 'unavailable',
  runner_disconnected: 'unavailable',
  runner_connection_refused: 'unavailable',
  runner_connection_error: 'unavailable',
  runner_incomplete_response: 'unavailable',
  runner_server_error: 'unavailable',
  client_disconnected: 'generation_failed',
  client_cancelled: 'generation_failed',
  concurrent_requests_limit: 'concurrency_limited',
};

/** What an answer other than success means, on a submission. */
export function classify(response: ProviderResponse): Failure {
  const { status } = response;
  const type = typeOf(response);
  const detail = `HTTP ${status} ${type ?? ''} ${outline(response.body)}`;
  const known = type === undefined ? undefined : KIND_BY_TYPE[type];
  if (status === 401) return failure('unauthorized', detail);
  if (status === 403) {
    const locked = mentions(outline(response.body), ['exhausted balance', 'user is locked']);
    return failure(locked ? 'out_of_credit' : 'unauthorized', detail);
  }
  if (status === 404) return failure('offer_refused', detail);
  if (status === 429) return failure(known ?? 'rate_limited', detail, retryAfter(response));
  if (status === 400 || status === 413 || status === 422) return failure(known ?? 'invalid_request', detail);
  if (status >= 500)
    return failure(known ?? 'unavailable', detail, { ...retryAfter(response), ...neverEnqueued(response) });
  return protocolError(response, 'a fal error');
}

/**
 * A page of the edge (nginx) without `x-fal-request-id` did not reach fal's backend: its own client repeats only those
 * 502, 503 and 504 (fal-ai/fal, fal_client/client.py, 2026-08-21). Every other 5xx leaves a submission in doubt.
 */
function neverEnqueued({ status, headers, text }: ProviderResponse): { task?: 'none' } {
  const ofTheEdge = status >= 502 && status <= 504 && headers['x-fal-request-id'] === undefined;
  return ofTheEdge && mentions(text ?? '', ['nginx']) ? { task: 'none' } : {};
}

function typeOf(response: ProviderResponse): string | undefined {
  const ofModel = read(modelError, response);
  if (ofModel) return ofModel.detail[0]?.type;
  return read(platformError, response)?.error_type ?? response.headers['x-fal-error-type'];
}

/** A read of status or result. 404 on an id that was given out means the record is gone, or is not there yet. */
export function classifyRead(response: ProviderResponse): Failure {
  const classified = classify(response);
  return response.status === 404 ? failure('task_not_found', classified.detail) : classified;
}

/**
 * A request that ended in failure: the result's own status and body say so. Responses of 500 and above are never
 * charged; a 422 may be, if runner time was spent (docs.fal.ai, pricing).
 */
export function classifyFailedTask(response: ProviderResponse): Failure {
  const { kind, detail } = classify(response);
  // A page of the edge, a limit or a key trouble is about this read, not about the request.
  if (response.body === null || [401, 403, 408, 429].includes(response.status)) return failure(kind, detail);
  return failure(kind, detail, { task: 'ended', charged: response.status >= 500 ? 'no' : 'unknown' });
}

/** A status of COMPLETED that carries `error`: the same types, by name only. */
export function classifyFailedStatus(error: string, type: string | undefined): Failure {
  const kind = (type === undefined ? undefined : KIND_BY_TYPE[type]) ?? 'generation_failed';
  return failure(kind, `${type ?? 'failed'}: ${error}`, {
    task: 'ended',
    charged: kind === 'unavailable' ? 'no' : 'unknown',
  });
}

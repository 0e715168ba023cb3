import { z } from 'zod';
import { failure, mentions, outline, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

/** A model's error: `detail` is an array. A platform's error: `detail` is a string, with `error_type` beside it. */
const modelError = z.object({ detail: z.tuple([z.object({ type: z.string() })]).rest(z.unknown()) });
const platformError = z.object({ error_type: z.string() });

interface Meaning {
  readonly kind: FailureKind;
  /** Whether a request that ended so is charged for. */
  readonly charged: NonNullable<Failure['charged']>;
}

/**
 * docs.fal.ai, errors and request errors (2026). What fails with 500 or above is never charged (docs.fal.ai, pricing);
 * a 422 may be, if runner time was spent.
 */
const DOWN: Meaning = { kind: 'unavailable', charged: 'no' };
const FAILED: Meaning = { kind: 'generation_failed', charged: 'no' };
const REJECTED: Meaning = { kind: 'content_rejected', charged: 'unknown' };
const INPUT: Meaning = { kind: 'invalid_request', charged: 'unknown' };
/** A request that was stopped while it ran may have been made by Kling all the same. */
const STOPPED: Meaning = { kind: 'generation_failed', charged: 'unknown' };

/** By error type. A type that is not here is, by the same page, an input that will never do. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  content_policy_violation: REJECTED,
  // Mostly moderation in disguise; moving on to a laxer provider is the tenant's to allow.
  no_media_generated: REJECTED,
  // Kling itself took the task and failed: the same again is no use, another provider may do.
  downstream_service_error: FAILED,
  generation_timeout: FAILED,
  downstream_service_unavailable: DOWN,
  internal_server_error: DOWN,
  internal_error: DOWN,
  request_timeout: DOWN,
  startup_timeout: DOWN,
  runner_scheduling_failure: DOWN,
  runner_connection_timeout: DOWN,
  runner_disconnected: DOWN,
  runner_connection_refused: DOWN,
  runner_connection_error: DOWN,
  runner_incomplete_response: DOWN,
  runner_server_error: DOWN,
  client_disconnected: STOPPED,
  client_cancelled: STOPPED,
  concurrent_requests_limit: { kind: 'concurrency_limited', charged: 'no' },
};

const meaningOf = (type: string | undefined): Meaning | undefined =>
  type !== undefined && Object.hasOwn(MEANINGS, type) ? MEANINGS[type] : undefined;

/** What an answer other than success means, on a submission. */
export function classify(response: ProviderResponse): Failure {
  const { status } = response;
  const type = typeOf(response);
  const detail = `HTTP ${status} ${type ?? ''} ${outline(response.body)}`;
  const known = meaningOf(type)?.kind;
  if (status === 401) return failure('unauthorized', detail);
  if (status === 403) {
    // One text for an empty balance, as many repositories have seen it (2026-03 to 2026-07); others are of the key.
    const locked = mentions(outline(response.body), ['exhausted balance', 'user is locked']);
    return failure(locked ? 'out_of_credit' : 'unauthorized', detail);
  }
  if (status === 404 || status === 405) return failure('offer_refused', detail);
  if (status === 429) return failure(known ?? 'rate_limited', detail, retryAfter(response));
  if (status === 400 || status === 413 || status === 422) return failure(known ?? 'invalid_request', detail);
  // Our own disconnection, as fal saw it: the request may have been enqueued.
  if (status === 499) return failure('unavailable', detail, { task: 'maybe' });
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
  const [first] = read(modelError, response)?.detail ?? [];
  return first?.type ?? read(platformError, response)?.error_type ?? response.headers['x-fal-error-type'];
}

/** A read of status or result. 404 on an id that was given out means the record is gone, or is not there yet. */
export function classifyRead(response: ProviderResponse): Failure {
  const { kind, detail, retryAfterMs } = classify(response);
  const more = retryAfterMs === undefined ? {} : { retryAfterMs };
  return failure(response.status === 404 ? 'task_not_found' : kind, detail, more);
}

/**
 * The result of a request that failed is its error. An error without a type, an edge's page, a limit or a trouble with
 * the key is about this read, and not about the request; only 422 is always the model's own.
 */
export function classifyFailedTask(response: ProviderResponse): Failure {
  const { status } = response;
  const ofTheRead = classifyRead(response);
  const type = typeOf(response);
  if ([401, 403, 404, 408, 429].includes(status) || (type === undefined && status !== 422)) return ofTheRead;
  const { kind, charged } = meaningOf(type) ?? (status >= 500 ? DOWN : INPUT);
  return failure(kind, ofTheRead.detail, { task: 'ended', charged });
}

/** A status of COMPLETED that carries `error`: the same types, by name only. */
export function classifyFailedStatus(error: string, type: string | undefined): Failure {
  const { kind, charged } = meaningOf(type) ?? STOPPED;
  return failure(kind, `${type ?? 'failed'}: ${error}`, { task: 'ended', charged });
}

const accountError = z.object({ error: z.object({ type: z.string(), message: z.string().catch('') }) });

/** The platform's own hosts (balance, prices, uploads) have an envelope of their own, `error`, and no tasks. */
export function classifyAccount(response: ProviderResponse): Failure {
  const { status } = response;
  const told = read(accountError, response)?.error;
  const detail = `HTTP ${status} ${told ? `${told.type}: ${told.message}` : outline(response.body)}`;
  if (status === 401 || status === 403) return failure('unauthorized', detail);
  if (status === 404) return failure('offer_refused', detail);
  if (status === 429) return failure('rate_limited', detail, retryAfter(response));
  if (status >= 500) return failure('unavailable', detail, retryAfter(response));
  if (status >= 400) return failure('invalid_request', detail);
  return protocolError(response, "an answer of fal's platform");
}

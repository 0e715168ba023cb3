/**
 * What a tenant may hear. Every error that leaves the gateway is one row of these two tables; README lists them, and a
 * test keeps the two equal.
 */

interface ErrorRow {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 416 | 422 | 429 | 500 | 503;
  readonly type: string;
  /** What is said when nothing more exact is known. */
  readonly sentence: string;
}

const INVALID = 'invalid_request_error';

/** Errors of a request: the `code` of the envelope, its HTTP status and type. */
export const ERRORS = {
  invalid_json: { status: 400, type: INVALID, sentence: 'The request body is not valid JSON.' },
  invalid_multipart: { status: 400, type: INVALID, sentence: 'The request body is not valid multipart/form-data.' },
  invalid_type: { status: 400, type: INVALID, sentence: 'A field has the wrong type.' },
  invalid_value: { status: 400, type: INVALID, sentence: 'A field has a value that is not supported.' },
  missing_required_parameter: { status: 400, type: INVALID, sentence: 'A required field is missing.' },
  unknown_parameter: { status: 400, type: INVALID, sentence: 'A field is unknown, and require_parameters is set.' },
  model_not_found: { status: 400, type: INVALID, sentence: 'There is no such model.' },
  unsupported_operation: { status: 400, type: INVALID, sentence: 'No provider offers this operation.' },
  no_provider_available: { status: 400, type: INVALID, sentence: 'No provider can make this clip.' },
  max_price_exceeded: { status: 400, type: INVALID, sentence: 'Every provider is above your max_price.' },
  video_not_deletable: { status: 400, type: INVALID, sentence: 'A video can be deleted once it has ended.' },
  video_not_cancellable: { status: 400, type: INVALID, sentence: 'The video has already ended.' },
  invalid_api_key: { status: 401, type: INVALID, sentence: 'The API key is missing or not valid.' },
  invalid_signature: {
    status: 401,
    type: INVALID,
    sentence: 'The signature of this delivery is missing or not valid.',
  },
  permission_denied: { status: 403, type: INVALID, sentence: 'This API key may not do that.' },
  not_found: { status: 404, type: INVALID, sentence: 'There is nothing at this address.' },
  video_not_found: { status: 404, type: INVALID, sentence: 'There is no such video.' },
  video_not_ready: { status: 404, type: INVALID, sentence: 'The video is not finished yet.' },
  video_failed: { status: 404, type: INVALID, sentence: 'The video failed, so there is no content.' },
  video_expired: { status: 404, type: INVALID, sentence: 'The content of this video is no longer kept.' },
  method_not_allowed: { status: 405, type: INVALID, sentence: 'This address does not take that method.' },
  idempotency_conflict: {
    status: 422,
    type: INVALID,
    sentence: 'This idempotency key was used with another request. Use a new key.',
  },
  conflict: { status: 409, type: INVALID, sentence: 'This has already been decided.' },
  request_too_large: { status: 413, type: INVALID, sentence: 'The request is too large.' },
  unsupported_media_type: { status: 415, type: INVALID, sentence: 'Send application/json or multipart/form-data.' },
  range_not_satisfiable: { status: 416, type: INVALID, sentence: 'The range lies outside the video.' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', sentence: 'Too many requests. Wait and try again.' },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    sentence: 'A budget has no room for this clip. Nothing was charged.',
  },
  server_error: { status: 500, type: 'server_error', sentence: 'The gateway failed. Nothing was charged.' },
  unavailable: { status: 503, type: 'server_error', sentence: 'The gateway cannot take requests right now.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Why a video failed: the `error.code` of a Video object and its public sentence. */
export const VIDEO_FAILURES = {
  moderation_blocked: 'The content was refused by the provider. Change the prompt or the images.',
  invalid_input: 'The provider could not use the prompt or the media of this request.',
  provider_error: 'No provider could make this video. You were not charged.',
  provider_timeout: 'The video was not made within its time limit. You were not charged.',
  provider_outcome_unknown: 'It could not be learned whether the provider made this video. You were not charged.',
  no_provider_available: 'No provider that you allow could take this video. You were not charged.',
  queue_timeout: 'No provider had a free place within the queue limit. You were not charged.',
  asset_unavailable: 'The finished video could not be fetched from the provider. You were not charged.',
  asset_invalid: 'The finished video was not what was ordered. You were not charged.',
  cancelled: 'The video was cancelled.',
  server_error: 'The gateway failed to finish this video. You were not charged.',
} as const;

export type VideoFailureCode = keyof typeof VIDEO_FAILURES;

interface GatewayErrorDetails {
  /** The public sentence, when more exact than the table's: what, the value seen, the limit, what to do next. */
  readonly message?: string | undefined;
  /** The field that is wrong, as the caller wrote it. */
  readonly param?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** For the log; never shown to a tenant. */
  readonly internal?: string;
  /** Replaces the row's status: `model_not_found` is a 404 when the model is the address itself. */
  readonly status?: ErrorRow['status'];
}

/** An error that a tenant must hear, as one row of ERRORS. Everything else that is thrown is our bug and reads 500. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: ErrorRow['status'];
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly internal: string | undefined;

  constructor(code: ErrorCode, details: GatewayErrorDetails = {}) {
    super(details.message ?? ERRORS[code].sentence);
    this.code = code;
    this.status = details.status ?? ERRORS[code].status;
    this.param = details.param ?? null;
    this.headers = details.headers ?? {};
    this.internal = details.internal;
  }

  /** The OpenAI envelope. All four keys are always present: SDKs of version 6 lose the message otherwise. */
  toEnvelope(): {
    error: {
      message: string;
      type: string;
      param: string | null;
      code: string;
    };
  } {
    return {
      error: { message: this.message, type: ERRORS[this.code].type, param: this.param, code: this.code },
    };
  }
}

/** A field whose value cannot be: 400 with `param`; the message names the value seen and what would do. */
export function invalidValue(param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', { message, param });
}

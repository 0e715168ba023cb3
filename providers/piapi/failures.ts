/**
 * What PiAPI's refusals and failed tasks mean. It publishes no table of codes; HTTP statuses are those of its create-task
 * page (piapi.ai/docs, 2026) and its clients, and the words were seen in its answers (PiAPI-1/piapi-cli 2026,
 * RobimLocar/saas 2026-07-25, wesleysimplicio/PiAPI-Skills 2026-05-12).
 */
import { z } from 'zod';
import { failure, isSuccess, mentions, protocolError, read, retryAfter } from '../answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../contract.ts';

/** Read before the status, in this order: statuses alone are not reliable here. */
const KIND_BY_WORDS: readonly (readonly [readonly string[], FailureKind])[] = [
  // Seen for an empty balance and for images that could not be used: it says neither, and is judged as neither.
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

/** A 400 about what chooses the model is ours: the capability's `upstream` names what PiAPI does not have. */
const MODEL_WORDS = ['task_type', 'task type', 'version', 'unknown model', 'unsupported model', 'invalid model'];

const KIND_OF_READ_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'task_not_found',
  429: 'rate_limited',
};

/** Success is HTTP 2xx and a code below 400; in an envelope the code mirrors the status. */
const envelope = z.object({
  code: z.number().optional().catch(undefined),
  message: z.string().catch(''),
});

/** The envelope's word, or where there is none the beginning of the page. */
function wordsOf(response: ProviderResponse): string {
  const message = read(envelope, response)?.message ?? '';
  return message === '' ? (response.text ?? '').slice(0, 200) : message;
}

/** The status that counts: the envelope's, where it is an error inside a 200. */
function statusOf(response: ProviderResponse): number {
  if (!isSuccess(response)) return response.status;
  return read(envelope, response)?.code ?? response.status;
}

const detailOf = (response: ProviderResponse, words: string): string =>
  `HTTP ${response.status} ${words || 'without a message'}`;

/** What an answer other than success means, on a create or an upload. */
export function classify(response: ProviderResponse): Failure {
  const words = wordsOf(response);
  const status = statusOf(response);
  const told = (kind: FailureKind): Failure => failure(kind, detailOf(response, words), retryAfter(response));
  const kind = kindByWords(words);
  if (kind !== undefined) return told(kind);
  if (status === 400 && mentions(words, MODEL_WORDS)) return told('offer_refused');
  const known = status >= 500 ? 'unavailable' : KIND_BY_STATUS[status];
  return known ? told(known) : unreadable(response, 'an answer of PiAPI');
}

/** The same on a read: the words of a task's failure mean nothing here, and a 404 is about the task. */
export function classifyRead(response: ProviderResponse): Failure {
  const status = statusOf(response);
  const known = status >= 500 ? 'unavailable' : KIND_OF_READ_BY_STATUS[status];
  if (!known) return unreadable(response, 'a read of PiAPI');
  return failure(known, detailOf(response, wordsOf(response)), retryAfter(response));
}

/**
 * An answer that cannot be read, without its `input` and `config`: PiAPI echoes the prompt and the secret of the hook in
 * every task it shows.
 */
export function unreadable(response: ProviderResponse, expected: string): Failure {
  return protocolError({ ...response, body: withoutEcho(response.body) }, expected);
}

function withoutEcho(body: unknown): unknown {
  if (!isRecord(body)) return body;
  const { data } = body;
  if (!isRecord(data)) return { code: body.code, message: body.message, data };
  const { status, output, error, logs } = data;
  return { code: body.code, message: body.message, data: { status, output, error, logs } };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a task that ended `failed` shows of its money. */
export interface Consumed {
  readonly type: string;
  readonly consume: number;
}

/**
 * A task that ended without a video. Frozen points are released, so such tasks show `consume` 0; a usage of another type
 * than points is consumed at the create, and whether it comes back is not documented.
 */
export function classifyFailedTask(texts: readonly string[], consumed: Consumed | undefined): Failure {
  const text = texts.filter((part) => part !== '').join('; ');
  const kind = kindByWords(text) ?? 'generation_failed';
  return failure(kind, text.slice(0, 500) || 'ended without a reason', { task: 'ended', charged: chargedBy(consumed) });
}

function chargedBy(consumed: Consumed | undefined): 'no' | 'yes' | 'unknown' {
  if (!consumed) return 'unknown';
  if (consumed.consume === 0) return 'no';
  return consumed.type === 'point' ? 'yes' : 'unknown';
}

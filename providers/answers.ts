/** What the adapters share: reading an answer, and saying in a few words what was wrong with it. */
import type { z } from 'zod';
import type { Failure, FailureKind, ProviderResponse } from './contract.ts';

/** The parts of the body that the schema names; null when the body is not of that shape. */
export function read<T>(schema: z.ZodType<T>, response: ProviderResponse): T | null {
  const parsed = schema.safeParse(response.body);
  return parsed.success ? parsed.data : null;
}

export function failure(
  kind: FailureKind,
  detail: string,
  more: Omit<Partial<Failure>, 'state' | 'kind'> = {},
): Failure {
  return { state: 'failure', kind, detail, ...more };
}

/** An answer that fits no shape we know: visible to operators, neither success nor the end of the task. */
export function protocolError(response: ProviderResponse, expected: string): Failure {
  return failure('protocol_error', `expected ${expected}, got HTTP ${response.status} ${outline(response.body)}`);
}

const OUTLINE_CHARACTERS = 300;

/** The beginning of a body, for operators. Queries of addresses are left out: a result's address is a signed link. */
export function outline(body: unknown): string {
  if (body === null || body === undefined) return 'without JSON';
  const text = stringify(body).replace(/(https?:\/\/[^\s"?]+)\?[^\s"]*/g, '$1?…');
  return text.length > OUTLINE_CHARACTERS ? `${text.slice(0, OUTLINE_CHARACTERS)}…` : text;
}

/** The wire lets no deep nesting through; whoever calls with more still gets words and no throw. */
function stringify(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch {
    return 'a body that cannot be shown';
  }
}

export const isSuccess = (response: ProviderResponse): boolean => response.status >= 200 && response.status < 300;

/**
 * The wait that a `retry-after` header asks for, in the shape a failure carries. Seconds only: no provider of ours
 * documents the date form.
 */
export function retryAfter(response: ProviderResponse): { retryAfterMs?: number } {
  const seconds = Number(response.headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: Math.ceil(seconds * 1000) } : {};
}

/** Whether any of the words is in the text, whatever the case. */
export function mentions(text: string, words: readonly string[]): boolean {
  const lower = text.toLowerCase();
  return words.some((word) => lower.includes(word));
}

/** An http or https address; anything else that a provider calls a URL is not one we fetch. */
export function isWebAddress(text: string): boolean {
  return /^https?:\/\/\S+$/i.test(text) && URL.canParse(text);
}

/** An order is sent until it is answered, always under one key: what was ordered twice would be paid twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { call, Failure, type GatewayAccess, Unavailable } from './client.ts';

/** A gateway that restarts is back in a second or two; one that is moved to another machine takes longer. */
const PAUSES_MS: readonly number[] = [250, 1_000, 3_000, 10_000];

/** A gateway's own words may lack their full stop. */
export const ended = (sentence: string): string => (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`);

/** What the user does next when nobody knows whether the video was ordered. */
export const howToRepeat = (key: string): string =>
  'Whether the video was ordered is not known. It is never bought twice when you repeat the same command, with the ' +
  `same API key, and add --idempotency-key ${key}`;

/**
 * Orders the video, and again under the same key while the gateway, once reached, does not answer. `key` is the
 * idempotency key; `pausesMs` are waited before each further try. Throws an Unavailable at once where nothing was sent, a
 * Failure where the order was refused and, when a try before may have been taken, one that says how to repeat it.
 */
export async function placeOrder(
  access: GatewayAccess,
  order: unknown,
  { key, pausesMs = PAUSES_MS }: { readonly key: string; readonly pausesMs?: readonly number[] },
): Promise<Record<string, unknown>> {
  let reached = false;
  for (let tried = 0; ; tried += 1) {
    try {
      const answer = await call(access, 'POST', '/v1/videos', order, { 'idempotency-key': key });
      if (typeof answer.id === 'string') return answer;
      throw new Unavailable(`the answer of ${access.url} names no video.`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reached ||= error instanceof Unavailable && error.reached;
      if (!reached) throw error;
      const pauseMs = pausesMs[tried];
      if (!(error instanceof Unavailable) || pauseMs === undefined) {
        throw new Failure(`${ended(error.message)} ${howToRepeat(key)}`);
      }
      await sleep(pauseMs);
    }
  }
}

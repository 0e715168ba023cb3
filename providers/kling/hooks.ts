import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { MINUTE_MS, SECOND_MS } from '../../src/ground/time.ts';
import { read } from '../answers.ts';
import type { Announcement, Delivery, DeliveryProof, Hooks, ProviderResponse } from '../contract.ts';
import type { TaskIdentity } from '../identity.ts';
import { type Handle, handleOf } from './handle.ts';

const AGE_MAX_MS = 5 * MINUTE_MS;

/** Both generations announce the bare task, without an envelope; they differ in the name of its id. */
const announced = z.union([
  z.object({ id: z.string().min(1) }).transform(({ id }) => id),
  z.object({ task_id: z.string().min(1) }).transform(({ task_id }) => task_id),
]);

/**
 * Standard Webhooks, when a secret was made in Kling's console (kling.ai/document-api, callbacks, since 2026-08-07).
 * Without one nothing is signed, and nothing is believed.
 */
export const hooks: Hooks<Handle> = {
  proof: 'secret',
  secretVariable: 'KLING_WEBHOOK_SECRET',
  verify,
  adopt: handleOf,
  identity,
};

const instant = z.number().optional().catch(undefined);
const shown = z.object({
  data: z.tuple([z.object({ create_time: instant, external_id: z.string().optional().catch(undefined) })]),
});
const shownLegacy = z.object({
  data: z.object({
    created_at: instant,
    task_info: z.object({ external_task_id: z.string().optional() }).catch({}),
  }),
});

/** Our tag and Unix milliseconds (kling.ai/document-api, query task, 2026). No read names the model. */
function identity(response: ProviderResponse): TaskIdentity {
  const [task] = read(shown, response)?.data ?? [];
  const legacy = read(shownLegacy, response)?.data;
  const attemptId = task?.external_id ?? legacy?.task_info.external_task_id;
  const createdAtMs = task?.create_time ?? legacy?.created_at;
  return { ...(attemptId && { attemptId }), ...(createdAtMs !== undefined && { createdAtMs }) };
}

function verify({ headers, rawBody }: Delivery, { nowMs, secrets }: DeliveryProof): Announcement | null {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (!id || !timestamp || !signatures || !/^\d{1,12}$/.test(timestamp)) return null;
  if (Math.abs(nowMs - Number(timestamp) * SECOND_MS) > AGE_MAX_MS) return null;
  const given = signatures.split(' ').filter((signature) => signature.startsWith('v1,'));
  const expected = secrets.flatMap((secret) => signaturesBy(secret, `${id}.${timestamp}.${rawBody}`));
  if (!expected.some((one) => given.some((other) => isSame(one, other)))) return null;
  const taskId = announced.safeParse(parseJson(rawBody));
  return taskId.success ? { deliveryId: id, taskId: taskId.data } : null;
}

/** The signature by that secret; none by an empty one, which would verify anybody's. */
function signaturesBy(secret: string, content: string): string[] {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return key.length === 0 ? [] : [`v1,${createHmac('sha256', key).update(content).digest('base64')}`];
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

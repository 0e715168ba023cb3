import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { SECOND_MS } from '../../src/ground/time.ts';
import { read as readAnswer } from '../answers.ts';
import type { Announcement, Delivery, DeliveryProof, Hooks, ProviderResponse } from '../contract.ts';
import type { TaskIdentity } from '../identity.ts';
import type { Handle } from './tasks.ts';

/** Repeats come within seconds; a delivery further from our clock is a replay. */
const FRESH_MS = 300 * SECOND_MS;

/** Unix seconds beside the task, whose status may be any: only the read that follows decides. */
const body = z.object({
  timestamp: z.number(),
  data: z.object({ task_id: z.string().min(1), status: z.string() }),
});

/**
 * PiAPI signs nothing: it sends the registered secret back in `x-webhook-secret` (piapi.ai/docs, unified-webhook, 2026).
 * A delivery has no id; it is known by its task and status.
 */
function verify({ headers, rawBody }: Delivery, { nowMs, secrets }: DeliveryProof): Announcement | null {
  const given = headers['x-webhook-secret'] ?? '';
  const isGenuine = given !== '' && secrets.some((secret) => secret !== '' && isSame(secret, given));
  const told = isGenuine ? read(rawBody) : null;
  if (!told || Math.abs(nowMs - told.timestamp * SECOND_MS) > FRESH_MS) return null;
  const { task_id: taskId, status } = told.data;
  return { deliveryId: `${taskId} ${status.toLowerCase()}`, taskId };
}

/** In constant time, whatever the lengths. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
const digest = (value: string): Buffer => createHash('sha256').update(value).digest();

function read(rawBody: string): z.infer<typeof body> | null {
  try {
    const parsed = body.safeParse(JSON.parse(rawBody));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

export const hooks: Hooks<Handle> = {
  proof: 'secret',
  verify,
  adopt: (taskId) => ({ taskId }),
  identity,
};

const shown = z.object({
  data: z.object({
    model: z.string().optional().catch(undefined),
    task_type: z.string().optional().catch(undefined),
    meta: z
      .object({ created_at: z.iso.datetime({ offset: true }) })
      .optional()
      .catch(undefined),
  }),
});

/** Two of the three values that choose a model, and the instant as text (piapi.ai/docs, get-task, 2026). */
function identity(response: ProviderResponse, upstream: string): TaskIdentity {
  const { model, task_type: taskType, meta } = readAnswer(shown, response)?.data ?? {};
  const [ownModel, ownType] = upstream.split(' ');
  const createdAtMs = meta && Date.parse(meta.created_at);
  return {
    ...(model !== undefined && { isOfOrder: model === ownModel && (taskType ?? ownType) === ownType }),
    ...(createdAtMs !== undefined && { createdAtMs }),
  };
}

import { z } from 'zod';
import { SECOND_MS } from '../../src/ground/time.ts';
import { read } from '../answers.ts';
import type { Hooks, ProviderResponse } from '../contract.ts';
import type { TaskIdentity } from '../identity.ts';
import type { Handle } from './tasks.ts';

/** Ids begin so (docs.evolink.ai, task detail, 2026); what is put into an address is held to it. */
const TASK_ID = /^task-unified-[\w-]{1,100}$/;

const announced = z.object({ id: z.string().regex(TASK_ID), status: z.string().min(1).max(40) });

/**
 * EvoLink posts the task, as a read would show it, when it has ended. Nothing is signed (callbacks page of
 * Evolink-AI/Seedance-2.0-Gateway-Service, 2026), so the unguessable path is the whole proof, and the task is read with
 * our own key before anything is believed.
 */
export const hooks: Hooks<Handle> = {
  proof: 'path',
  verify({ rawBody }) {
    const parsed = announced.safeParse(parse(rawBody));
    if (!parsed.success) return null;
    const { id, status } = parsed.data;
    return { deliveryId: `${id} ${status}`, taskId: id };
  },
  adopt: (taskId) => (TASK_ID.test(taskId) ? { taskId } : null),
  identity,
};

const shown = z.object({
  model: z.string().optional().catch(undefined),
  created: z.number().optional().catch(undefined),
});

/** The model id and Unix seconds (docs.evolink.ai, task detail, 2026). */
function identity(response: ProviderResponse, upstream: string): TaskIdentity {
  const { model, created } = read(shown, response) ?? {};
  return {
    ...(model !== undefined && { isOfOrder: model === upstream }),
    ...(created !== undefined && { createdAtMs: created * SECOND_MS }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

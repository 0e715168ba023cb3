import { z } from 'zod';
import type { Hooks } from '../contract.ts';
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
};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

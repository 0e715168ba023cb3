import { z } from 'zod';
import type { EmulatorContext } from './context.ts';

/**
 * What can be made to go wrong. `lost_answer`: the task is made, the connection is cut. `hang`: the task is made, the
 * answer never comes. `cut`: the connection is cut before a task is made. `fail`: the task is made and fails.
 */
export const FAULTS = ['lost_answer', 'hang', 'cut', 'fail'] as const;
export type Fault = (typeof FAULTS)[number];

const orderSchema = z.strictObject({ fault: z.enum(FAULTS), times: z.number().int().positive().default(1) });

/** Faults that have been ordered and not met yet, first come first met. */
export class FaultDesk {
  private readonly ordered: Fault[] = [];

  order(body: unknown): { readonly waiting: readonly Fault[] } {
    const { fault, times } = orderSchema.parse(body);
    for (let count = 0; count < times; count += 1) this.ordered.push(fault);
    return { waiting: this.ordered };
  }

  /** The fault of the next create; null when it may go well. */
  next(): Fault | null {
    return this.ordered.shift() ?? null;
  }
}

/** Cuts the connection without an answer. */
export function cutConnection(c: EmulatorContext): Promise<Response> {
  c.env.incoming.socket.destroy();
  return never();
}

/** An answer that does not come as long as the client waits. */
export function never(): Promise<Response> {
  return new Promise(() => {});
}

/** Plays the faults that strike after a task was made; else gives the answer. */
export async function answerUnless(fault: Fault | null, c: EmulatorContext, answer: Response): Promise<Response> {
  if (fault === 'lost_answer') return await cutConnection(c);
  if (fault === 'hang') return await never();
  return answer;
}

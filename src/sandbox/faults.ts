import { z } from 'zod';
import type { EmulatorContext } from './context.ts';

/** What can be made to go wrong, by the moment at which it does. */
export const FAULTS = {
  cut: 'the connection is cut before a task is made',
  rate_limited: 'a refusal: too many requests',
  concurrency: 'a refusal: too many running tasks',
  server_error: "a refusal: the provider's own 5xx envelope",
  html: "an edge's 502 page; no task is made",
  lost_answer: 'the task is made, then the connection is cut',
  hang: 'the task is made, the answer never comes',
  html_after: "the task is made, the answer is an edge's 502 page",
  truncated: 'the task is made, the answer is cut in the middle of its JSON',
  slow: 'the task is made, the answer comes byte by byte',
  no_id: 'the task is made, the answer is a success without an id',
  unknown_status: 'reads show a status that nobody documents',
  stuck: 'the task never ends',
  vanished: 'reads know nothing of the task',
  read_errors: 'the first three reads fail with a 5xx',
  fail: 'the task fails',
  content: 'the task is refused for its content',
  no_url: 'the task is done and names no video',
  dead_link: 'the address of the video is dead',
  expired_link: 'the first address of the video is dead, the next one lives',
  wrong_file: 'the video is an HTML page',
  truncated_file: 'the video is cut in the middle',
  short_clip: 'the video is half as long as ordered',
  silent_clip: 'the video has no sound although it was ordered with it',
  overpriced: 'the reported usage is half as much again as the price list says',
  duplicate_hook: 'every announcement comes three times',
  forged_hook: 'before the real announcement comes one with a false signature',
} as const;
export type Fault = keyof typeof FAULTS;

const names = Object.keys(FAULTS) as [Fault, ...Fault[]];
const orderSchema = z.strictObject({ fault: z.enum(names), times: z.number().int().positive().default(1) });

/** The header by which one request orders its own fault. */
export const FAULT_HEADER = 'x-reelay-sandbox-fault';

export const isFault = (name: string): name is Fault => Object.hasOwn(FAULTS, name);

/** Faults that have been ordered and not met yet, first come first met. */
export class FaultDesk {
  private readonly ordered: Fault[] = [];

  order(body: unknown): { readonly waiting: readonly Fault[] } {
    const { fault, times } = orderSchema.parse(body);
    for (let count = 0; count < times; count += 1) this.ordered.push(fault);
    return { waiting: this.ordered };
  }

  /** The fault of this create: its own, or the next that was ordered; null when it may go well. */
  of(c: EmulatorContext): Fault | null {
    const own = c.req.header(FAULT_HEADER) ?? '';
    return isFault(own) ? own : (this.ordered.shift() ?? null);
  }
}

const PAGE = '<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>';

/** An edge's page: no JSON, no word of the provider's. */
export function badGatewayPage(c: EmulatorContext): Response {
  return c.html(PAGE, 502);
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

/** Plays the faults that strike between a task and the answer to its create; else gives the answer. */
export async function answerUnless(fault: Fault | null, c: EmulatorContext, answer: Response): Promise<Response> {
  switch (fault) {
    case 'lost_answer':
      return await cutConnection(c);
    case 'hang':
      return await never();
    case 'html_after':
      return badGatewayPage(c);
    case 'no_id':
      return c.json({ code: 200, message: 'success' });
    case 'truncated': {
      const text = await answer.text();
      return c.body(text.slice(0, Math.floor(text.length / 2)), 200, { 'content-type': 'application/json' });
    }
    case 'slow':
      return c.body(drip(await answer.text()), 200, { 'content-type': 'application/json' });
    default:
      return answer;
  }
}

function drip(text: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      const end = Math.min(bytes.length, sent + Math.ceil(bytes.length / 100));
      controller.enqueue(bytes.subarray(sent, end));
      sent = end;
      if (sent >= bytes.length) controller.close();
    },
  });
}

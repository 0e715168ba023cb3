import { z } from 'zod';
import { SECOND_MS } from '../../src/ground/time.ts';
import { failure, isSuccess, isWebAddress, outline, protocolError, read } from '../answers.ts';
import type { Failure, Finished, Pending, ProviderResponse, ReportedUsage } from '../contract.ts';
import { classifyFailedTask, classifyRead } from './failures.ts';

export const handle = z.object({ taskId: z.string() });
export type Handle = z.infer<typeof handle>;

const credits = z.number().nonnegative().optional().catch(undefined);
const word = z.string().optional().catch(undefined);

/** `results` is documented; `usage`, `billing` and `result_data` are what the vendor's own client reads besides. */
const task = z.object({
  status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']),
  progress: z.number().min(0).max(100).optional().catch(undefined),
  results: z.array(z.unknown()).catch([]),
  result_data: z.unknown().optional(),
  usage: z
    .object({ credits_used: credits, cost: z.object({ credits }).optional().catch(undefined) })
    .optional()
    .catch(undefined),
  billing: z.object({ charge_status: word, refund_status: word }).optional().catch(undefined),
  error: z
    .object({ code: z.union([z.string(), z.number()]).transform(String).catch(''), message: z.string().catch('') })
    .optional()
    .catch(undefined),
});
type Task = z.infer<typeof task>;

/** The vendor's own client waits 8 s between reads of a video, because each read makes EvoLink ask its upstream. */
const NEXT_POLL_MS = 8 * SECOND_MS;

/** A task as one read tells it. A status that is not documented is a failed read, never an end. */
export function readTask(response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  if (!isSuccess(response)) return classifyRead(response);
  const answer = read(task, response);
  if (!answer) return protocolError(response, 'a task with a known status');
  switch (answer.status) {
    case 'pending':
      return { state: 'pending', handle: input, phase: 'queued', nextPollMs: NEXT_POLL_MS, ...progressOf(answer) };
    case 'processing':
      return { state: 'pending', handle: input, phase: 'running', nextPollMs: NEXT_POLL_MS, ...progressOf(answer) };
    case 'failed':
      return classifyFailedTask(answer.error ?? { code: '', message: '' }, answer.billing);
    case 'cancelled':
      return classifyFailedTask({ code: 'cancelled', message: answer.error?.message ?? '' }, answer.billing);
    case 'completed':
      return finishedBy(answer, response);
  }
}

const progressOf = ({ progress }: Task): { progressPercent?: number } =>
  progress === undefined ? {} : { progressPercent: progress };

function finishedBy(answer: Task, response: ProviderResponse): Finished | Failure {
  const videoUrl = [...answer.results, ...addressesIn(answer.result_data)].find(
    (address): address is string => typeof address === 'string' && isWebAddress(address),
  );
  if (videoUrl === undefined) return failure('video_missing', `completed without results: ${outline(response.body)}`);
  const usage = usageOf(answer);
  return { state: 'finished', videoUrl, ...(usage && { usage }) };
}

const item = z.object({ video_url: z.string() });

/** `result_data` is one object or several, each with a `video_url`. */
function addressesIn(data: unknown): string[] {
  return [data].flat().flatMap((one) => {
    const parsed = item.safeParse(one);
    return parsed.success ? [parsed.data.video_url] : [];
  });
}

function usageOf({ usage }: Task): ReportedUsage | null {
  const used = usage?.credits_used ?? usage?.cost?.credits;
  if (used === undefined) return null;
  const quantity = String(used);
  // Credits have four decimals; a number that JavaScript writes with an exponent is none of them.
  return quantity.includes('e') ? null : { quantity, unit: 'credit' };
}

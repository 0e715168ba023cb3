import { z } from 'zod';
import { failure, isSuccess, isWebAddress, outline, protocolError, read } from '../answers.ts';
import type { Failure, Finished, Pending, ProviderResponse } from '../contract.ts';
import { dollars } from './account.ts';
import { classifyFailedTask, classifyRead, flagged } from './failures.ts';

/** What is put into an address; never a step up the path. */
export const taskId = z.string().regex(/^\w[\w.:-]{0,127}$/);
export const handle = z.object({ taskId });
export type Handle = z.infer<typeof handle>;

const address = z.union([z.string(), z.object({ url: z.string() }).transform(({ url }) => url)]);

/** Everything but the status is an extra that may be strange; `price` is read by the vendor's own client (2026). */
const prediction = z.object({
  data: z.object({
    id: z.string().optional().catch(undefined),
    status: z.string(),
    outputs: z.array(address.catch('')).catch([]),
    output: address.catch(''),
    error: z.unknown().optional(),
    error_code: z.number().optional().catch(undefined),
    has_nsfw_contents: z.unknown().optional(),
    price: dollars.optional().catch(undefined),
  }),
});
type Prediction = z.infer<typeof prediction>['data'];

/** The documented words and those that the vendor's clients accept besides; in lower case. */
const WAITING = ['starting', 'created', 'pending', 'queued'];
const RUNNING = ['processing', 'running'];
const DONE = ['completed', 'succeeded', 'success'];
const FAILED = ['failed', 'timeout', 'error', 'canceled', 'cancelled'];

/** A task as one read tells it. A status that nobody knows is a failed read, never an end. */
export function readTask(response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  const answer = read(prediction, response);
  if (!isSuccess(response)) return (answer && verdictIn(answer.data, response, input)) ?? classifyRead(response);
  if (!answer) return protocolError(response, 'a prediction');
  const { data } = answer;
  const status = data.status.toLowerCase();
  if (WAITING.includes(status)) return { state: 'pending', handle: input, phase: 'queued' };
  if (RUNNING.includes(status)) return { state: 'pending', handle: input, phase: 'running' };
  if (FAILED.includes(status)) return failedBy(data);
  if (DONE.includes(status)) return finishedBy(data, response);
  return protocolError(response, 'a known status');
}

/**
 * The vendor's own client (atlascloud-mcp 1.7.0) has seen failed tasks told as an HTTP 5xx whose body is the verdict.
 * It counts when it names this very task; else the 5xx is only a failed read.
 */
function verdictIn(data: Prediction, response: ProviderResponse, { taskId: id }: Handle): Failure | null {
  return response.status >= 500 && data.id === id && FAILED.includes(data.status.toLowerCase()) ? failedBy(data) : null;
}

const failedBy = ({ status, error, error_code: code }: Prediction): Failure =>
  classifyFailedTask(status.toLowerCase(), textOf(error), code);

/** Text on most models, an object on some. */
function textOf(error: unknown): string {
  if (typeof error === 'string') return error;
  return error === null || error === undefined ? '' : outline(error);
}

function finishedBy(data: Prediction, response: ProviderResponse): Finished | Failure {
  // A flag, or one per output.
  if ([data.has_nsfw_contents].flat().includes(true)) return flagged();
  const videoUrl = [...data.outputs, data.output].find(isWebAddress);
  if (videoUrl === undefined) return failure('video_missing', `finished without outputs: ${outline(response.body)}`);
  return { state: 'finished', videoUrl, ...(data.price && { usage: { quantity: data.price, unit: 'usd' } }) };
}

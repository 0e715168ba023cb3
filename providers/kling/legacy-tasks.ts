/** Submitting and reading on the legacy generation: each endpoint reads its own tasks, by their id or by our tag. */
import { z } from 'zod';
import { protocolError, read } from '../answers.ts';
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
import { type Handle, handleOf, readUpstream } from './handle.ts';
import { legacyBody } from './legacy-body.ts';
import { claimsSuccess, finishedOr } from './new-tasks.ts';
import { type Charge, usageOf } from './usage.ts';

const created = z.object({ code: z.literal(0), data: z.object({ task_id: z.string().min(1) }) });

export const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: readUpstream(submission.upstream).path,
    headers: authorize(context),
    body: legacyBody(submission),
  }),
  response(response, { upstream }) {
    const answer = read(created, response);
    if (!answer)
      return claimsSuccess(response) ? protocolError(response, 'data.task_id') : classify(response, 'submission');
    const { task_id: taskId } = answer.data;
    return { state: 'submitted', taskId, handle: handleOf(taskId, upstream) };
  },
};

const video = z.object({
  id: z.string().optional().catch(undefined),
  url: z.string().catch(''),
  watermark_url: z.string().catch(''),
});
const found = z.object({
  code: z.literal(0),
  data: z.object({
    task_id: z.string(),
    task_status: z.enum(['submitted', 'processing', 'succeed', 'failed']),
    task_status_msg: z.string().catch(''),
    task_result: z.object({ videos: z.array(video).catch([]) }).catch({ videos: [] }),
    final_unit_deduction: z.string().catch('0'),
    final_balance_deduction: z.object({ quota: z.string().catch('0') }).catch({ quota: '0' }),
  }),
});
type Found = z.infer<typeof found>['data'];

export const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: ({ taskId, path = '' }, context) => ({
    method: 'GET',
    path: `${path}/${encodeURIComponent(taskId)}`,
    headers: authorize(context),
  }),
  response(response, input) {
    const answer = read(found, response);
    if (!answer)
      return claimsSuccess(response)
        ? protocolError(response, 'a task with a known status')
        : classify(response, 'reading');
    if (answer.data.task_id !== input.taskId) return protocolError(response, `the task ${input.taskId}`);
    return outcomeOf(answer.data, response, input);
  },
};

function outcomeOf(task: Found, response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  switch (task.task_status) {
    case 'submitted':
      return { state: 'pending', handle: input, phase: 'queued' };
    case 'processing':
      return { state: 'pending', handle: input, phase: 'running' };
    case 'failed':
      return classifyFailedTask(task.task_status_msg);
    case 'succeed':
      return finishedOr(task.task_result.videos[0], usageOf(chargesOf(task)), response);
  }
}

/** Both kinds of charge are always named; the one that was not drawn on is zero. */
function chargesOf({ final_unit_deduction: units, final_balance_deduction: balance }: Found): Charge[] {
  const charges = [
    { amount: units, unit: 'unit' },
    { amount: balance.quota, unit: 'cash' },
  ];
  return charges.filter(({ amount }) => Number(amount) !== 0);
}

const named = z.object({
  code: z.literal(0),
  data: z.object({
    task_id: z.string().min(1),
    task_info: z.object({ external_task_id: z.string().optional() }).catch({}),
  }),
});

/** An unknown tag is HTTP 400, code 1201, "Task not found by …" (live probe of 2026-09-20, aself101/kling-api). */
export const find: Exchange<Credentials, Submission, Submitted<Handle> | Absent> = {
  request: ({ attemptId, upstream }, context) => ({
    method: 'GET',
    path: `${readUpstream(upstream).path}/${encodeURIComponent(attemptId)}`,
    headers: authorize(context),
  }),
  response(response, { attemptId, upstream }) {
    const answer = read(named, response);
    if (!answer) {
      if (claimsSuccess(response)) return protocolError(response, 'a task with an id');
      const failed = classify(response, 'reading');
      return failed.kind === 'task_not_found' ? { state: 'absent' } : failed;
    }
    const { task_id: taskId, task_info: info } = answer.data;
    const tag = info.external_task_id;
    if (tag !== undefined && tag !== attemptId) return protocolError(response, `the task tagged ${attemptId}`);
    return { state: 'submitted', taskId, handle: handleOf(taskId, upstream) };
  },
};

/**
 * Official Kling, the new generation: the model is in the path, the tag is `external_task_id`.
 * Source: kling.ai/document-api, mirrored 2026-09-20 by aself101/kling-api (docs/api).
 */
import { z } from 'zod';
import { DAY_MS } from '../../src/ground/time.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { failure, isSuccess, isWebAddress, outline, protocolError, read } from '../answers.ts';
import type {
  Absent,
  Exchange,
  Failure,
  Finished,
  Headers,
  Json,
  Pending,
  ProviderResponse,
  Submission,
  Submitted,
} from '../contract.ts';
import { defineProvider } from '../define.ts';
import { capabilities } from './capabilities.ts';
import { classify, classifyFailedTask } from './failures.ts';

const credentials = z.object({ KLING_API_KEY: z.string() }).transform((set) => ({ apiKey: set.KLING_API_KEY }));
type Credentials = z.infer<typeof credentials>;

const handle = z.object({ taskId: z.string() });
type Handle = z.infer<typeof handle>;

const headers = ({ apiKey }: Credentials): Headers => ({ authorization: `Bearer ${apiKey}` });

const created = z.object({ code: z.literal(0), data: z.object({ id: z.string().min(1) }) });

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: submission.upstream,
    headers: headers(context.credentials),
    body: { ...inputOf(submission), settings: settingsOf(submission.request), options: optionsOf(submission) },
  }),
  response(response) {
    const answer = read(created, response);
    if (!answer) return isEnvelopeOfSuccess(response) ? protocolError(response, 'data.id') : classify(response);
    return { state: 'submitted', taskId: answer.data.id, handle: { taskId: answer.data.id } };
  },
};

const isEnvelopeOfSuccess = (response: ProviderResponse): boolean =>
  isSuccess(response) && (read(z.object({ code: z.number() }), response)?.code ?? 0) === 0;

function inputOf({ request, media }: Submission): { [key: string]: Json } {
  if (request.task === 'text_to_video') return { prompt: request.prompt };
  const contents: Json[] = [];
  if (request.prompt !== '') contents.push({ type: 'prompt', text: request.prompt });
  if (media.firstFrame) contents.push({ type: 'first_frame', url: media.firstFrame });
  if (media.lastFrame) contents.push({ type: 'last_frame', url: media.lastFrame });
  for (const [index, element] of request.elements.entries()) {
    contents.push({ type: 'element', element_id: element.id, id: `element_${index + 1}` });
  }
  return { contents };
}

/** `multi_shot` is sent as false because this generation's default is true. */
function settingsOf(request: VideoRequest): Json {
  return {
    multi_shot: false,
    audio: request.audio ? 'native' : 'off',
    resolution: request.resolution,
    ...(request.task === 'text_to_video' && { aspect_ratio: request.aspectRatio ?? '16:9' }),
    ...(request.seconds !== null && { duration: request.seconds }),
  };
}

function optionsOf({ attemptId, request, webhookUrl }: Submission): Json {
  return {
    external_task_id: attemptId,
    ...(webhookUrl !== undefined && { callback_url: webhookUrl }),
    watermark_info: { enabled: request.watermark },
  };
}

const task = z.object({
  id: z.string(),
  status: z.enum(['submitted', 'processing', 'succeeded', 'failed']),
  message: z.string().default(''),
  outputs: z.array(z.object({ type: z.string(), url: z.string().default('') })).default([]),
  billing: z.array(z.object({ charge_type: z.string(), amount: z.string() })).default([]),
});
const tasks = z.object({ code: z.literal(0), data: z.array(z.unknown()) });

const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: ({ taskId }, context) => ({
    method: 'GET',
    path: `/tasks?task_ids=${encodeURIComponent(taskId)}`,
    headers: headers(context.credentials),
  }),
  response(response, input) {
    const answer = read(tasks, response);
    if (!answer) return isSuccess(response) ? protocolError(response, 'a list of tasks') : classify(response);
    if (answer.data.length === 0) return failure('task_not_found', 'the list of tasks is empty');
    const found = task.safeParse(answer.data[0]);
    if (!found.success) return protocolError(response, 'a task with a known status');
    return outcomeOf(found.data, response, input);
  },
};

function outcomeOf(
  found: z.infer<typeof task>,
  response: ProviderResponse,
  input: Handle,
): Pending<Handle> | Finished | Failure {
  switch (found.status) {
    case 'submitted':
      return { state: 'pending', handle: input, phase: 'queued' };
    case 'processing':
      return { state: 'pending', handle: input, phase: 'running' };
    case 'failed':
      return classifyFailedTask(found.message);
    case 'succeeded': {
      const video = found.outputs.find((output) => output.type === 'video');
      if (!video || !isWebAddress(video.url))
        return failure('video_missing', `succeeded without a video: ${outline(response.body)}`);
      const [charge] = found.billing;
      return {
        state: 'finished',
        videoUrl: video.url,
        ...(charge && { usage: { quantity: charge.amount, unit: charge.charge_type } }),
      };
    }
  }
}

const found = z.object({ id: z.string().min(1) });

/** 152 read-after-write checks of this look-up had no miss (live probe of 2026-09-20, aself101/kling-api). */
const find: Exchange<Credentials, Submission, Submitted<Handle> | Absent> = {
  request: ({ attemptId }, context) => ({
    method: 'GET',
    path: `/tasks?external_task_ids=${encodeURIComponent(attemptId)}`,
    headers: headers(context.credentials),
  }),
  response(response) {
    const answer = read(tasks, response);
    if (!answer) return isSuccess(response) ? protocolError(response, 'a list of tasks') : classify(response);
    if (answer.data.length === 0) return { state: 'absent' };
    const first = found.safeParse(answer.data[0]);
    if (!first.success) return protocolError(response, 'a task with an id');
    return { state: 'submitted', taskId: first.data.id, handle: { taskId: first.data.id } };
  },
};

export const kling = defineProvider<Credentials, Handle>({
  id: 'kling',
  name: 'Kling (official)',
  settings: {
    prefix: 'KLING',
    hosts: { api: 'https://api-singapore.klingai.com' },
    slotsDefault: 20,
    slotsPer: 'model',
    credentialVariables: [['KLING_API_KEY']],
  },
  credentials,
  handle,
  capabilities,
  media: { inlineImage: 'base64', inlineBytesMax: 50_000_000 },
  linkLifeMs: 30 * DAY_MS,
  submit,
  poll,
  find,
});

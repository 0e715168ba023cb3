/**
 * PiAPI: one task API; a model is chosen by `model`, `task_type`, `version` and `mode` together.
 * Source: piapi.ai/docs (kling-api, unified-api-schema, unified-webhook, 2025-12 to 2026-10).
 */
import { z } from 'zod';
import { DAY_MS } from '../../src/ground/time.ts';
import { failure, isSuccess, isWebAddress, outline, protocolError, read } from '../answers.ts';
import type {
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
import { classify, classifyFailedTask, classifyRead } from './failures.ts';

const credentials = z.object({ PIAPI_API_KEY: z.string() }).transform((set) => ({ apiKey: set.PIAPI_API_KEY }));
type Credentials = z.infer<typeof credentials>;

const handle = z.object({ taskId: z.string() });
type Handle = z.infer<typeof handle>;

const headers = ({ apiKey }: Credentials): Headers => ({ 'x-api-key': apiKey });

const created = z.object({ code: z.number().max(399), data: z.object({ task_id: z.string().min(1) }) });

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/api/v1/task',
    headers: headers(context.credentials),
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(created, response);
    if (!answer) return protocolError(response, 'data.task_id');
    return { state: 'submitted', taskId: answer.data.task_id, handle: { taskId: answer.data.task_id } };
  },
};

/** `service_mode` is sent: without it the account's workspace setting decides whose seats are used. */
function bodyOf({ request, media, upstream, webhookUrl, webhookSecret }: Submission): Json {
  const [taskType, version] = upstream.split(' ');
  return {
    model: 'kling',
    task_type: taskType,
    input: {
      version,
      mode: request.resolution === '720p' ? 'std' : 'pro',
      prompt: request.prompt,
      ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
      ...(request.seconds !== null && { duration: request.seconds }),
      ...(request.task === 'text_to_video' && { aspect_ratio: request.aspectRatio ?? '16:9' }),
      ...(media.firstFrame !== undefined && { image_url: media.firstFrame }),
      ...(media.lastFrame !== undefined && { image_tail_url: media.lastFrame }),
      enable_audio: request.audio,
    },
    config: {
      service_mode: 'public',
      ...(webhookUrl !== undefined && { webhook_config: { endpoint: webhookUrl, secret: webhookSecret } }),
    },
  };
}

const work = z.object({
  video: z.object({ resource_without_watermark: z.string().nullish(), resource: z.string().nullish() }).nullish(),
});
const task = z.object({
  data: z.object({
    status: z.string(),
    output: z
      .object({ video_url: z.string().nullish(), video: z.string().nullish(), works: z.array(work).nullish() })
      .nullish(),
    meta: z
      .object({ usage: z.object({ type: z.string(), frozen: z.number(), consume: z.number() }).nullish() })
      .nullish(),
    logs: z.array(z.unknown()).nullish(),
    error: z.object({ message: z.string().default(''), raw_message: z.string().default('') }).nullish(),
  }),
});
type Task = z.infer<typeof task>['data'];

const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: ({ taskId }, context) => ({
    method: 'GET',
    path: `/api/v1/task/${encodeURIComponent(taskId)}`,
    headers: headers(context.credentials),
  }),
  response(response, input) {
    if (!isSuccess(response)) return classifyRead(response);
    const answer = read(task, response);
    if (!answer) return protocolError(response, 'a task');
    return outcomeOf(answer.data, response, input);
  },
};

/** Documentation prints the words capitalised, the wire uses lower case. */
function outcomeOf(data: Task, response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  switch (data.status.toLowerCase()) {
    case 'pending':
    case 'staged':
      return { state: 'pending', handle: input, phase: 'queued' };
    case 'processing':
    case 'running':
    case 'retry':
      return { state: 'pending', handle: input, phase: 'running' };
    case 'failed':
    case 'cancelled': {
      const logs = (data.logs ?? []).map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry)));
      const texts = [data.error?.message ?? '', data.error?.raw_message ?? '', ...logs];
      return classifyFailedTask(texts, data.meta?.usage?.consume);
    }
    case 'completed':
    case 'success': {
      const videoUrl = videoOf(data.output);
      if (videoUrl === undefined)
        return failure('video_missing', `completed without a video: ${outline(response.body)}`);
      return { state: 'finished', videoUrl, ...usageOf(data.meta?.usage) };
    }
    default:
      return protocolError(response, 'a known status');
  }
}

/** The place of the address differs by version; the vendor's order of preference. */
function videoOf(output: Task['output']): string | undefined {
  const first = output?.works?.[0]?.video;
  const places = [output?.video_url, output?.video, first?.resource_without_watermark, first?.resource];
  return places.find((place): place is string => typeof place === 'string' && isWebAddress(place));
}

type Usage = NonNullable<NonNullable<Task['meta']>['usage']>;

/** Points are frozen at the create and consumed at the end; a finished task that shows 0 consumed what was frozen. */
function usageOf(usage: Usage | null | undefined): { usage?: { quantity: string; unit: string } } {
  if (!usage) return {};
  return { usage: { quantity: String(usage.consume > 0 ? usage.consume : usage.frozen), unit: usage.type } };
}

export const piapi = defineProvider<Credentials, Handle>({
  id: 'piapi',
  name: 'PiAPI',
  settings: {
    prefix: 'PIAPI',
    hosts: { api: 'https://api.piapi.ai' },
    slotsDefault: 5,
    slotsPer: 'account',
    credentialVariables: [['PIAPI_API_KEY']],
  },
  credentials,
  handle,
  capabilities,
  media: {},
  linkLifeMs: DAY_MS,
  submit,
  poll,
});

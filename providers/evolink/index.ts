/**
 * EvoLink: one create endpoint, the model id names the task, sound is `on` or `off`, results live 24 hours.
 * Source: docs.evolink.ai and the vendor's own client (deeplearning-goethe/evolink-cli), 2026-10 to 2026-11.
 */
import { z } from 'zod';
import { HOUR_MS, SECOND_MS } from '../../src/ground/time.ts';
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

const credentials = z.object({ EVOLINK_API_KEY: z.string() }).transform((set) => ({ apiKey: set.EVOLINK_API_KEY }));
type Credentials = z.infer<typeof credentials>;

const handle = z.object({ taskId: z.string() });
type Handle = z.infer<typeof handle>;

const headers = ({ apiKey }: Credentials): Headers => ({ authorization: `Bearer ${apiKey}` });

const created = z.object({ id: z.string().min(1) });

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/v1/videos/generations',
    // Known from the vendor's client only; nothing relies on it being honoured.
    headers: { ...headers(context.credentials), 'idempotency-key': submission.attemptId },
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(created, response);
    if (!answer) return protocolError(response, 'a task id');
    return { state: 'submitted', taskId: answer.id, handle: { taskId: answer.id } };
  },
};

function bodyOf({ request, media, upstream, webhookUrl }: Submission): Json {
  return {
    model: upstream,
    prompt: request.prompt,
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...(media.firstFrame !== undefined && { image_start: media.firstFrame }),
    ...(media.lastFrame !== undefined && { image_end: media.lastFrame }),
    ...(request.task === 'text_to_video' && { aspect_ratio: request.aspectRatio ?? '16:9' }),
    ...(request.seconds !== null && { duration: request.seconds }),
    quality: request.resolution,
    sound: request.audio ? 'on' : 'off',
    model_params: {
      multi_shot: false,
      ...(request.elements.length > 0 && {
        element_list: request.elements.map((element) => ({ element_id: element.id })),
      }),
      watermark_info: { enabled: request.watermark },
    },
    ...(webhookUrl !== undefined && { callback_url: webhookUrl }),
  };
}

const task = z.object({
  status: z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']),
  progress: z.number().optional(),
  results: z.array(z.string()).nullish(),
  usage: z.object({ credits_used: z.number().optional() }).optional(),
  error: z.object({ code: z.union([z.string(), z.number()]).default(''), message: z.string().default('') }).nullish(),
});

/** The vendor's own client waits 8 s between reads of a video, because each read makes EvoLink ask its upstream. */
const NEXT_POLL_MS = 8 * SECOND_MS;

const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: ({ taskId }, context) => ({
    method: 'GET',
    path: `/v1/tasks/${encodeURIComponent(taskId)}`,
    headers: headers(context.credentials),
  }),
  response(response, input) {
    if (!isSuccess(response)) return classifyRead(response);
    const answer = read(task, response);
    if (!answer) return protocolError(response, 'a task with a known status');
    return outcomeOf(answer, response, input);
  },
};

function outcomeOf(
  answer: z.infer<typeof task>,
  response: ProviderResponse,
  input: Handle,
): Pending<Handle> | Finished | Failure {
  const progress = answer.progress === undefined ? {} : { progressPercent: answer.progress };
  switch (answer.status) {
    case 'pending':
      return { state: 'pending', handle: input, phase: 'queued', nextPollMs: NEXT_POLL_MS, ...progress };
    case 'processing':
      return { state: 'pending', handle: input, phase: 'running', nextPollMs: NEXT_POLL_MS, ...progress };
    case 'failed':
    case 'cancelled':
      return classifyFailedTask(String(answer.error?.code ?? answer.status), answer.error?.message ?? '');
    case 'completed': {
      const [videoUrl] = answer.results ?? [];
      if (videoUrl === undefined || !isWebAddress(videoUrl)) {
        return failure('video_missing', `completed without results: ${outline(response.body)}`);
      }
      const credits = answer.usage?.credits_used;
      return {
        state: 'finished',
        videoUrl,
        ...(credits !== undefined && { usage: { quantity: String(credits), unit: 'credit' } }),
      };
    }
  }
}

export const evolink = defineProvider<Credentials, Handle>({
  id: 'evolink',
  name: 'EvoLink',
  settings: {
    prefix: 'EVOLINK',
    hosts: { api: 'https://api.evolink.ai' },
    slotsDefault: 10,
    slotsPer: 'account',
    credentialVariables: [['EVOLINK_API_KEY']],
  },
  credentials,
  handle,
  capabilities,
  media: {},
  linkLifeMs: 24 * HOUR_MS,
  submit,
  poll,
});

/**
 * Atlas Cloud: a flat body next to `model`, one address for status and result.
 * Source: atlascloud.ai/docs (errors, predictions, webhooks, 2026) and the vendor's public clients.
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

const credentials = z
  .object({ ATLASCLOUD_API_KEY: z.string() })
  .transform((set) => ({ apiKey: set.ATLASCLOUD_API_KEY }));
type Credentials = z.infer<typeof credentials>;

const handle = z.object({ taskId: z.string() });
type Handle = z.infer<typeof handle>;

/** Bare library agents have been refused at the edge with HTTP 403, "error code: 1010" (seen 2026-07). */
const USER_AGENT = 'Mozilla/5.0 (compatible; reelay/0.1)';

const headers = ({ apiKey }: Credentials): Headers => ({
  authorization: `Bearer ${apiKey}`,
  'user-agent': USER_AGENT,
});

/** `data.id`; an older example of the documentation has it at the top, once as `predictionId`. */
const created = z.object({
  data: z.object({ id: z.string().min(1) }).nullish(),
  id: z.string().min(1).optional(),
  predictionId: z.string().min(1).optional(),
});

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/api/v1/model/generateVideo',
    headers: headers(context.credentials),
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(created, response);
    const taskId = answer?.data?.id ?? answer?.id ?? answer?.predictionId;
    if (taskId === undefined) return protocolError(response, 'a prediction id');
    return { state: 'submitted', taskId, handle: { taskId } };
  },
};

/** `sound` is always sent: its default differs from family to family. */
function bodyOf({ request, media, upstream, webhookUrl }: Submission): Json {
  return {
    model: upstream,
    prompt: request.prompt,
    ...(media.firstFrame !== undefined && { image: media.firstFrame }),
    ...(media.lastFrame !== undefined && { end_image: media.lastFrame }),
    ...(request.seconds !== null && { duration: request.seconds }),
    ...(request.task === 'text_to_video' && { aspect_ratio: request.aspectRatio ?? '16:9' }),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...(request.cfgScale !== undefined && { cfg_scale: request.cfgScale }),
    sound: request.audio,
    ...(webhookUrl !== undefined && { webhook_url: webhookUrl }),
  };
}

const output = z.union([z.string(), z.object({ url: z.string() }).transform((item) => item.url)]);

const prediction = z.object({
  data: z.object({
    status: z.string(),
    outputs: z.array(output).nullish(),
    output: z.string().nullish(),
    error: z.string().nullish(),
    error_code: z.number().nullish(),
    has_nsfw_contents: z.union([z.boolean(), z.array(z.boolean())]).nullish(),
  }),
});
type Prediction = z.infer<typeof prediction>['data'];

/** The documented words and those that the vendor's clients accept besides. */
const WAITING = ['starting', 'created', 'pending', 'queued'];
const RUNNING = ['processing', 'running'];
const DONE = ['completed', 'succeeded', 'success'];
const FAILED = ['failed', 'timeout', 'error', 'canceled', 'cancelled'];

const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: ({ taskId }, context) => ({
    method: 'GET',
    path: `/api/v1/model/prediction/${encodeURIComponent(taskId)}`,
    headers: headers(context.credentials),
  }),
  response(response, input) {
    if (!isSuccess(response)) return classifyRead(response);
    const answer = read(prediction, response);
    if (!answer) return protocolError(response, 'a prediction');
    return outcomeOf(answer.data, response, input);
  },
};

function outcomeOf(data: Prediction, response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  const status = data.status.toLowerCase();
  if (WAITING.includes(status)) return { state: 'pending', handle: input, phase: 'queued' };
  if (RUNNING.includes(status)) return { state: 'pending', handle: input, phase: 'running' };
  if (FAILED.includes(status)) return classifyFailedTask(status, data.error ?? '', data.error_code ?? undefined);
  if (!DONE.includes(status)) return protocolError(response, 'a known status');
  if ([data.has_nsfw_contents].flat().includes(true)) return classifyFailedTask('completed', 'nsfw content', undefined);
  const videoUrl = data.outputs?.[0] ?? data.output ?? '';
  if (!isWebAddress(videoUrl)) return failure('video_missing', `finished without outputs: ${outline(response.body)}`);
  return { state: 'finished', videoUrl };
}

export const atlas = defineProvider<Credentials, Handle>({
  id: 'atlas',
  name: 'Atlas Cloud',
  settings: {
    prefix: 'ATLASCLOUD',
    hosts: { api: 'https://api.atlascloud.ai' },
    slotsDefault: 10,
    slotsPer: 'account',
    credentialVariables: [['ATLASCLOUD_API_KEY']],
  },
  credentials,
  handle,
  capabilities,
  media: { inlineImage: 'data_url', inlineBytesMax: 30_000_000 },
  linkLifeMs: 14 * DAY_MS,
  submit,
  poll,
});

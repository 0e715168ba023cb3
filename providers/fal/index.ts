/**
 * fal: a queue. Status and result have addresses of their own, given with the submission; a failure is a completed
 * request with an error. Source: docs.fal.ai (queue, errors, 2026) and fal-ai/fal-js (2026-08-02).
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
import { classify, classifyFailedStatus, classifyFailedTask, classifyRead } from './failures.ts';

const credentials = z.object({ FAL_KEY: z.string() }).transform((set) => ({ key: set.FAL_KEY }));
type Credentials = z.infer<typeof credentials>;

/** The paths of the three addresses: they lie under the app id, not under the endpoint id, so none is ever built. */
const handle = z.object({
  stage: z.enum(['status', 'result']),
  statusPath: z.string(),
  responsePath: z.string(),
  cancelPath: z.string(),
});
type Handle = z.infer<typeof handle>;

/** The scheme is `Key`, not `Bearer`. */
const headers = ({ key }: Credentials): Headers => ({ authorization: `Key ${key}` });

const created = z.object({
  request_id: z.string().min(1),
  status_url: z.string(),
  response_url: z.string(),
  cancel_url: z.string(),
});

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: `/${submission.upstream}${webhookQuery(submission.webhookUrl)}`,
    headers: {
      ...headers(context.credentials),
      // fal may requeue a request up to ten times, or let another model serve it: both are ours to decide.
      'x-fal-no-retry': '1',
      'x-app-fal-disable-fallback': 'true',
    },
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(created, response);
    if (!answer) return protocolError(response, 'request_id and its three addresses');
    const statusPath = ownPath(answer.status_url, response);
    const responsePath = ownPath(answer.response_url, response);
    const cancelPath = ownPath(answer.cancel_url, response);
    if (!statusPath || !responsePath || !cancelPath) return protocolError(response, 'addresses at fal itself');
    return {
      state: 'submitted',
      taskId: answer.request_id,
      handle: { stage: 'status', statusPath, responsePath, cancelPath },
    };
  },
};

const webhookQuery = (url: string | undefined): string =>
  url === undefined ? '' : `?fal_webhook=${encodeURIComponent(url)}`;

/** The queue's documented names; addresses may come under either. */
const QUEUE_ORIGINS = ['https://queue.fal.run', 'https://queue.falrun.com'];

/** The path of an address that fal gave; null when it leads anywhere but to the origin we asked, or to fal's own. */
function ownPath(address: string, response: ProviderResponse): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  const own = url.origin === response.origin || QUEUE_ORIGINS.includes(url.origin);
  return own && !url.pathname.startsWith('//') ? url.pathname : null;
}

/** Durations are strings before 4.0; the first frame's name differs from family to family. */
function bodyOf({ request, media }: Submission): Json {
  return {
    prompt: request.prompt,
    ...(media.firstFrame !== undefined && { start_image_url: media.firstFrame }),
    ...(media.lastFrame !== undefined && { end_image_url: media.lastFrame }),
    ...(request.seconds !== null && { duration: String(request.seconds) }),
    ...(request.task === 'text_to_video' && { aspect_ratio: request.aspectRatio ?? '16:9' }),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...(request.cfgScale !== undefined && { cfg_scale: request.cfgScale }),
    generate_audio: request.audio,
  };
}

const status = z.object({
  status: z.enum(['IN_QUEUE', 'IN_PROGRESS', 'COMPLETED']),
  error: z.string().nullish(),
  error_type: z.string().nullish(),
});
const result = z.object({ video: z.object({ url: z.string() }) });

const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: (input, context) => ({
    method: 'GET',
    path: input.stage === 'status' ? input.statusPath : input.responsePath,
    headers: headers(context.credentials),
  }),
  response: (response, input) =>
    input.stage === 'status' ? outcomeOfStatus(response, input) : outcomeOfResult(response, input),
};

function outcomeOfStatus(response: ProviderResponse, input: Handle): Pending<Handle> | Failure {
  if (!isSuccess(response)) return classifyRead(response);
  const answer = read(status, response);
  if (!answer) return protocolError(response, 'a known status');
  switch (answer.status) {
    case 'IN_QUEUE':
      return { state: 'pending', handle: input, phase: 'queued' };
    case 'IN_PROGRESS':
      return { state: 'pending', handle: input, phase: 'running' };
    case 'COMPLETED':
      if (answer.error) return classifyFailedStatus(answer.error, answer.error_type ?? undefined);
      return { state: 'pending', handle: { ...input, stage: 'result' }, phase: 'running', nextPollMs: 0 };
  }
}

function outcomeOfResult(response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  if (response.status === 400 && /still in progress/i.test(outline(response.body))) {
    return { state: 'pending', handle: { ...input, stage: 'status' }, phase: 'running' };
  }
  if (response.status === 404) return failure('task_not_found', 'the result is not there');
  if (!isSuccess(response)) return classifyFailedTask(response);
  const answer = read(result, response);
  if (!answer || !isWebAddress(answer.video.url))
    return failure('video_missing', `a result without video.url: ${outline(response.body)}`);
  const units = response.headers['x-fal-billable-units'];
  return {
    state: 'finished',
    videoUrl: answer.video.url,
    ...(units !== undefined && { usage: { quantity: units, unit: 'second' } }),
  };
}

export const fal = defineProvider<Credentials, Handle>({
  id: 'fal',
  name: 'fal',
  settings: {
    prefix: 'FAL',
    hosts: { api: 'https://queue.fal.run' },
    slotsDefault: 2,
    slotsPer: 'account',
    credentialVariables: [['FAL_KEY']],
  },
  credentials,
  handle,
  capabilities,
  // Data URLs are accepted, and sensible only when small.
  media: { inlineImage: 'data_url', inlineBytesMax: 1_000_000 },
  linkLifeMs: 7 * DAY_MS,
  submit,
  poll,
});

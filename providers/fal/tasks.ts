/** A request in fal's queue: enqueued, read in two stages, stopped. */
import { z } from 'zod';
import { failure, isSuccess, isWebAddress, outline, protocolError, read } from '../answers.ts';
import type {
  Cancelled,
  CancelRequested,
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
import { classify, classifyFailedStatus, classifyFailedTask, classifyRead } from './failures.ts';

export const credentials = z.object({ FAL_KEY: z.string() }).transform((set) => ({ key: set.FAL_KEY }));
export type Credentials = z.infer<typeof credentials>;

/** The paths of the three addresses: they lie under the app id, not under the endpoint id, so none is ever built. */
export const handle = z.object({
  stage: z.enum(['status', 'result']),
  statusPath: z.string(),
  responsePath: z.string(),
  cancelPath: z.string(),
});
export type Handle = z.infer<typeof handle>;

/** The scheme is `Key`, not `Bearer`. */
export const headersFor = ({ key }: Credentials): Headers => ({ authorization: `Key ${key}` });

const created = z.object({
  request_id: z.string().min(1),
  status_url: z.string(),
  response_url: z.string(),
  cancel_url: z.string(),
});

export const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: `/${submission.upstream}${webhookQuery(submission.webhookUrl)}`,
    headers: {
      ...headersFor(context.credentials),
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

/** fal calls public https addresses (docs.fal.ai, webhooks, 2026); plain http on loopback is the sandbox's. */
function webhookQuery(url: string | undefined): string {
  if (url === undefined || !/^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost)[:/])/.test(url)) return '';
  return `?fal_webhook=${encodeURIComponent(url)}`;
}

/** The queue's documented names; addresses may come under either. */
const QUEUE_ORIGINS = ['https://queue.fal.run', 'https://queue.falrun.com'];

/** The path of an address that fal gave; null when it leads anywhere but to the origin we asked, or to fal's own. */
function ownPath(address: string, response: ProviderResponse): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  const own = url.origin === response.origin || QUEUE_ORIGINS.includes(url.origin);
  return own && !url.pathname.startsWith('//') ? url.pathname : null;
}

/**
 * The handle of a request of which only the id is known, from an announcement. Its addresses lie under the app id, the
 * first two words of the endpoint id, as the vendor's own client builds them (fal-ai/fal-js, queue.ts, 2026-08-02).
 */
export function handleOf(requestId: string, endpoint: string): Handle | null {
  const [owner, app] = endpoint.split('/');
  if (!/^[\w-]{1,100}$/.test(requestId) || !owner || !app) return null;
  const path = `/${owner}/${app}/requests/${requestId}`;
  return { stage: 'status', statusPath: `${path}/status`, responsePath: path, cancelPath: `${path}/cancel` };
}

const status = z.object({
  status: z.enum(['IN_QUEUE', 'IN_PROGRESS', 'COMPLETED']),
  error: z.unknown().optional(),
  error_type: z.string().nullish().catch(undefined),
});
const result = z.object({ video: z.object({ url: z.string() }) });

export const poll: Exchange<Credentials, Handle, Pending<Handle> | Finished> = {
  request: (input, context) => ({
    method: 'GET',
    path: input.stage === 'status' ? input.statusPath : input.responsePath,
    headers: headersFor(context.credentials),
  }),
  response: (response, input) =>
    input.stage === 'status' ? outcomeOfStatus(response, input) : outcomeOfResult(response, input),
};

/** The HTTP status says nothing here: newer documents show 202 for what is not done, older ones 200. */
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
      if (answer.error || answer.error_type) {
        return classifyFailedStatus(textOf(answer.error), answer.error_type ?? undefined);
      }
      return { state: 'pending', handle: { ...input, stage: 'result' }, phase: 'running', nextPollMs: 0 };
  }
}

const textOf = (error: unknown): string => (typeof error === 'string' ? error.slice(0, 300) : outline(error));

function outcomeOfResult(response: ProviderResponse, input: Handle): Pending<Handle> | Finished | Failure {
  if (response.status === 400 && /still in progress/i.test(outline(response.body))) {
    return { state: 'pending', handle: { ...input, stage: 'status' }, phase: 'running' };
  }
  if (!isSuccess(response)) return classifyFailedTask(response);
  // Not JSON at all is an answer of somebody else's, and read again.
  if (response.body === null) return protocolError(response, 'a result');
  const answer = read(result, response);
  if (!answer || !isWebAddress(answer.video.url))
    return failure('video_missing', `a result without video.url: ${outline(response.body)}`);
  const usage = usageOf(response);
  return { state: 'finished', videoUrl: answer.video.url, ...(usage && { usage }) };
}

/** What is billed, in the model's own unit: for Kling that is a second (docs.fal.ai, common headers, 2026). */
function usageOf({ headers }: ProviderResponse): ReportedUsage | null {
  const quantity = headers['x-fal-billable-units']?.trim() ?? '';
  return /^\d{1,9}(\.\d{1,12})?$/.test(quantity) ? { quantity, unit: 'second' } : null;
}

const stopped = z.object({ status: z.string() });
/** What per-model OpenAPI files show instead; whether anything is billed then, they do not say. */
const stoppedSuccess = z.object({ success: z.literal(true) });

/** Only a request that had not begun is taken off the queue, and costs nothing; one that runs may finish all the same. */
export const cancel: Exchange<Credentials, Handle, Cancelled | CancelRequested> = {
  request: (input, context) => ({ method: 'PUT', path: input.cancelPath, headers: headersFor(context.credentials) }),
  response(response) {
    const word = read(stopped, response)?.status;
    if (word === 'OK' && response.status === 200) return { state: 'cancelled' };
    if (isSuccess(response) && (word === 'CANCELLATION_REQUESTED' || read(stoppedSuccess, response))) {
      return { state: 'requested' };
    }
    if (word === 'ALREADY_COMPLETED') return failure('invalid_request', 'the request has already completed');
    if (isSuccess(response)) return protocolError(response, 'what became of the request');
    return classifyRead(response);
  },
};

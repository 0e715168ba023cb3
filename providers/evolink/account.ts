/** What an account can ask besides videos: its balance, a price, a place for an image. */
import { z } from 'zod';
import { isSuccess, isWebAddress, protocolError, read } from '../answers.ts';
import type { Balance, Exchange, Headers, Json, ProviderQuote, Submission, Uploaded, UploadFile } from '../contract.ts';
import { classify, classifyRead, classifyUpload } from './failures.ts';

export const credentials = z
  .object({ EVOLINK_API_KEY: z.string() })
  .transform((set) => ({ apiKey: set.EVOLINK_API_KEY }));
export type Credentials = z.infer<typeof credentials>;

export const headersFor = ({ apiKey }: Credentials): Headers => ({ authorization: `Bearer ${apiKey}` });

const decimal = z
  .union([z.number().nonnegative(), z.string()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,15}(\.\d{1,15})?$/));

const creditsAnswer = z.object({ data: z.object({ user: z.object({ remaining_credits: decimal }) }) });

/** The account's credits. What is left of the key's own cap is not ours to count: the cap may be lifted. */
export const balance: Exchange<Credentials, { readonly fromMs: number; readonly toMs: number }, Balance> = {
  request: (_range, context) => ({ method: 'GET', path: '/v1/credits', headers: headersFor(context.credentials) }),
  response(response) {
    if (!isSuccess(response)) return classifyRead(response);
    const answer = read(creditsAnswer, response);
    if (!answer) return protocolError(response, 'data.user.remaining_credits');
    return { state: 'balance', left: { quantity: answer.data.user.remaining_credits, unit: 'credit' } };
  },
};

const upload200 = z.object({ success: z.literal(true), data: z.object({ file_url: z.string().refine(isWebAddress) }) });
const refused = z.object({ success: z.literal(false) });

/**
 * An image for the files host, which keeps it for 72 hours. The names of the fields are those of the vendor's own client
 * (deeplearning-goethe/evolink-cli, services/file-client.js, 2026-11). The same name overwrites, so a picture that is
 * used again takes one of the account's 100 places.
 */
export const upload: Exchange<Credentials, UploadFile, Uploaded> = {
  request: ({ fileName, contentType, base64 }, context) => ({
    method: 'POST',
    host: 'files',
    path: '/api/v1/files/upload/base64',
    headers: headersFor(context.credentials),
    body: { base64_data: `data:${contentType};base64,${base64}`, file_name: fileName },
  }),
  response(response) {
    if (!isSuccess(response) || read(refused, response)) return classifyUpload(response);
    const answer = read(upload200, response);
    return answer ? { state: 'uploaded', url: answer.data.file_url } : protocolError(response, 'data.file_url');
  },
};

/** The operation of each model id, as the public price rules of 2026-10-10 name it. */
const OPERATIONS: Readonly<Record<string, string>> = {
  'kling-v3-text-to-video': 'text_to_video',
  'kling-v3-image-to-video': 'image_to_video',
  'kling-v3-turbo-text-to-video': 'text_to_video',
  'kling-v3-turbo-image-to-video': 'image_to_video',
  'kling-o3-text-to-video': 'text_to_video',
  'kling-o3-image-to-video': 'image_to_video',
  'kling-o3-reference-to-video': 'reference_to_video',
  'kling-o3-video-edit': 'video_edit',
  'kling-o1-image-to-video': 'image_to_video',
  'kling-o1-video-edit': 'video_edit',
  'kling-o1-video-edit-fast': 'video_edit',
  'kling-v3-motion-control': 'motion_control',
  'kling-v2.6-motion-control': 'motion_control',
};

const estimate = z.object({ currency: z.literal('USD'), amount: decimal });

/**
 * The account's own price, with its discounts; starts nothing. Where the length follows a source video it is the
 * amount that would be reserved. Known from the vendor's own client, and may be switched off (`estimate_unsupported`).
 */
export const quote: Exchange<Credentials, Submission, ProviderQuote> = {
  request: ({ upstream, request }, context) => ({
    method: 'POST',
    path: '/v1/agent-estimates',
    headers: headersFor(context.credentials),
    body: {
      model_id: upstream,
      operation: OPERATIONS[upstream] ?? request.task,
      parameters: pricedBy(upstream, request),
      expected_usage: {},
    },
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(estimate, response);
    return answer ? { state: 'quoted', usd: answer.amount } : protocolError(response, 'an amount in USD');
  },
};

/** The parameters that the price rules of each model id declare. O1 knows no tiers, and turbo no sound. */
function pricedBy(upstream: string, { seconds, resolution, audio }: Submission['request']): Json {
  const tiered = !upstream.startsWith('kling-o1-');
  const sounding = /^kling-(v3|o3)-(text|image)-to-video$/.test(upstream);
  return {
    ...(seconds !== null && { duration_seconds: tiered ? seconds : String(seconds) }),
    ...(tiered && { quality: resolution }),
    ...(sounding && { sound: audio ? 'on' : 'off' }),
  };
}

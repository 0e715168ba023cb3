/**
 * Atlas Cloud: a flat body next to `model`, one address for status and result.
 *
 * Source: atlascloud.ai/docs (errors, predictions, webhooks, billing, 2026) and the vendor's public clients. It offers no
 * cancelling, and no looking up by a key of ours: an orphan is found by its webhook only.
 */
import { z } from 'zod';
import { DAY_MS } from '../../src/ground/time.ts';
import { isSuccess, protocolError, read } from '../answers.ts';
import type { Exchange, Submission, Submitted } from '../contract.ts';
import { defineProvider } from '../define.ts';
import { balance, type Credentials, credentials, headersFor, quote } from './account.ts';
import { bodyOf } from './body.ts';
import { capabilities } from './capabilities.ts';
import { classify } from './failures.ts';
import { hooks } from './hooks.ts';
import { type Handle, handle, readTask, taskId } from './tasks.ts';

/** `data.id`; an older example of the documentation has it at the top, once as `predictionId`. */
const created = z.object({
  data: z.object({ id: taskId }).optional().catch(undefined),
  id: taskId.optional().catch(undefined),
  predictionId: taskId.optional().catch(undefined),
});

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/api/v1/model/generateVideo',
    headers: headersFor(context.credentials),
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(created, response);
    const id = answer?.data?.id ?? answer?.id ?? answer?.predictionId;
    if (id === undefined) return protocolError(response, 'a prediction id');
    return { state: 'submitted', taskId: id, handle: { taskId: id } };
  },
};

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
  // Image fields take data URLs, so that nothing has to go through `uploadMedia`. Kling takes images of at most 10 MB;
  // a first and a last frame of that size stay far below the 50 MB of a body.
  media: { inlineImage: 'data_url', inlineBytesMax: 10_000_000 },
  linkLifeMs: 14 * DAY_MS,
  submit,
  poll: {
    request: ({ taskId: id }, context) => ({
      method: 'GET',
      path: `/api/v1/model/prediction/${encodeURIComponent(id)}`,
      headers: headersFor(context.credentials),
    }),
    response: readTask,
  },
  quote,
  balance,
  hooks,
});

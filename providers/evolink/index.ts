/**
 * EvoLink: one create endpoint, the model id names the task, sound is `on` or `off`, results live 24 hours.
 *
 * Source: docs.evolink.ai and the vendor's own client (deeplearning-goethe/evolink-cli), 2026-10 to 2026-11. It offers no
 * cancelling, and no looking up by a key of ours: its list of tasks names neither prompt nor key.
 */
import { z } from 'zod';
import { HOUR_MS, MINUTE_MS } from '../../src/ground/time.ts';
import { isSuccess, protocolError, read } from '../answers.ts';
import type { Exchange, Submission, Submitted } from '../contract.ts';
import { defineProvider } from '../define.ts';
import { balance, type Credentials, credentials, headersFor, quote, upload } from './account.ts';
import { bodyOf } from './body.ts';
import { capabilities } from './capabilities.ts';
import { classify } from './failures.ts';
import { hooks } from './hooks.ts';
import { type Handle, handle, readTask } from './tasks.ts';

/** Anything else is not an id that the vendor's own client would take. */
const created = z.object({ id: z.string().regex(/^[\w.:-]{1,128}$/) });

const submit: Exchange<Credentials, Submission, Submitted<Handle>> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/v1/videos/generations',
    // Known from the vendor's client only: see `keyReplay`.
    headers: { ...headersFor(context.credentials), 'idempotency-key': submission.attemptId },
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(created, response);
    if (!answer) return protocolError(response, 'a task id');
    return { state: 'submitted', taskId: answer.id, handle: { taskId: answer.id } };
  },
};

export const evolink = defineProvider<Credentials, Handle>({
  id: 'evolink',
  name: 'EvoLink',
  settings: {
    prefix: 'EVOLINK',
    hosts: { api: 'https://api.evolink.ai', files: 'https://files-api.evolink.ai' },
    slotsDefault: 10,
    slotsPer: 'account',
    hostVariables: { files: 'EVOLINK_FILES_URL' },
    credentialVariables: [['EVOLINK_API_KEY']],
  },
  credentials,
  handle,
  capabilities,
  // Addresses only: base64 goes through the files host.
  media: {},
  linkLifeMs: 24 * HOUR_MS,
  /**
   * The vendor's own client repeats a paid create at most once, under the same key, and waits a minute where the outcome
   * is unknown (deeplearning-goethe/evolink-cli, services/http-policy.js, 2026-11). How long a key is kept nobody says:
   * no longer is relied on than a clip usually takes.
   */
  keyReplay: { afterMs: MINUTE_MS, withinMs: 5 * MINUTE_MS },
  submit,
  poll: {
    request: ({ taskId }, context) => ({
      method: 'GET',
      path: `/v1/tasks/${encodeURIComponent(taskId)}`,
      headers: headersFor(context.credentials),
    }),
    response: readTask,
  },
  upload,
  quote,
  balance,
  hooks,
});

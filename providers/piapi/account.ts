/** What an account can ask besides videos: its balance, and a place for an image (piapi.ai/docs, account-info, 2026). */
import { z } from 'zod';
import { isSuccess, isWebAddress, read } from '../answers.ts';
import type { Balance, Exchange, Uploaded, UploadFile } from '../contract.ts';
import { classify, classifyRead, unreadable } from './failures.ts';
import { type Credentials, headersFor } from './tasks.ts';

/** A plain decimal, kept as it was written. */
const decimal = z
  .number()
  .transform(String)
  .pipe(z.string().regex(/^-?\d{1,12}(\.\d{1,15})?$/));

const account = z.object({
  equivalent_in_usd: decimal,
  max_concurrent_task_count: z.number().int().positive().nullish().catch(null),
});
/** Documented inside `data`; some clients read the fields at the top. */
const accountAnswer = z.union([z.object({ data: account }).transform(({ data }) => data), account]);

/** Dollars left to spend, and how many tasks the plan lets run at once. */
export const balance: Exchange<Credentials, { readonly fromMs: number; readonly toMs: number }, Balance> = {
  request: (_range, context) => ({ method: 'GET', path: '/account/info', headers: headersFor(context.credentials) }),
  response(response) {
    if (!isSuccess(response)) return classifyRead(response);
    const answer = read(accountAnswer, response);
    if (!answer) return unreadable(response, 'equivalent_in_usd');
    const { equivalent_in_usd: usd, max_concurrent_task_count: slots } = answer;
    return { state: 'balance', left: { quantity: usd, unit: 'usd' }, ...(slots && { slots }) };
  },
};

const place = z.object({ url: z.string().refine(isWebAddress) });
const uploaded = z.union([place, z.object({ data: place }).transform(({ data }) => data)]);

/** An image for a day or so, on a host of its own; for paid plans. */
export const upload: Exchange<Credentials, UploadFile, Uploaded> = {
  request: ({ fileName, base64 }, context) => ({
    method: 'POST',
    host: 'upload',
    path: '/api/ephemeral_resource',
    headers: headersFor(context.credentials),
    body: { file_name: fileName, file_data: base64 },
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(uploaded, response);
    return answer ? { state: 'uploaded', url: answer.url } : unreadable(response, 'an address');
  },
};

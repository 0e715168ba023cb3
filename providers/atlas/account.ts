/** What an account can ask besides videos: a price, and its balance. */
import { z } from 'zod';
import { isSuccess, protocolError, read } from '../answers.ts';
import type { Balance, Exchange, Headers, ProviderQuote, Submission } from '../contract.ts';
import { bodyOf } from './body.ts';
import { classify, classifyRead } from './failures.ts';

export const credentials = z
  .object({ ATLASCLOUD_API_KEY: z.string() })
  .transform((set) => ({ apiKey: set.ATLASCLOUD_API_KEY }));
export type Credentials = z.infer<typeof credentials>;

/** Bare library agents have been refused at the edge with HTTP 403, "error code: 1010" (seen 2026-07). */
const USER_AGENT = 'Mozilla/5.0 (compatible; reelay/0.1)';

export const headersFor = ({ apiKey }: Credentials): Headers => ({
  authorization: `Bearer ${apiKey}`,
  'user-agent': USER_AGENT,
});

/** Dollars, written as a number or as text; exact, and never with an exponent. */
export const dollars = z
  .union([z.number().nonnegative(), z.string()])
  .transform(String)
  .pipe(z.string().regex(/^\d{1,12}(\.\d{1,15})?$/));

const quoted = z.object({ data: z.object({ price: dollars }) });

/**
 * The body of the create, priced and not started. Quotes of 2026-08-28 were within a cent of the charge. It is open to
 * everybody; the key is sent so that an account with prices of its own is told those.
 */
export const quote: Exchange<Credentials, Submission, ProviderQuote> = {
  request: (submission, context) => ({
    method: 'POST',
    path: '/api/v1/model/calculate',
    headers: headersFor(context.credentials),
    body: bodyOf(submission),
  }),
  response(response) {
    if (!isSuccess(response)) return classify(response);
    const answer = read(quoted, response);
    return answer ? { state: 'quoted', usd: answer.data.price } : protocolError(response, 'data.price');
  },
};

const available = z.object({ available: z.object({ value: dollars, currency: z.string().regex(/^usd$/i) }) });

/** What can be spent: holds of running tasks are off already. The range is not asked about. */
export const balance: Exchange<Credentials, { readonly fromMs: number; readonly toMs: number }, Balance> = {
  request: (_range, context) => ({
    method: 'GET',
    path: '/public/v1/balance',
    headers: headersFor(context.credentials),
  }),
  response(response) {
    if (!isSuccess(response)) return classifyRead(response);
    const answer = read(available, response);
    if (!answer) return protocolError(response, 'available.value in usd');
    return { state: 'balance', left: { quantity: answer.available.value, unit: 'usd' } };
  },
};

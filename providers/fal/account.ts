/** What an account can ask besides videos: its balance, a list price, a place for an image. */
import { z } from 'zod';
import { findModel } from '../../src/ground/models.ts';
import { ceilToMicros, formatUsd, ratio, times } from '../../src/ground/money.ts';
import { failure, isSuccess, isWebAddress, protocolError, read } from '../answers.ts';
import type { Balance, Exchange, ProviderQuote, Submission, UploadByPut, UploadFile } from '../contract.ts';
import { classifyAccount } from './failures.ts';
import { type Credentials, headersFor } from './tasks.ts';

/** A plain decimal, kept as it was written. */
const decimal = z
  .number()
  .transform(String)
  .pipe(z.string().regex(/^-?\d{1,12}(\.\d{1,15})?$/));

const billing = z.object({ credits: z.object({ current_balance: decimal, currency: z.literal('USD') }) });

/** Dollars left. The key must have the scope ADMIN: one for inference alone is refused (docs.fal.ai, account billing, 2026). */
export const balance: Exchange<Credentials, { readonly fromMs: number; readonly toMs: number }, Balance> = {
  request: (_range, context) => ({
    method: 'GET',
    host: 'platform',
    path: '/account/billing?expand=credits',
    headers: headersFor(context.credentials),
  }),
  response(response) {
    if (!isSuccess(response)) return classifyAccount(response);
    const answer = read(billing, response);
    if (!answer) return protocolError(response, 'credits.current_balance in USD');
    return { state: 'balance', left: { quantity: answer.credits.current_balance, unit: 'usd' } };
  },
};

const initiated = z.object({
  upload_url: z.string().refine(isWebAddress),
  file_url: z.string().refine(isWebAddress),
});

/** A place for an image at fal's own storage, as its client asks for one (fal-ai/fal-js, storage.ts, 2026-08-02). */
export const upload: Exchange<Credentials, UploadFile, UploadByPut> = {
  request: ({ fileName, contentType }, context) => ({
    method: 'POST',
    host: 'rest',
    path: '/storage/upload/initiate?storage_type=fal-cdn-v3',
    headers: headersFor(context.credentials),
    body: { file_name: fileName, content_type: contentType },
  }),
  response(response) {
    if (!isSuccess(response)) return classifyAccount(response);
    const answer = read(initiated, response);
    if (!answer) return protocolError(response, 'upload_url and file_url');
    return { state: 'put', putUrl: answer.upload_url, url: answer.file_url };
  },
};

const pricing = z.object({
  prices: z.array(z.object({ endpoint_id: z.string(), unit_price: decimal, unit: z.string(), currency: z.string() })),
});

/**
 * The list price of the endpoint by the seconds ordered (docs.fal.ai, models pricing, 2026). The list knows one number
 * per endpoint and not what sound or a voice adds to it, so a clip with one that could be without has no quote here; nor
 * has a clip whose length is not known yet.
 */
export const quote: Exchange<Credentials, Submission, ProviderQuote> = {
  request: ({ upstream }, context) => ({
    method: 'GET',
    host: 'platform',
    path: `/models/pricing?endpoint_id=${encodeURIComponent(upstream)}`,
    headers: headersFor(context.credentials),
  }),
  response(response, { upstream, request }) {
    if (!isSuccess(response)) return classifyAccount(response);
    const listed = read(pricing, response)?.prices.find(({ endpoint_id: endpoint }) => endpoint === upstream);
    if (!listed) return protocolError(response, `a price of ${upstream}`);
    const { unit_price: price, unit, currency } = listed;
    if (!/^seconds?$/i.test(unit) || currency !== 'USD' || price.startsWith('-')) {
      return protocolError(response, 'a price in USD per second');
    }
    const alwaysSounds = findModel(request.model)?.sound === 'always';
    if (request.seconds === null || request.voices.length > 0 || (request.audio && !alwaysSounds)) {
      return failure('offer_refused', `the list of prices has none for this clip of ${upstream}`);
    }
    const usd = ceilToMicros(times(ratio(price), ratio(request.seconds)));
    return { state: 'quoted', usd: formatUsd(usd).slice(1) };
  },
};

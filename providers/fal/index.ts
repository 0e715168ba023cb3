/**
 * fal: a queue. Status and result have addresses of their own, given with the submission; a failure is a completed
 * request with an error. Source: docs.fal.ai (queue, errors, webhooks, 2026) and fal-ai/fal-js (2026-08-02).
 */
import { DAY_MS } from '../../src/ground/time.ts';
import { defineProvider } from '../define.ts';
import { balance, quote, upload } from './account.ts';
import { capabilities } from './capabilities.ts';
import { hooks } from './hooks.ts';
import { type Credentials, cancel, credentials, type Handle, handle, poll, submit } from './tasks.ts';

export const fal = defineProvider<Credentials, Handle>({
  id: 'fal',
  name: 'fal',
  settings: {
    prefix: 'FAL',
    hosts: {
      api: 'https://queue.fal.run',
      rest: 'https://rest.fal.ai',
      platform: 'https://api.fal.ai/v1',
      jwks: 'https://rest.fal.ai/.well-known/jwks.json',
    },
    hostVariables: { rest: 'FAL_REST_URL', platform: 'FAL_PLATFORM_URL', jwks: 'FAL_JWKS_URL' },
    // A new account; up to 40 by what it has paid in four weeks (docs.fal.ai, concurrency limits, 2026).
    slotsDefault: 2,
    slotsPer: 'account',
    credentialVariables: [['FAL_KEY']],
  },
  credentials,
  handle,
  capabilities,
  // Data URLs are accepted, and sensible only when small.
  media: { inlineImage: 'data_url', inlineBytesMax: 1_000_000 },
  // At least (fal.ai, FAQ, 2026).
  linkLifeMs: 7 * DAY_MS,
  submit,
  poll,
  cancel,
  upload,
  quote,
  balance,
  hooks,
});

/**
 * Official Kling: two generations of one API on one host. The new one is preferred; what only the legacy one makes, or
 * what an account without an API key may ask for, goes there. Both keep our tag, `external_task_id`, unique per account.
 * Source: kling.ai/document-api, mirrored 2026-09-20 by aself101/kling-api (docs/api).
 */
import { DAY_MS } from '../../src/ground/time.ts';
import type { Exchange, Submission } from '../contract.ts';
import { defineProvider } from '../define.ts';
import { balance } from './balance.ts';
import { capabilities } from './capabilities.ts';
import { type Credentials, credentials } from './credentials.ts';
import { type Handle, handle, readUpstream } from './handle.ts';
import { hooks } from './hooks.ts';
import * as legacy from './legacy-tasks.ts';
import * as current from './new-tasks.ts';

/** The exchange of the generation that the input belongs to. */
function either<Input, Outcome>(
  isLegacy: (input: Input) => boolean,
  older: Exchange<Credentials, Input, Outcome>,
  newer: Exchange<Credentials, Input, Outcome>,
): Exchange<Credentials, Input, Outcome> {
  const of = (input: Input) => (isLegacy(input) ? older : newer);
  return {
    request: (input, context) => of(input).request(input, context),
    response: (response, input) => of(input).response(response, input),
  };
}

const orderedLegacy = ({ upstream }: Submission): boolean => readUpstream(upstream).legacy;
const madeLegacy = ({ path }: Handle): boolean => path !== undefined;

export const kling = defineProvider<Credentials, Handle>({
  id: 'kling',
  name: 'Kling (official)',
  settings: {
    prefix: 'KLING',
    hosts: { api: 'https://api-singapore.klingai.com' },
    slotsDefault: 20,
    slotsPer: 'model',
    credentialVariables: [['KLING_API_KEY'], ['KLING_ACCESS_KEY', 'KLING_SECRET_KEY']],
    optionalVariables: ['KLING_WEBHOOK_SECRET'],
  },
  credentials,
  handle,
  capabilities,
  // The new generation takes 50 MB, the legacy one 10: what fits both.
  media: { inlineImage: 'base64', inlineBytesMax: 10_000_000 },
  linkLifeMs: 30 * DAY_MS,
  submit: either(orderedLegacy, legacy.submit, current.submit),
  poll: either(madeLegacy, legacy.poll, current.poll),
  find: either(orderedLegacy, legacy.find, current.find),
  balance,
  hooks,
});

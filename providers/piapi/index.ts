/**
 * PiAPI: one task API; a model is chosen by `model`, `task_type`, `version` and `mode` together.
 * Source: piapi.ai/docs (kling-api, unified-api-schema, unified-webhook, 2025-12 to 2026-10).
 */
import { DAY_MS } from '../../src/ground/time.ts';
import { defineProvider } from '../define.ts';
import { balance, upload } from './account.ts';
import { capabilities } from './capabilities.ts';
import { hooks } from './hooks.ts';
import { type Credentials, cancel, credentials, type Handle, handle, poll, submit } from './tasks.ts';

export const piapi = defineProvider<Credentials, Handle>({
  id: 'piapi',
  name: 'PiAPI',
  settings: {
    prefix: 'PIAPI',
    hosts: { api: 'https://api.piapi.ai', upload: 'https://upload.theapi.app' },
    hostVariables: { upload: 'PIAPI_UPLOAD_URL' },
    // The account endpoint tells the real number; plans start at one and go to ninety.
    slotsDefault: 5,
    slotsPer: 'account',
    credentialVariables: [['PIAPI_API_KEY']],
  },
  credentials,
  handle,
  capabilities,
  // Addresses only: one client was seen to send base64, and no document allows it.
  media: {},
  // No figure is published for Kling; the vendor says to copy at once (piapi.ai/blogs, save-ai-generated-files-api, 2026).
  linkLifeMs: DAY_MS,
  submit,
  poll,
  cancel,
  upload,
  balance,
  hooks,
});

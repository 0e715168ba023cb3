import { createHash } from 'node:crypto';
import type { AnyProvider } from '../../providers/define.ts';
import type { Deps } from './deps.ts';

const TOKEN_BYTES = 16;

/** The webhook address of one attempt. The token is in the address alone; what is stored is its digest. */
export interface AttemptHook {
  readonly url: string;
  readonly digest: string;
  /** For providers that prove a delivery by echoing a secret: made from the token, so it need not be stored. */
  readonly secret: string;
}

/** An unguessable address for one attempt; null where nobody can call, or this provider does not. */
export function makeHook(
  deps: Pick<Deps, 'settings' | 'random' | 'sealer'>,
  provider: AnyProvider,
): AttemptHook | null {
  const { publicUrl } = deps.settings;
  if (publicUrl === null || !provider.hooks) return null;
  const token = Buffer.from(deps.random.bytes(TOKEN_BYTES)).toString('hex');
  return {
    url: `${publicUrl}/hooks/${provider.id}/${token}`,
    digest: digestOf(token),
    secret: secretOf(deps, token),
  };
}

/** Under which an attempt is found again from the token of its address. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The secret that belongs to a token. */
export function secretOf({ sealer }: Pick<Deps, 'sealer'>, token: string): string {
  return sealer.sign('hook secret', token);
}

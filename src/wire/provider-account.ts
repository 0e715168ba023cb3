import type { AnyProvider, Connection } from '../../providers/define.ts';
import type { Target } from './call.ts';

/** One configured account at one provider, ready to be asked. */
export interface ProviderAccount {
  readonly id: string;
  readonly provider: AnyProvider;
  readonly connection: Connection;
  readonly target: Target;
  /** The names of the credential variables it has. */
  readonly credentials: readonly string[];
  /** Secrets that prove this account's webhooks, where they are configured and not made per attempt. */
  readonly hookSecrets: readonly string[];
  /** Tasks it may run at once. */
  readonly slots: number;
  /** The resource package whose unit price counts, where the provider sells units. */
  readonly packageId?: string;
}

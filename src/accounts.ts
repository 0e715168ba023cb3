import type { AnyProvider } from '../providers/define.ts';
import { PROVIDERS } from '../providers/index.ts';
import type { AccountConfig } from './account-config.ts';
import type { Seller } from './pricing/offers.ts';
import { mediaRefusal } from './wire/media.ts';
import type { ProviderAccount } from './wire/provider-account.ts';

/** The account as the wire and the jobs use it. Throws a ZodError when its credentials are not its provider's. */
export function connectAccount(config: AccountConfig): ProviderAccount {
  const variables = Object.fromEntries(
    Object.entries(config.variables).map(([name, secret]) => [name, secret.reveal()]),
  );
  return {
    id: config.id,
    provider: config.provider,
    connection: config.provider.connect(variables),
    target: { baseUrls: config.baseUrls, secrets: Object.values(variables) },
    credentials: Object.keys(variables),
    hookSecrets: hookSecretsOf(config.provider, variables),
    slots: config.slots,
    ...(config.packageId !== undefined && { packageId: config.packageId }),
  };
}

function hookSecretsOf(provider: AnyProvider, variables: Readonly<Record<string, string>>): string[] {
  const secret = variables[provider.hooks?.secretVariable ?? ''];
  return secret === undefined ? [] : [secret];
}

/**
 * Who can be asked, in the order of the list of providers; a provider without an account takes no part, and says so.
 * `linkable`: this gateway can be reached, so an upload can be given as a link to it.
 */
export function sellersOf(accounts: readonly ProviderAccount[], linkable: boolean): Seller[] {
  return PROVIDERS.flatMap((provider): Seller[] => {
    const own = accounts.filter((account) => account.provider.id === provider.id);
    return own.length === 0 ? [absentSeller(provider)] : own.map((account) => sellerOf(account, linkable));
  });
}

function absentSeller({ id, capabilities }: AnyProvider): Seller {
  const refuses = () => 'is not configured: no key is set';
  return { provider: id, account: id, capabilities, credentials: [], refuses };
}

/** One account as a seller. */
export function sellerOf(account: ProviderAccount, linkable: boolean): Seller {
  const { provider, credentials, packageId } = account;
  return {
    provider: provider.id,
    account: account.id,
    capabilities: provider.capabilities,
    credentials,
    ...(packageId !== undefined && { packageId }),
    refuses: (request) => {
      const elsewhere = request.extends !== undefined && request.extends.account !== account.id;
      return elsewhere ? 'did not make the video that is extended' : mediaRefusal(provider, request, linkable);
    },
  };
}

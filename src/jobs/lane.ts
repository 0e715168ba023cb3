import type { ProviderAccount } from '../wire/provider-account.ts';

/** Where a candidate's slot is counted: the account; Kling counts running tasks per model version. */
export function laneOf(account: ProviderAccount, model: string): string {
  return account.provider.settings.slotsPer === 'model' ? `${account.id}/${model}` : account.id;
}

/** What has one circuit: a model at an account. */
export const offerOf = ({ account, model }: { readonly account: string; readonly model: string }): string =>
  `${account}/${model}`;

import { GatewayError, invalidValue } from '../ground/errors.ts';
import type { Presentation } from '../jobs/presentation.ts';
import { callbackSecrets } from '../ledger/webhook-secret.ts';
import { AddressRefused, type AddressRules } from '../wire/address.ts';
import { checkReceiver } from '../wire/notify.ts';
import type { Caller, FrontDeps } from './context.ts';
import type { CreateFields } from './fields.ts';

/**
 * Where the request itself wants its end announced, once that is known to be an address that events may go to. Throws
 * `invalid_value` for `callback_url` otherwise, also where the tenant has no secret: nothing is ever sent unsigned.
 */
export async function callbackOf(
  { jobs, addressRules }: Pick<FrontDeps, 'jobs' | 'addressRules'>,
  { tenant }: Pick<Caller, 'tenant'>,
  { callback_url: address }: Pick<CreateFields, 'callback_url'>,
): Promise<Pick<Presentation, 'callbackUrl'>> {
  if (address === undefined) return {};
  assertReceiver(address, addressRules, 'callback_url');
  const { sealed } = await jobs.database.read((tx) => callbackSecrets(tx, tenant.id));
  if (sealed !== null) return { callbackUrl: address };
  throw invalidValue(
    'callback_url',
    "This tenant has no webhook secret yet, and 'callback_url' is never called unsigned. Ask the operator for one " +
      '(POST /admin/v1/tenants/{id}/webhook_secret), or register a webhook endpoint.',
  );
}

/** Holds that events may go to the address. Throws `invalid_value`, which tells no more than that they may not. */
export function assertReceiver(address: string, rules: AddressRules, param: string): void {
  try {
    checkReceiver(address, rules);
  } catch (error) {
    if (!(error instanceof AddressRefused)) throw error;
    const message = `The address in '${param}' is not reachable or not allowed. Use a public https address.`;
    throw new GatewayError('invalid_value', { message, param, internal: error.message });
  }
}

import { eq } from 'drizzle-orm';
import type { Random } from '../ground/id.ts';
import { DAY_MS } from '../ground/time.ts';
import type { Tx } from '../store/database.ts';
import { tenants } from '../store/schema.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const SHOWN_CHARACTERS = 4;

/** How long a secret that was replaced signs too, where that was asked for. */
export const OLD_SECRET_MS = DAY_MS;

/**
 * What signs the `callback_url` deliveries of the sandbox, known as its API key is: a first try needs no operator.
 * Nothing in the sandbox is worth forging.
 */
export const SANDBOX_CALLBACK_SECRET = `${PREFIX}${Buffer.from('reelay-sandbox-callback-secret-0').toString('base64')}`;

/** A new signing secret by Standard Webhooks: `whsec_` and 32 random bytes in base64. */
export function mintWebhookSecret(random: Random): string {
  return PREFIX + Buffer.from(random.bytes(SECRET_BYTES)).toString('base64');
}

/** What a secret is recognised by when it is not shown: its prefix and its last characters. */
export function hintOf(secret: string): string {
  return `${PREFIX}…${secret.slice(-SHOWN_CHARACTERS)}`;
}

/** A secret as stored, sealed, and the one before it for as long as that signs too. */
export interface StoredSecrets {
  readonly sealed: string | null;
  readonly oldSealed: string | null;
  readonly oldUntilMs: number | null;
}

/** The sealed secrets that sign at that instant, the newest first; none where none was ever made. */
export function secretsInForce({ sealed, oldSealed, oldUntilMs }: StoredSecrets, nowMs: number): string[] {
  const old = oldUntilMs !== null && oldUntilMs > nowMs ? oldSealed : null;
  return [sealed, old].filter((one) => one !== null);
}

/** What signs the tenant's `callback_url` deliveries; all null for a tenant that has no secret yet, or is unknown. */
export async function callbackSecrets(tx: Tx, tenantId: string): Promise<StoredSecrets> {
  const [row] = await tx
    .select({
      sealed: tenants.callbackSecretSealed,
      oldSealed: tenants.oldCallbackSecretSealed,
      oldUntilMs: tenants.oldCallbackSecretUntilMs,
    })
    .from(tenants)
    .where(eq(tenants.id, tenantId));
  return row ?? { sealed: null, oldSealed: null, oldUntilMs: null };
}

/** Gives the tenant a new secret; the one it had signs too until `oldUntilMs`, or no more where that is null. */
export async function replaceCallbackSecret(
  tx: Tx,
  tenantId: string,
  { sealed, oldUntilMs }: { readonly sealed: string; readonly oldUntilMs: number | null },
): Promise<void> {
  const before = await callbackSecrets(tx, tenantId);
  const oldSealed = oldUntilMs === null ? null : before.sealed;
  await tx
    .update(tenants)
    .set({
      callbackSecretSealed: sealed,
      oldCallbackSecretSealed: oldSealed,
      oldCallbackSecretUntilMs: oldSealed === null ? null : oldUntilMs,
    })
    .where(eq(tenants.id, tenantId));
}

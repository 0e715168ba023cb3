import type { Mint } from '../ground/id.ts';
import type { Secret } from '../ground/secret.ts';
import type { Clock } from '../ground/time.ts';
import type { Database } from '../store/database.ts';
import type { Sealer } from '../store/seal.ts';
import { digestKey, findKeyByDigest, insertKey, SANDBOX_KEY } from './key.ts';
import { findTenant, insertTenant } from './tenant.ts';
import { callbackSecrets, replaceCallbackSecret, SANDBOX_CALLBACK_SECRET } from './webhook-secret.ts';

const SANDBOX_TENANT = 'sandbox';

interface SandboxDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly mint: Mint;
  readonly sealer: Sealer;
}

/** Makes the tenant `sandbox`, its well-known key and its well-known callback secret, once per data directory. */
export async function ensureSandboxTenant(
  { database, clock, mint, sealer }: SandboxDeps,
  pepper: Secret,
): Promise<void> {
  const createdAtMs = clock.nowMs();
  await database.write(async (tx) => {
    if (!(await findTenant(tx, SANDBOX_TENANT))) {
      const empty = { policy: {}, concurrency: null, ratePerMinute: null };
      await insertTenant(tx, { id: SANDBOX_TENANT, name: 'Sandbox', markupPercent: '0', createdAtMs, ...empty });
    }
    if ((await callbackSecrets(tx, SANDBOX_TENANT)).sealed === null) {
      const sealed = sealer.seal(SANDBOX_CALLBACK_SECRET);
      await replaceCallbackSecret(tx, SANDBOX_TENANT, { sealed, oldUntilMs: null });
    }
    if (await findKeyByDigest(tx, digestKey(SANDBOX_KEY, pepper))) return;
    const fields = { id: mint('key'), tenantId: SANDBOX_TENANT, name: 'sandbox', createdAtMs, expiresAtMs: null };
    await insertKey(tx, fields, SANDBOX_KEY, pepper);
  });
}

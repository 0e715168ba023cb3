/**
 * Where `reelay live --replay` puts what it has learnt: into the store of a gateway that is not running, or to one that
 * is, over its admin API. The way is found before any money is spent.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { adminAccess, call, Failure, type GatewayAccess } from '../commands/client.ts';
import type { Config } from '../config.ts';
import { processEnvironment } from '../environment.ts';
import { systemRandom } from '../ground/id.ts';
import { SECOND_MS } from '../ground/time.ts';
import { credentialDigest, credentialPrint } from '../jobs/resend.ts';
import { putKeyReplay } from '../jobs/resend-rows.ts';
import { ownSecret } from '../own-secret.ts';
import { StoreUnavailable } from '../store/database.ts';
import { Sealer } from '../store/seal.ts';
import { openSqlite } from '../store/sqlite.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { LiveRepeat } from './live.ts';

/** A gateway that will hear of it. */
export interface Listener {
  /** For people: which gateway that is. */
  readonly name: string;
  /** Tells it. Throws a Failure, or StoreUnavailable, when it did not hear. */
  tell(repeat: LiveRepeat, nowMs: number): Promise<void>;
}

/**
 * Finds the gateway that is to hear: the one at `url` or REELAY_URL; else the store in the data directory, when no
 * gateway has it open; else the one that has. Throws a Failure that says what to set when there is none, or when it
 * would not take the word of this key.
 */
export async function findListener(config: Config, account: ProviderAccount, url?: string): Promise<Listener> {
  const named = url ?? processEnvironment().REELAY_URL;
  if (named !== undefined) return await overAdmin(account, named);
  if (existsSync(join(config.dataDir, 'reelay.db'))) {
    try {
      await withStore(config, async () => {});
      return { name: config.dataDir, tell: (repeat, nowMs) => intoStore(config, account, repeat, nowMs) };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }
  if (config.adminKey !== null) return await overAdmin(account, undefined);
  throw new Failure(
    `no gateway can be told what is learnt here: ${config.dataDir} has no store, or a running gateway has it open. ` +
      'Set REELAY_DATA_DIR to the data directory of your gateway, or REELAY_ADMIN_KEY and REELAY_URL to reach it while ' +
      'it runs; or add --no-tell to learn it for yourself alone. Nothing was sent',
  );
}

/** The command that tells a gateway later, for a message. */
export function tellLater(account: ProviderAccount, repeat: LiveRepeat): string {
  const body = JSON.stringify(bodyOf(account, repeat));
  return (
    `curl -X PUT "$REELAY_URL${pathOf(account)}" -H "authorization: Bearer $REELAY_ADMIN_KEY" ` +
    `-H 'content-type: application/json' -d '${body}'`
  );
}

const pathOf = ({ id }: ProviderAccount): string => `/admin/v1/providers/${encodeURIComponent(id)}/key_replay`;

const bodyOf = (account: ProviderAccount, { replays, heldMs }: LiveRepeat) => ({
  replays,
  held_seconds: heldMs / SECOND_MS,
  credential: credentialPrint(account),
});

async function overAdmin(account: ProviderAccount, url: string | undefined): Promise<Listener> {
  const access: GatewayAccess = adminAccess(url === undefined ? {} : { url });
  const put = (repeat: LiveRepeat, more: object = {}) =>
    call(access, 'PUT', pathOf(account), { ...bodyOf(account, repeat), ...more });
  await put({ replays: false, heldMs: 0 }, { dry_run: true });
  return {
    name: access.url,
    async tell(repeat) {
      await put(repeat);
    },
  };
}

async function intoStore(config: Config, account: ProviderAccount, repeat: LiveRepeat, nowMs: number): Promise<void> {
  await withStore(config, async (store) => {
    const secret = config.secretKey ?? ownSecret(config.dataDir, 'secret.key', systemRandom);
    const sealer = new Sealer(secret, systemRandom);
    const row = {
      account: account.id,
      credentialDigest: credentialDigest({ sealer }, credentialPrint(account)),
      seenAtMs: nowMs,
      ...repeat,
    };
    await store.write((tx) => putKeyReplay(tx, row));
  });
}

/** The store, for as long as the work takes; throws StoreUnavailable while a gateway has it. */
async function withStore(config: Config, work: (store: ReturnType<typeof openSqlite>) => Promise<void>): Promise<void> {
  const store = openSqlite({ folder: config.dataDir, migrationsFolder: config.migrationsDir });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

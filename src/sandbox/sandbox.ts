import { join } from 'node:path';
import { PROVIDERS } from '../../providers/index.ts';
import type { AccountConfig } from '../account-config.ts';
import { Secret } from '../ground/secret.ts';
import { systemClock } from '../ground/time.ts';
import { SANDBOX_HOOK_SECRET } from './announcer.ts';
import { atlasEmulator } from './atlas.ts';
import type { Emulator, EmulatorOptions } from './emulator.ts';
import { evolinkEmulator } from './evolink.ts';
import { falEmulator } from './fal.ts';
import { klingEmulator } from './kling.ts';
import { piapiEmulator } from './piapi.ts';
import { TaskStore } from './tasks.ts';

const EMULATORS = [klingEmulator, evolinkEmulator, atlasEmulator, falEmulator, piapiEmulator];

export interface SandboxConfig {
  readonly dataDir: string;
  readonly sandboxSeconds: number;
  readonly clipsDir: string;
  /** Tasks that a provider's account may run at once, by its id; what it has by itself where this names none. */
  readonly sandboxSlots?: Readonly<Record<string, number>>;
}

export interface Sandbox {
  readonly emulators: readonly Emulator[];
  /** Accounts that lead to the emulators, with keys that open nothing else. */
  readonly accounts: readonly AccountConfig[];
  readonly origins: readonly string[];
  stop(): Promise<void>;
}

/** Starts the five emulated providers on loopback. Their tasks live in `<dataDir>/sandbox`. */
export async function startSandbox(config: SandboxConfig): Promise<Sandbox> {
  const tasks = new TaskStore(join(config.dataDir, 'sandbox'));
  const options: EmulatorOptions = {
    tasks,
    clock: systemClock,
    seconds: config.sandboxSeconds,
    clipsDir: config.clipsDir,
  };
  const emulators = EMULATORS.map((make) => make(options));
  for (const emulator of emulators) await emulator.start();
  return {
    emulators,
    accounts: emulators.map((emulator) => accountOf(emulator, config)),
    origins: emulators.map((emulator) => emulator.url),
    async stop() {
      await Promise.all(emulators.map((emulator) => emulator.stop()));
      tasks.close();
    },
  };
}

/** The vendor's address with the emulator's origin. */
function emulatedAddress(origin: string, address: string): string {
  return `${origin}${new URL(address).pathname.replace(/\/$/, '')}`;
}

/** The account that leads to the emulator, with a key that opens nothing else. */
export function accountOf(
  emulator: Emulator,
  { sandboxSlots = {} }: Pick<SandboxConfig, 'sandboxSlots'>,
): AccountConfig {
  const provider = PROVIDERS.find(({ id }) => id === emulator.id);
  if (!provider) throw new Error(`no provider for the emulator ${emulator.id}`);
  const [names = []] = provider.settings.credentialVariables;
  return {
    // Not the id of a real account: a job of the sandbox must never be taken up with real money.
    id: `sandbox-${provider.id}`,
    provider,
    variables: Object.fromEntries([
      ...names.map((name) => [name, new Secret('sandbox-account')]),
      ...(provider.settings.optionalVariables ?? []).map((name) => [name, new Secret(SANDBOX_HOOK_SECRET)]),
    ]),
    baseUrls: Object.fromEntries(
      Object.entries(provider.settings.hosts).map(([host, address]) => [host, emulatedAddress(emulator.url, address)]),
    ),
    slots: sandboxSlots[provider.id] ?? provider.settings.slotsDefault,
    packageId: 'package-1',
  };
}

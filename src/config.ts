/**
 * Configuration: the only room that reads the environment. Everything is checked once, at start; a mistake names the
 * variable, the value and the rule.
 */
import { existsSync, readFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { AnyProvider } from '../providers/define.ts';
import { PROVIDERS } from '../providers/index.ts';
import type { AccountConfig } from './account-config.ts';
import { assertDefaultModel, assertMeant } from './config-checks.ts';
import { ConfigError } from './config-error.ts';
import { NO_FILE, readConfigFile } from './config-file.ts';
import type { Environment } from './environment.ts';
import { Secret } from './ground/secret.ts';
import { DAY_MS, SECOND_MS } from './ground/time.ts';
import type { ModelAliases } from './http/normalise.ts';
import type { TenantPolicy } from './routing/policy.ts';
import { blockList } from './wire/address.ts';

export { ConfigError };

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly rateCardsDir: string;
  readonly migrationsDir: string;
  readonly clipsDir: string;
  readonly adminKey: Secret | null;
  readonly publicUrl: string | null;
  /** Where alarms are posted to the operator; may hold a password, so it is never shown. */
  readonly alertUrl: Secret | null;
  readonly sandbox: boolean;
  readonly sandboxSeconds: number;
  /** Tasks at once of each provider's account in the sandbox, by the same variables as for the real ones. */
  readonly sandboxSlots: Readonly<Record<string, number>>;
  readonly allowNetworks: BlockList;
  readonly pollMs: number;
  readonly doubtMs: number;
  readonly leaseMs: number;
  /** How long a circuit stays open the first time. */
  readonly circuitMs: number;
  /** Of no variable: how long a lost submission is given before it may be repeated; each provider's own when absent. */
  readonly resendAfterMs?: number;
  readonly retentionMs: number;
  readonly storePrompts: boolean;
  readonly defaultModel: string;
  /** Names for models besides OpenAI's, from the file. */
  readonly aliases: ModelAliases;
  /** What holds for every tenant whose own policy does not say otherwise. */
  readonly defaultPolicy: TenantPolicy;
  readonly keyPepper: Secret | null;
  readonly secretKey: Secret | null;
  readonly klingPackage: string;
  /** Empty in the sandbox, which brings its own. */
  readonly accounts: readonly AccountConfig[];
  readonly logLevel: 'info' | 'warn' | 'error' | 'silent';
}

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const switchSchema = z.enum(['0', '1']).transform((text) => text === '1');

const webAddress = z.string().refine((text) => {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}, 'expected an http or https address');

const networks = z.string().transform((text, context): BlockList => {
  try {
    return blockList(
      text
        .split(',')
        .map((cidr) => cidr.trim())
        .filter(Boolean),
    );
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not a list of networks' });
    return z.NEVER;
  }
});

const variables = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: whole(0, 65_535).default(8787),
  REELAY_DATA_DIR: z.string().default('data'),
  REELAY_ADMIN_KEY: z.string().min(24).optional(),
  REELAY_PUBLIC_URL: webAddress.optional(),
  REELAY_ALERT_URL: webAddress.optional(),
  REELAY_SANDBOX: switchSchema.optional(),
  REELAY_SANDBOX_SECONDS: z.coerce.number().min(0).max(3_600).default(4),
  REELAY_ALLOW_NETWORKS: networks.default(new BlockList()),
  REELAY_POLL_MS: whole(10, 600_000).default(5_000),
  REELAY_DOUBT_SECONDS: z.coerce.number().min(0).max(86_400).default(3_600),
  REELAY_LEASE_SECONDS: z.coerce.number().min(1).max(3_600).default(60),
  REELAY_CIRCUIT_SECONDS: z.coerce.number().min(0).max(60).default(30),
  REELAY_CONFIG: z.string().optional(),
  REELAY_RETENTION_DAYS: z.coerce.number().positive().max(36_500).default(30),
  REELAY_STORE_PROMPTS: switchSchema.default(true),
  REELAY_DEFAULT_MODEL: z.string().default('sora-2'),
  REELAY_KEY_PEPPER: z.string().min(16).optional(),
  REELAY_SECRET_KEY: z.string().min(16).optional(),
  REELAY_LOG_LEVEL: z.enum(['info', 'warn', 'error', 'silent']).default('info'),
  KLING_PACKAGE: z.string().default('package-1'),
});

/** The names of all variables but the providers' own; README lists them. */
export const configVariables: readonly string[] = Object.keys(variables.shape);

/** The folder of the package: the one that holds the rate cards, above the sources and above what was compiled. */
export const packageRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'rate-cards'))) folder = dirname(folder);
  return folder;
})();

/** Reads and checks the whole configuration. Throws a ConfigError for the first mistake. */
export function readConfig(environment: Environment): Config {
  const given = withFiles(environment);
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    throw new ConfigError(`${name}: ${issue?.message} (${describeValue(name, given[name])})`);
  }
  const values = parsed.data;
  const fromVariables = PROVIDERS.flatMap((provider) => accountOf(provider, given, values.KLING_PACKAGE));
  const path = values.REELAY_CONFIG;
  const file = path === undefined ? NO_FILE : readConfigFile(path, environment, values.KLING_PACKAGE);
  assertMeant(given, file.named);
  const accounts = [...fromVariables, ...file.accounts];
  const twice = file.accounts.find(({ id }) => fromVariables.some((account) => account.id === id));
  if (twice) {
    throw new ConfigError(
      `${path}: accounts: "${twice.id}" is the account of the ${twice.id} variables; name it otherwise`,
    );
  }
  const sandbox = values.REELAY_SANDBOX ?? accounts.length === 0;
  assertSandbox(sandbox, values.HOST);
  assertDefaultModel(values.REELAY_DEFAULT_MODEL, file.aliases);
  const secret = (text: string | undefined): Secret | null => (text === undefined ? null : new Secret(text));
  return {
    host: values.HOST,
    port: values.PORT,
    dataDir: resolve(values.REELAY_DATA_DIR),
    rateCardsDir: join(packageRoot, 'rate-cards'),
    migrationsDir: join(packageRoot, 'migrations'),
    clipsDir: join(packageRoot, 'src', 'sandbox', 'clips'),
    adminKey: secret(values.REELAY_ADMIN_KEY),
    alertUrl: secret(values.REELAY_ALERT_URL),
    publicUrl: values.REELAY_PUBLIC_URL?.replace(/\/$/, '') ?? null,
    sandbox,
    sandboxSeconds: values.REELAY_SANDBOX_SECONDS,
    sandboxSlots: Object.fromEntries(PROVIDERS.map((provider) => [provider.id, slotsOf(provider, given)])),
    allowNetworks: values.REELAY_ALLOW_NETWORKS,
    pollMs: values.REELAY_POLL_MS,
    doubtMs: values.REELAY_DOUBT_SECONDS * SECOND_MS,
    leaseMs: values.REELAY_LEASE_SECONDS * SECOND_MS,
    circuitMs: values.REELAY_CIRCUIT_SECONDS * SECOND_MS,
    retentionMs: values.REELAY_RETENTION_DAYS * DAY_MS,
    storePrompts: values.REELAY_STORE_PROMPTS,
    defaultModel: values.REELAY_DEFAULT_MODEL,
    aliases: file.aliases,
    defaultPolicy: file.policy,
    keyPepper: secret(values.REELAY_KEY_PEPPER),
    secretKey: secret(values.REELAY_SECRET_KEY),
    klingPackage: values.KLING_PACKAGE,
    accounts: sandbox ? [] : accounts,
    logLevel: values.REELAY_LOG_LEVEL,
  };
}

/** `<NAME>_FILE` gives the value of NAME from a file; empty variables count as absent, as container tools leave them. */
function withFiles(environment: Environment): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue;
    if (!name.endsWith('_FILE')) {
      given[name] ??= value;
      continue;
    }
    const target = name.slice(0, -'_FILE'.length);
    if (!isOurs(target)) continue;
    try {
      given[target] = readFileSync(value, 'utf8').trim();
    } catch (error) {
      throw new ConfigError(`${name}: cannot read ${value}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return given;
}

function isOurs(name: string): boolean {
  const credentials = PROVIDERS.flatMap(({ settings }) => [
    ...settings.credentialVariables.flat(),
    ...(settings.optionalVariables ?? []),
  ]);
  return Object.hasOwn(variables.shape, name) || credentials.includes(name);
}

/** A mistake in a secret is told by its length: its value has no place on a screen. */
function describeValue(name: string, value: string | undefined): string {
  const secret = /KEY|SECRET|PEPPER/.test(name);
  return secret ? `${value?.length ?? 0} characters` : `got ${JSON.stringify(value)}`;
}

/** Whether only this machine reaches what listens on that host. */
export const isLoopback = (host: string): boolean => ['127.0.0.1', '::1', 'localhost'].includes(host);

function assertSandbox(sandbox: boolean, host: string): void {
  if (!sandbox || isLoopback(host)) return;
  throw new ConfigError(
    `HOST: the sandbox has a well-known key, so it listens on loopback only, not on ${host}; ` +
      'set a provider key, or REELAY_SANDBOX=0',
  );
}

/** The provider's account when one of its sets of credentials is complete. */
function accountOf(
  provider: AnyProvider,
  given: Readonly<Record<string, string>>,
  klingPackage: string,
): AccountConfig[] {
  const { prefix, credentialVariables, optionalVariables = [], hosts, hostVariables = {} } = provider.settings;
  const names = credentialVariables.find((set) => set.every((name) => given[name] !== undefined));
  if (!names) return [];
  const baseUrls: Record<string, string> = { ...hosts };
  for (const [host, variable] of Object.entries({ ...hostVariables, api: `${prefix}_BASE_URL` })) {
    const address = given[variable];
    if (address === undefined) continue;
    if (!webAddress.safeParse(address).success) {
      throw new ConfigError(`${variable}: expected an http or https address (got ${JSON.stringify(address)})`);
    }
    baseUrls[host] = address;
  }
  return [
    {
      id: provider.id,
      provider,
      variables: Object.fromEntries(
        [...names, ...optionalVariables.filter((name) => given[name] !== undefined)].map((name) => [
          name,
          new Secret(given[name] ?? ''),
        ]),
      ),
      baseUrls,
      slots: slotsOf(provider, given),
      packageId: klingPackage,
    },
  ];
}

/** Tasks that an account of the provider may run at once. */
function slotsOf({ settings }: AnyProvider, given: Readonly<Record<string, string>>): number {
  const { prefix, slotsDefault } = settings;
  const slots = whole(1, 1_000_000).safeParse(given[`${prefix}_CONCURRENCY`] ?? slotsDefault);
  if (slots.success) return slots.data;
  const value = JSON.stringify(given[`${prefix}_CONCURRENCY`]);
  throw new ConfigError(`${prefix}_CONCURRENCY: expected a whole number of at least 1 (got ${value})`);
}

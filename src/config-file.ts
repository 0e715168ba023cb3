/** `reelay.yaml`: what does not fit into variables. Several accounts of a provider, names for models, default policies. */
import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import type { AnyProvider } from '../providers/define.ts';
import { PROVIDERS } from '../providers/index.ts';
import type { AccountConfig } from './account-config.ts';
import { ConfigError } from './config-error.ts';
import { findModel, RESOLUTIONS } from './ground/models.ts';
import { Secret } from './ground/secret.ts';
import type { ModelAliases } from './http/normalise.ts';
import { givenPolicySchema } from './http/policy-shapes.ts';
import type { TenantPolicy } from './routing/policy.ts';

/** What the file says, checked; empty where there is no file. */
export interface ConfigFile {
  readonly accounts: readonly AccountConfig[];
  readonly aliases: ModelAliases;
  /** What holds for every tenant whose own policy does not say otherwise. */
  readonly policy: TenantPolicy;
  /** The variables that accounts name under `_ENV`. */
  readonly named: ReadonlySet<string>;
}

export const NO_FILE: ConfigFile = { accounts: [], aliases: {}, policy: {}, named: new Set() };

const webAddress = z
  .string()
  .refine(
    (text) => URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol),
    'expected an http or https address',
  );

const accountSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected up to 40 small letters, digits and dashes')
    .refine((id) => !id.startsWith('sandbox-'), "must not begin with 'sandbox-': those are the emulated accounts"),
  provider: z.enum(PROVIDERS.map(({ id }) => id) as [string, ...string[]]),
  /** By the names of the provider's variables, or those with `_FILE` or `_ENV` behind: where the value is found. */
  credentials: z.record(z.string(), z.string().min(1)),
  base_url: webAddress.optional(),
  concurrency: z.number().int().min(1).max(1_000_000).optional(),
  package: z.string().min(1).optional(),
});
type Account = z.infer<typeof accountSchema>;

const aliasSchema = z.strictObject({
  model: z.string().refine((id) => findModel(id) !== undefined, 'there is no such model'),
  resolution: z.enum(RESOLUTIONS).default('720p'),
});

const fileSchema = z.strictObject({
  accounts: z.array(accountSchema).default([]),
  aliases: z.record(z.string().regex(/^[\w.:/-]{1,80}$/), aliasSchema).default({}),
  policy: givenPolicySchema.default({}),
});

/**
 * Reads and checks the file. Throws a ConfigError that names file, path, value and rule; a secret is
 * never shown.
 * `environment` is where `_ENV` names are looked up.
 */
export function readConfigFile(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
  klingPackage: string,
): ConfigFile {
  const content = parseYaml(path);
  const parsed = fileSchema.safeParse(content ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ConfigError(`${path}: ${describe(issue?.path ?? [], content)}: ${issue?.message}`);
  }
  const { accounts, aliases, policy } = parsed.data;
  const made = accounts.map((account, index) => {
    const at = `${path}: accounts[${index}]`;
    const earlier = accounts.findIndex(({ id }) => id === account.id);
    if (earlier < index) throw new ConfigError(`${at}.id: "${account.id}" is taken by accounts[${earlier}]`);
    return accountOf(account, at, environment, klingPackage);
  });
  const credentials = accounts.flatMap((account) => Object.entries(account.credentials));
  const named = new Set(credentials.filter(([key]) => key.endsWith('_ENV')).map(([, variable]) => variable));
  return { accounts: made, aliases, policy, named };
}

function parseYaml(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`REELAY_CONFIG: cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ConfigError(`${path}: ${error.message.split('\n')[0]}`);
    throw error;
  }
}

/** `accounts[1].concurrency (got 0)`; what holds credentials is not shown. */
function describe(path: readonly PropertyKey[], content: unknown): string {
  const shown = path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${String(key)}`));
  let value: unknown = content;
  for (const key of path) value = Object(value)[key];
  const got = path.includes('credentials') && path.length > 3 ? 'a secret' : `got ${shortened(value)}`;
  return `${shown.join('') || 'the whole'} (${got})`;
}

/** A value that may hold a secret further down is told by its kind. */
function shortened(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? `a ${Array.isArray(value) ? 'list' : 'mapping'}`
    : JSON.stringify(value);
}

function accountOf(
  account: Account,
  at: string,
  environment: Readonly<Record<string, string | undefined>>,
  klingPackage: string,
): AccountConfig {
  const provider = PROVIDERS.find(({ id }) => id === account.provider);
  if (!provider) throw new ConfigError(`${at}.provider: there is no provider ${account.provider}`);
  const { hosts, slotsDefault } = provider.settings;
  return {
    id: account.id,
    provider,
    variables: credentialsOf(provider, account.credentials, `${at}.credentials`, environment),
    baseUrls: { ...hosts, ...(account.base_url !== undefined && { api: account.base_url }) },
    slots: account.concurrency ?? slotsDefault,
    packageId: account.package ?? klingPackage,
  };
}

/** The secrets by the provider's own names; one of its sets must be complete, and nothing may be left over. */
function credentialsOf(
  { id, settings }: AnyProvider,
  given: Readonly<Record<string, string>>,
  at: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, Secret> {
  const { credentialVariables, optionalVariables = [] } = settings;
  const names = [...new Set([...credentialVariables.flat(), ...optionalVariables])];
  const found: Record<string, Secret> = {};
  for (const [key, text] of Object.entries(given)) {
    const name = key.replace(/_(FILE|ENV)$/, '');
    if (!names.includes(name)) {
      throw new ConfigError(`${at}.${key}: ${id} has no such credential; it has ${names.join(', ')}`);
    }
    found[name] = new Secret(secretOf(key, text, at, environment));
  }
  const complete = credentialVariables.some((set) => set.every((name) => found[name] !== undefined));
  if (complete) return found;
  const sets = credentialVariables.map((set) => set.join(' with ')).join(', or ');
  throw new ConfigError(`${at}: incomplete (got ${Object.keys(given).join(', ') || 'none'}): ${id} needs ${sets}`);
}

function secretOf(
  key: string,
  text: string,
  at: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (key.endsWith('_ENV')) {
    const value = environment[text];
    if (value === undefined || value === '') throw new ConfigError(`${at}.${key}: the variable ${text} is not set`);
    return value;
  }
  if (!key.endsWith('_FILE')) return text;
  try {
    return readFileSync(text, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`${at}.${key}: cannot read ${text}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Mistakes that would start another gateway than the one that was meant: told by name, never worked around. */
import { PROVIDERS } from '../providers/index.ts';
import type { AccountConfig } from './account-config.ts';
import { ConfigError } from './config-error.ts';
import { GatewayError } from './ground/errors.ts';
import { utcDay } from './ground/time.ts';
import { DEFAULT_ALIASES, type ModelAliases, resolveModel } from './http/normalise.ts';
import type { RateCards } from './pricing/cards.ts';

type Given = Readonly<Record<string, string>>;

/** What these variables ask for is not built: whoever sets one counts on it, with money in the balance. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  DATABASE_URL: 'the ledger is kept in SQLite under REELAY_DATA_DIR; PostgreSQL is not supported yet',
  FILES_URL: 'videos are kept under REELAY_DATA_DIR; S3 is not supported yet',
  REELAY_TRUST_PROXY: 'X-Forwarded-For is never believed; a proxy that is trusted is not supported yet',
};

/**
 * Throws a ConfigError for a variable that would be passed over in silence although it was surely meant. `named`: the
 * variables that the file reads, which may be called anything.
 */
export function assertMeant(given: Given, named: ReadonlySet<string> = new Set()): void {
  for (const [name, instead] of Object.entries(NOT_BUILT)) {
    if (given[name] !== undefined) throw new ConfigError(`${name}: ${instead}. Unset it to go on`);
  }
  const loose = Object.fromEntries(Object.entries(given).filter(([name]) => !named.has(name)));
  for (const { settings } of PROVIDERS) {
    const { prefix, credentialVariables } = settings;
    if (credentialVariables.some((set) => set.every((name) => given[name] !== undefined))) continue;
    assertWhole(loose, credentialVariables);
    const names = credentialVariables.flat();
    const misspelt = [`${prefix}_API_KEY`, `${prefix}_KEY`].find((name) => loose[name] !== undefined);
    if (misspelt !== undefined && !names.includes(misspelt)) {
      throw new ConfigError(
        `${misspelt}: there is no such variable; the credentials are ${describeSets(credentialVariables)}`,
      );
    }
  }
}

function assertWhole(given: Given, sets: readonly (readonly string[])[]): void {
  for (const set of sets) {
    const missing = set.find((name) => given[name] === undefined);
    const there = set.find((name) => given[name] !== undefined);
    if (missing !== undefined && there !== undefined) {
      throw new ConfigError(`${missing}: not set, but ${there} is; set ${describeSets(sets)}`);
    }
  }
}

const describeSets = (sets: readonly (readonly string[])[]): string => sets.map((set) => set.join(' + ')).join(', or ');

/** Throws a ConfigError when the model of requests that name none is not one. */
export function assertDefaultModel(name: string, aliases: ModelAliases): void {
  try {
    resolveModel(name, { ...DEFAULT_ALIASES, ...aliases });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new ConfigError(`REELAY_DEFAULT_MODEL: ${error.message}`);
  }
}

/** Throws a ConfigError when an account draws on a resource package that its provider's card of today does not sell. */
export function assertPackages(accounts: readonly AccountConfig[], cards: RateCards, nowMs: number): void {
  for (const { id, provider, packageId } of accounts) {
    const packages = cards.ofProvider(provider.id, utcDay(nowMs))?.packages ?? [];
    if (packageId === undefined || packages.length === 0) continue;
    if (packages.some((pack) => pack.id === packageId)) continue;
    const sold = packages.map((pack) => pack.id).join(', ');
    throw new ConfigError(
      `KLING_PACKAGE or "package" of account ${id}: there is no "${packageId}"; the card sells ${sold}`,
    );
  }
}

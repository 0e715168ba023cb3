import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Connection } from '../../providers/define.ts';
import { PROVIDERS } from '../../providers/index.ts';

/** One answer of a provider as it was documented or seen, and what our adapter must make of it. */
export interface Recorded {
  readonly file: string;
  readonly exchange: keyof Connection;
  /** One sentence: what this answer is. */
  readonly about: string;
  /** The public document or repository it was taken from. */
  readonly source: string;
  /** What the exchange was about: a handle for `poll` and `cancel`, nothing for most others. */
  readonly input?: unknown;
  readonly response: {
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly body?: unknown;
    readonly text?: string;
  };
  /** The outcome holds at least this. */
  readonly outcome: Record<string, unknown>;
}

const folder = fileURLToPath(new URL('recorded/', import.meta.url));

/** All recorded answers of a provider. */
export function recordedOf(provider: string): Recorded[] {
  const files = readdirSync(`${folder}${provider}`).filter((file) => file.endsWith('.json'));
  return files.sort().map((file) => ({ file, ...JSON.parse(readFileSync(`${folder}${provider}/${file}`, 'utf8')) }));
}

/** The provider's exchanges with credentials that open nothing. */
export function connectionOf(provider: string): Connection {
  const found = PROVIDERS.find(({ id }) => id === provider);
  if (!found) throw new Error(`no provider ${provider}`);
  const [names = []] = found.settings.credentialVariables;
  return found.connect(Object.fromEntries(names.map((name) => [name, 'test-credential'])));
}

/** What would start another gateway than the one that was meant is refused, by name. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';
import { assertPackages } from '../src/config-checks.ts';
import type { Environment } from '../src/environment.ts';
import { loadRateCards } from '../src/pricing/cards.ts';
import { ROOT } from './support/rows.ts';

const refused = (environment: Environment): string => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
};

describe('a variable that would be passed over', () => {
  it.each([
    ['DATABASE_URL', 'postgres://user@host/name', 'SQLite'],
    ['FILES_URL', 's3://bucket/prefix', 'REELAY_DATA_DIR'],
    ['REELAY_TRUST_PROXY', '1', 'X-Forwarded-For'],
  ])('%s is refused as long as nothing stands behind it, and its value is not shown', (name, value, instead) => {
    const message = refused({ [name]: value });
    expect(message).toMatch(new RegExp(`^${name}: .*${instead}.*not supported yet. Unset it to go on$`));
    expect(message).not.toContain(value);
  });

  it.each([
    [
      { KLING_ACCESS_KEY: 'x' },
      'KLING_SECRET_KEY: not set, but KLING_ACCESS_KEY is; set KLING_API_KEY, or KLING_ACCESS_KEY + KLING_SECRET_KEY',
    ],
    [
      { KLING_SECRET_KEY: 'x', FAL_KEY: 'y' },
      'KLING_ACCESS_KEY: not set, but KLING_SECRET_KEY is; set KLING_API_KEY, or KLING_ACCESS_KEY + KLING_SECRET_KEY',
    ],
    [{ FAL_API_KEY: 'x' }, 'FAL_API_KEY: there is no such variable; the credentials are FAL_KEY'],
    [{ PIAPI_KEY: 'x' }, 'PIAPI_KEY: there is no such variable; the credentials are PIAPI_API_KEY'],
  ])('%j is no whole credential, and does not become the sandbox', (environment, message) => {
    expect(refused(environment)).toBe(message);
  });

  it('does not matter beside a whole credential', () => {
    expect(refused({ KLING_API_KEY: 'x', KLING_ACCESS_KEY: 'y' })).toBe('accepted');
    expect(refused({ FAL_KEY: 'x', FAL_API_KEY: 'y' })).toBe('accepted');
    expect(refused({ DATABASE_URL: '', FILES_URL: '' })).toBe('accepted');
  });
});

describe('a name that nothing answers to', () => {
  it('is refused as the model of requests that name none', () => {
    expect(refused({ REELAY_DEFAULT_MODEL: 'veo' })).toMatch(/^REELAY_DEFAULT_MODEL: The model 'veo' does not exist/);
    expect(refused({ REELAY_DEFAULT_MODEL: 'sora-2-pro' })).toBe('accepted');
    expect(refused({ REELAY_DEFAULT_MODEL: 'kling-v2-6' })).toBe('accepted');
  });

  it('is refused as a package, before a provider drops out of every route for want of a price', () => {
    const cards = loadRateCards(join(ROOT, 'rate-cards'));
    const check = (KLING_PACKAGE: string) => () =>
      assertPackages(readConfig({ KLING_API_KEY: 'x', KLING_PACKAGE }).accounts, cards, Date.now());
    expect(check('package-1')).not.toThrow();
    expect(check('package-9')).toThrow(/account kling: there is no "package-9"; the card sells .*package-1/);
  });
});

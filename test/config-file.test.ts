/** `reelay.yaml`: what it takes, and that a mistake names the file, the place, the value and the rule; never a secret. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { temporaryFolder } from './support/temporary.ts';

function read(text: string, environment: Record<string, string> = {}) {
  const file = join(temporaryFolder(), 'reelay.yaml');
  writeFileSync(file, text);
  return readConfig({ REELAY_CONFIG: file, ...environment });
}

const account = (change: string): string => `accounts: [{ id: a, provider: atlas, ${change} }]`;
const KEY = 'credentials: { ATLASCLOUD_API_KEY: secret-words }';

it('several accounts of one provider, each with its own key, address, limit and package; variables besides', () => {
  const keyFile = join(temporaryFolder(), 'key');
  writeFileSync(keyFile, 'from-a-file\n');
  const { accounts, sandbox, aliases, defaultPolicy } = read(
    `accounts:
  - id: tokyo
    provider: kling
    credentials: { KLING_API_KEY_FILE: ${keyFile} }
    base_url: https://kling.example
    concurrency: 5
    package: trial
  - id: osaka
    provider: kling
    credentials: { KLING_ACCESS_KEY_ENV: OSAKA_ACCESS, KLING_SECRET_KEY: s }
aliases: { quick: { model: kling-v3-turbo } }
policy: { fallback: cheaper }
`,
    { OSAKA_ACCESS: 'from-a-variable', FAL_KEY: 'x:y' },
  );
  expect(sandbox).toBe(false);
  expect(accounts.map(({ id }) => id)).toEqual(['fal', 'tokyo', 'osaka']);
  const [, tokyo, osaka] = accounts;
  expect(tokyo).toMatchObject({ slots: 5, packageId: 'trial', baseUrls: { api: 'https://kling.example' } });
  expect(tokyo?.variables.KLING_API_KEY?.reveal()).toBe('from-a-file');
  expect(osaka).toMatchObject({ slots: 20, packageId: 'package-1' });
  expect(osaka?.variables.KLING_ACCESS_KEY?.reveal()).toBe('from-a-variable');
  expect([aliases, defaultPolicy]).toEqual([
    { quick: { model: 'kling-v3-turbo', resolution: '720p' } },
    { fallback: 'cheaper' },
  ]);
});

it.each<[credentials: string, environment: Record<string, string>]>([
  ['provider: fal, credentials: { FAL_KEY_ENV: FAL_API_KEY }', { FAL_API_KEY: 'id:secret' }],
  [
    'provider: kling, credentials: { KLING_ACCESS_KEY_ENV: KLING_ACCESS_KEY, KLING_SECRET_KEY_ENV: KLING_MAIN_SECRET }',
    { KLING_ACCESS_KEY: 'a', KLING_MAIN_SECRET: 'b' },
  ],
])('%s: a variable that the file names is no slip, whatever it is called', (account, environment) => {
  const { accounts } = read(`accounts: [{ id: main, ${account} }]`, environment);
  expect(accounts.map(({ id }) => id)).toEqual(['main']);
});

it('a variable that the file does not name is a slip as before', () => {
  const named = 'accounts: [{ id: main, provider: fal, credentials: { FAL_KEY_ENV: FAL_API_KEY } }]';
  expect(() => read(named, { FAL_API_KEY: 'x:y', PIAPI_KEY: 'z' })).toThrow('PIAPI_KEY: there is no such variable');
  expect(() => read(named, { FAL_API_KEY: 'x:y', KLING_ACCESS_KEY: 'z' })).toThrow('KLING_SECRET_KEY: not set');
});

it('no file, or an empty one, changes nothing', () => {
  expect(read('')).toMatchObject({ accounts: [], sandbox: true, aliases: {}, defaultPolicy: {} });
  expect(readConfig({})).toMatchObject({ accounts: [], sandbox: true, circuitMs: 30_000 });
});

it.each([
  ['accounts: [', /reelay\.yaml: .*line 1/],
  ['wishes: 1', /reelay\.yaml: the whole \(got .*\): Unrecognized key/],
  [account(`${KEY}, concurrency: 0`), /accounts\[0\]\.concurrency \(got 0\): .*>=1/],
  [account(`${KEY}, base_url: atlas`), /accounts\[0\]\.base_url \(got "atlas"\): expected an http or https address/],
  ['accounts: [{ id: a, provider: sora, credentials: {} }]', /accounts\[0\]\.provider \(got "sora"\): .*"kling"/],
  [
    'accounts: [{ id: Big One, provider: fal, credentials: {} }]',
    /accounts\[0\]\.id \(got "Big One"\): expected up to/,
  ],
  ['accounts: [{ id: sandbox-a, provider: fal, credentials: {} }]', /must not begin with 'sandbox-'/],
  [account('credentials: {}'), /accounts\[0\]\.credentials: incomplete \(got none\): atlas needs ATLASCLOUD_API_KEY/],
  [account('credentials: { FAL_KEY: x }'), /credentials\.FAL_KEY: atlas has no such credential; it has ATLASCLOUD/],
  [account('credentials: { ATLASCLOUD_API_KEY_ENV: NOPE }'), /ATLASCLOUD_API_KEY_ENV: the variable NOPE is not set/],
  [account('credentials: { ATLASCLOUD_API_KEY_FILE: /nope }'), /ATLASCLOUD_API_KEY_FILE: cannot read \/nope/],
  [account('credentials: { ATLASCLOUD_API_KEY: 12345678 }'), /credentials\.ATLASCLOUD_API_KEY \(a secret\): .*string/],
  [
    `accounts: [{ id: a, provider: atlas, ${KEY} }, { id: a, provider: atlas, ${KEY} }]`,
    /accounts\[1\]\.id: "a" is taken/,
  ],
  ['aliases: { x: { model: sora-9 } }', /aliases\.x\.model \(got "sora-9"\): there is no such model/],
  [
    'policy: { ignore: [kling, atlascloud] }',
    /policy\.ignore\[1\] \(got "atlascloud"\): there is no such provider; .*atlas/,
  ],
  ['policy: { max_premium: -1 }', /policy\.max_premium \(got -1\): .*>=0/],
])('%s is refused', (text, words) => {
  expect(() => read(text)).toThrow(words);
  expect(() => read(text)).not.toThrow(/secret-words|12345678/);
});

it('an account may not have the name of the one that the variables make, and a missing file is named', () => {
  const twice = 'accounts: [{ id: fal, provider: fal, credentials: { FAL_KEY: x } }]';
  expect(() => read(twice, { FAL_KEY: 'x:y' })).toThrow(/"fal" is the account of the fal variables/);
  expect(() => readConfig({ REELAY_CONFIG: '/nowhere.yaml' })).toThrow(/REELAY_CONFIG: cannot read \/nowhere\.yaml/);
});

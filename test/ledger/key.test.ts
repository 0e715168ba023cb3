/** A key is shown once and kept nowhere; a tenant is read back as it was written. Over a real SQLite file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRandom, toBase62 } from '../../src/ground/id.ts';
import { usd } from '../../src/ground/money.ts';
import { Secret } from '../../src/ground/secret.ts';
import {
  digestKey,
  findKeyByDigest,
  insertKey,
  listKeys,
  looksLikeKey,
  mintKey,
  type NewKey,
  revokeKey,
  SANDBOX_KEY,
  sha256,
} from '../../src/ledger/key.ts';
import { ensureSandboxTenant } from '../../src/ledger/sandbox-tenant.ts';
import { findTenant, insertTenant, listTenants, type NewTenant, updateTenant } from '../../src/ledger/tenant.ts';
import type { Database } from '../../src/store/database.ts';
import { tenants } from '../../src/store/schema.ts';
import { Sealer } from '../../src/store/seal.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { countingMint, MADE_AT_MS, openStore, openStoreWithTenant } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PEPPER = new Secret('pepper');
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('a key', () => {
  it('is recognised by its form alone', () => {
    const keys = Array.from({ length: 1_000 }, () => mintKey(systemRandom));
    expect(keys.filter((key) => !/^sk-reelay-[0-9A-Za-z]{38}$/.test(key) || !looksLikeKey(key))).toEqual([]);
    expect(new Set(keys).size).toBe(1_000);
    expect(looksLikeKey(SANDBOX_KEY)).toBe(true);
  });

  it('with one character mistyped is none, whichever it is', () => {
    const key = mintKey(systemRandom);
    const places = fc.integer({ min: 0, max: key.length - 1 });
    fc.assert(
      fc.property(places, fc.constantFrom(...BASE62, ' ', '-', 'é'), (at, character) => {
        fc.pre(key[at] !== character);
        expect(looksLikeKey(key.slice(0, at) + character + key.slice(at + 1))).toBe(false);
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['its prefix', 'sk-reelay-'],
    ['the key of another service', `sk-proj-${'a'.repeat(40)}`],
    ['a key and a space', `${mintKey(systemRandom)} `],
    ['a key in capitals', mintKey(systemRandom).toUpperCase()],
    ['the sandbox key and more', `${SANDBOX_KEY}x`],
    ['letters of no key, though their checksum is right', summed(`${'a'.repeat(31)}_`)],
    ['too few letters, though their checksum is right', summed('a'.repeat(31))],
  ])('is not %s', (_, text) => {
    expect(looksLikeKey(summed('a'.repeat(32)))).toBe(true);
    expect(looksLikeKey(text)).toBe(false);
  });

  it('is found by its digest, which takes the pepper', async () => {
    const { database, key } = await openWithKey();
    expect(digestKey(key, PEPPER)).toMatch(/^[0-9a-f]{64}$/);
    expect(digestKey(key, PEPPER)).not.toBe(sha256(key));
    expect(await find(database, digestKey(key, PEPPER))).toMatchObject({ id: 'key_1', tenantId: 'ten_acme' });
    expect(await find(database, digestKey(key, new Secret('salt')))).toBeNull();
    expect(await find(database, digestKey(`${key}x`, PEPPER))).toBeNull();
    expect(await find(database, key)).toBeNull();
  });

  it('shows its beginning, its end, and nothing it could be used by', async () => {
    const { database, key } = await openWithKey();
    const shown = await find(database, digestKey(key, PEPPER));
    const { prefix, lastFour } = { prefix: key.slice(0, 14), lastFour: key.slice(-4) };
    expect(shown).toEqual({ ...KEY, ...UNCONFINED, prefix, lastFour, revokedAtMs: null });
  });

  it('lies in clear nowhere: in no column, and in no byte of the files', async () => {
    const { folder, key } = await openWithKey();
    const files = readdirSync(folder).map((file) => readFileSync(join(folder, file)));
    const bytes = Buffer.concat(files);
    expect(bytes.includes(digestKey(key, PEPPER))).toBe(true);
    expect(bytes.includes(key)).toBe(false);
    const chance = key.slice('sk-reelay-'.length);
    const windows = Array.from({ length: chance.length - 7 }, (_, at) => chance.slice(at, at + 8));
    expect(windows.filter((window) => bytes.includes(window))).toEqual([]);
  });

  it('is revoked once, and keeps the instant', async () => {
    const { database, key } = await openWithKey();
    const revoke = (id: string, nowMs: number) => database.write((tx) => revokeKey(tx, id, nowMs));
    expect(await revoke('key_9', 1)).toBe(false);
    expect(await revoke('key_1', 2)).toBe(true);
    expect(await revoke('key_1', 3)).toBe(false);
    expect(await find(database, digestKey(key, PEPPER))).toMatchObject({ revokedAtMs: 2 });
  });

  it('cannot be stored twice', async () => {
    const { database, key } = await openWithKey();
    const again = database.write((tx) => insertKey(tx, { ...KEY, id: 'key_2' }, key, PEPPER));
    await expect(again).rejects.toThrow(/UNIQUE.*digest/);
  });

  it('is listed with the others of its tenant, oldest first', async () => {
    const { database } = await openWithKey();
    await database.write(async (tx) => {
      await insertKey(tx, { ...KEY, id: 'key_0', createdAtMs: MADE_AT_MS + 2 }, mintKey(systemRandom), PEPPER);
      await revokeKey(tx, 'key_1', MADE_AT_MS);
    });
    const listed = await database.read((tx) => listKeys(tx, 'ten_acme'));
    expect(listed.map(({ id }) => id)).toEqual(['key_acme', 'key_1', 'key_0']);
    expect(await database.read((tx) => listKeys(tx, 'ten_nobody'))).toEqual([]);
  });
});

describe('a tenant', () => {
  it('is read back as it was written, with its max_price as money', async () => {
    const database = openStore();
    await database.write((tx) => insertTenant(tx, TENANT));
    const expected = { ...TENANT, maxPriceMicros: usd(1.5) };
    expect(await database.read((tx) => findTenant(tx, 'ten_1'))).toEqual(expected);
    expect(await database.read(listTenants)).toEqual([expected]);
    expect(await database.read((tx) => findTenant(tx, 'ten_2'))).toBeNull();
  });

  it('changes in the fields that are named, and in no others', async () => {
    const database = openStore();
    await database.write((tx) => insertTenant(tx, TENANT));
    const change = { policy: { only: ['atlas'] }, concurrency: null };
    expect(await database.write((tx) => updateTenant(tx, 'ten_1', change))).toBe(true);
    const expected = { ...TENANT, ...change, maxPriceMicros: null };
    expect(await database.read((tx) => findTenant(tx, 'ten_1'))).toEqual(expected);
    expect(await database.write((tx) => updateTenant(tx, 'ten_1', {}))).toBe(true);
    expect(await database.read((tx) => findTenant(tx, 'ten_1'))).toEqual(expected);
  });

  it('that is not there is not changed', async () => {
    const database = openStore();
    expect(await database.write((tx) => updateTenant(tx, 'ten_1', { name: 'New' }))).toBe(false);
    expect(await database.write((tx) => updateTenant(tx, 'ten_1', {}))).toBe(false);
  });

  it('whose stored policy is none of ours is not read as one without limits', async () => {
    const database = openStore();
    const row = { id: 'ten_1', name: 'Acme', markupPercent: '0', createdAtMs: 0 };
    await database.write((tx) => tx.insert(tenants).values({ ...row, policy: '{"fallbacks":"none"}' }));
    await expect(database.read((tx) => findTenant(tx, 'ten_1'))).rejects.toThrow();
  });
});

describe('the tenant of the sandbox', () => {
  it('is made once, with the key that everybody knows', async () => {
    const database = openStore();
    const sealer = new Sealer(new Secret('seal'), systemRandom);
    const deps = { database, clock: new ManualClock(), mint: countingMint(), sealer };
    await ensureSandboxTenant(deps, PEPPER);
    await ensureSandboxTenant(deps, PEPPER);
    expect((await database.read(listTenants)).map(({ id }) => id)).toEqual(['sandbox']);
    expect(await database.read((tx) => listKeys(tx, 'sandbox'))).toHaveLength(1);
    expect(await find(database, digestKey(SANDBOX_KEY, PEPPER))).toMatchObject({ tenantId: 'sandbox' });
  });
});

const UNCONFINED = { models: null, providers: null, ratePerMinute: null };
const KEY: NewKey = { id: 'key_1', tenantId: 'ten_acme', name: 'ci', createdAtMs: MADE_AT_MS + 1, expiresAtMs: null };

const TENANT: NewTenant = {
  id: 'ten_1',
  name: 'Müller & Søn',
  markupPercent: '12.5',
  policy: { fallback: 'cheaper', max_price_usd: 1.5, ignore: ['fal'] },
  concurrency: 3,
  ratePerMinute: 60,
  createdAtMs: MADE_AT_MS,
};

const find = (database: Database, digest: string) => database.read((tx) => findKeyByDigest(tx, digest));

/** The letters as a key, with the checksum that belongs to them. */
function summed(letters: string): string {
  return `sk-reelay-${letters}${toBase62(crc32(letters), 6)}`;
}

async function openWithKey(): Promise<{ readonly database: Database; readonly folder: string; readonly key: string }> {
  const folder = temporaryFolder();
  const database = await openStoreWithTenant(folder);
  const key = mintKey(systemRandom);
  await database.write((tx) => insertKey(tx, KEY, key, PEPPER));
  return { database, folder, key };
}

import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import { z } from 'zod';
import { type Random, randomText, toBase62 } from '../ground/id.ts';
import type { Secret } from '../ground/secret.ts';
import { statement, type Tx } from '../store/database.ts';
import { type ApiKeyRow, apiKeys } from '../store/schema.ts';

const names = z.array(z.string());

/** The key that opens the sandbox, and nothing else. */
export const SANDBOX_KEY = 'sk-reelay-sandbox';

const PREFIX = 'sk-reelay-';
const RANDOM_CHARACTERS = 32;
const CHECK_CHARACTERS = 6;
const SHOWN_CHARACTERS = PREFIX.length + 4;

/** A new key: prefix, 32 random base62 characters, 6 of checksum. */
export function mintKey(random: Random): string {
  const chance = randomText(random, RANDOM_CHARACTERS);
  return PREFIX + chance + checksum(chance);
}

/** CRC-32 in base62: typos and scanners are answered without a look into the store. */
function checksum(chance: string): string {
  return toBase62(crc32(chance), CHECK_CHARACTERS);
}

/** Whether the text may be a key of ours at all. */
export function looksLikeKey(text: string): boolean {
  if (text === SANDBOX_KEY) return true;
  if (!text.startsWith(PREFIX) || text.length !== PREFIX.length + RANDOM_CHARACTERS + CHECK_CHARACTERS) return false;
  const chance = text.slice(PREFIX.length, -CHECK_CHARACTERS);
  return /^[0-9A-Za-z]+$/.test(chance) && text.endsWith(checksum(chance));
}

/** The digest a key is found by: HMAC-SHA-256 under the pepper. A key's 190 bits of chance need no slow hash. */
export function digestKey(key: string, pepper: Secret): string {
  return createHmac('sha256', pepper.reveal()).update(key).digest('hex');
}

/** SHA-256 in hex, for values of our own that need no pepper. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Who may ask: a key as it is listed, without what it takes to use it. */
export interface ApiKey {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly prefix: string;
  readonly lastFour: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
  /** The models that may be asked for with it; null: all. */
  readonly models: readonly string[] | null;
  /** The providers that may serve it; null: all. The tenant's policy may leave out more. */
  readonly providers: readonly string[] | null;
  /** Requests in a minute; null: no limit of its own. */
  readonly ratePerMinute: number | null;
}

export interface NewKey {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly models?: readonly string[] | null;
  readonly providers?: readonly string[] | null;
  readonly ratePerMinute?: number | null;
}

/** Stores what is needed to recognise `key`, and no more. */
export async function insertKey(tx: Tx, fields: NewKey, key: string, pepper: Secret): Promise<void> {
  const { models = null, providers = null, ratePerMinute = null, ...plain } = fields;
  await tx.insert(apiKeys).values({
    ...plain,
    ratePerMinute,
    models: models && JSON.stringify(models),
    providers: providers && JSON.stringify(providers),
    digest: digestKey(key, pepper),
    prefix: key.slice(0, SHOWN_CHARACTERS),
    lastFour: key.slice(-4),
    revokedAtMs: null,
  });
}

const byDigest = (tx: Tx) =>
  tx
    .select()
    .from(apiKeys)
    .where(eq(apiKeys.digest, sql.placeholder('digest')))
    .prepare();

/** The key with that digest, whatever its state; null when there is none. */
export async function findKeyByDigest(tx: Tx, digest: string): Promise<ApiKey | null> {
  const [row] = await statement(tx, byDigest).execute({ digest });
  return row ? readKey(row) : null;
}

/** The key of that id, whatever its state; null when there is none. */
export async function findKey(tx: Tx, id: string): Promise<ApiKey | null> {
  const [row] = await tx.select().from(apiKeys).where(eq(apiKeys.id, id));
  return row ? readKey(row) : null;
}

/** The tenant's keys, oldest first, revoked ones included. */
export async function listKeys(tx: Tx, tenantId: string): Promise<ApiKey[]> {
  const rows = await tx
    .select()
    .from(apiKeys)
    .where(eq(apiKeys.tenantId, tenantId))
    .orderBy(asc(apiKeys.createdAtMs), asc(apiKeys.id));
  return rows.map(readKey);
}

/** Revokes for good; false when there is no such key, or it has been revoked before. */
export async function revokeKey(tx: Tx, id: string, nowMs: number): Promise<boolean> {
  const changed = await tx
    .update(apiKeys)
    .set({ revokedAtMs: nowMs })
    .where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAtMs)))
    .returning({ id: apiKeys.id });
  return changed.length === 1;
}

function readKey({ digest: _, models, providers, ...shown }: ApiKeyRow): ApiKey {
  return { ...shown, models: readNames(models), providers: readNames(providers) };
}

function readNames(stored: string | null): readonly string[] | null {
  return stored === null ? null : names.parse(JSON.parse(stored));
}

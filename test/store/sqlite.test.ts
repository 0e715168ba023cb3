/**
 * What was answered for is on disk, and each unit of work is all there or not at all, whoever it shared a commit with.
 * A real SQLite file; commits are counted in its write-ahead log.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { sql } from 'drizzle-orm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AssertionError } from '../../src/ground/assert.ts';
import { micros } from '../../src/ground/money.ts';
import { type Database, StoreUnavailable, statement, type Tx, Undo } from '../../src/store/database.ts';
import { jobs, lanes } from '../../src/store/schema.ts';
import { jobRow, openStore, openStoreWithTenant, store } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

describe('a write', () => {
  it('is on disk for everybody once it has resolved', async () => {
    const folder = temporaryFolder();
    await openStore(folder).write((tx) => add(tx, 'a'));
    expect(lookInto(folder).prepare('select lane from lanes').pluck().all()).toEqual(['a']);
  });

  it('gives back what its work gives back', async () => {
    expect(await openStore().write(async () => 'done')).toBe('done');
  });

  it('shares its commit with all that arrive in the same turn, in the order of their coming', async () => {
    const { database, commits } = openCounted();
    const before = commits();
    const units = Array.from({ length: 100 }, (_, index) => database.write((tx) => add(tx, `lane ${index}`)));
    await Promise.all(units);
    expect(commits() - before).toBe(1);
    await database.write((tx) => add(tx, 'later'));
    expect(commits() - before).toBe(2);
    expect(await names(database)).toEqual([...units.map((_, index) => `lane ${index}`), 'later']);
  });

  it('is not lost in a crowd larger than one commit', async () => {
    const { database, commits } = openCounted();
    const before = commits();
    const units = Array.from({ length: 1_000 }, (_, index) => database.write((tx) => add(tx, `lane ${index}`)));
    await Promise.all(units);
    expect(await names(database)).toEqual(units.map((_, index) => `lane ${index}`));
    expect(commits() - before).toBeGreaterThan(1);
    expect(commits() - before).toBeLessThan(10);
  });

  it('that throws is undone alone, and throws what it threw', async () => {
    const database = openStore();
    const fault = new Error('no such luck');
    const outcomes = await Promise.allSettled([
      database.write((tx) => add(tx, 'before')),
      database.write(async (tx) => {
        await add(tx, 'undone');
        throw fault;
      }),
      database.write((tx) => add(tx, 'after')),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: fault });
    expect(await names(database)).toEqual(['before', 'after']);
  });

  it('that a constraint refuses is undone alone', async () => {
    const database = openStore();
    const outcomes = await Promise.allSettled(
      [['a'], ['b', 'a'], ['c']].map((lane) =>
        database.write(async (tx) => {
          for (const name of lane) await add(tx, name);
        }),
      ),
    );
    expect(outcomes[1]).toMatchObject({ reason: { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' } });
    expect(await names(database)).toEqual(['a', 'c']);
    expect(database.isWritable()).toBe(true);
  });

  it('that throws Undo comes back with its value, and without its rows', async () => {
    const database = openStore();
    const refusal = await database.write(async (tx) => {
      await add(tx, 'undone');
      throw new Undo('the budget is full');
    });
    expect(refusal).toBe('the budget is full');
    expect(await names(database)).toEqual([]);
  });

  it.each([
    ['an answer that never comes', () => new Promise(() => {})],
    ['another turn of the event loop', () => nextTurn()],
    ['a file', () => readFile(import.meta.filename)],
  ])('may not wait for %s, and is undone when it does', async (_, foreign) => {
    const database = openStore();
    const waiting = database.write(async (tx) => {
      await add(tx, 'undone');
      await foreign();
    });
    await expect(waiting).rejects.toThrow(AssertionError);
    await database.write((tx) => add(tx, 'next'));
    expect(await names(database)).toEqual(['next']);
  });

  it('keeps money to the micro-dollar', async () => {
    const database = await openStoreWithTenant();
    const holdMicros = micros(8_999_999_999_999_999n);
    await store(database, { jobs: [jobRow({ holdMicros })] });
    expect(await database.read((tx) => tx.select({ holdMicros: jobs.holdMicros }).from(jobs))).toEqual([
      { holdMicros },
    ]);
  });
});

describe('a read', () => {
  it('never sees what is not committed', async () => {
    const database = openStore();
    const seen: string[][] = [];
    await database.write(async (tx) => {
      await add(tx, 'a');
      seen.push(await names(database));
      expect(await tx.select({ lane: lanes.lane }).from(lanes)).toEqual([{ lane: 'a' }]);
    });
    seen.push(await names(database));
    expect(seen).toEqual([[], ['a']]);
  });

  it('cannot write', async () => {
    const database = openStore();
    await expect(database.read((tx) => add(tx, 'a'))).rejects.toThrow(/readonly/);
    expect(await names(database)).toEqual([]);
  });
});

describe('a full disk', () => {
  it('refuses writes as StoreUnavailable, keeps what was committed, and is over when there is room', async () => {
    const database = openStore();
    await database.write((tx) => add(tx, 'before'));
    await limitPages(database, sql`pragma max_page_count = 1`);
    const refused = await Promise.allSettled([1, 2].map((n) => database.write((tx) => add(tx, `${n} ${LARGE}`))));
    expect(refused.map((outcome) => outcome.status === 'rejected' && outcome.reason)).toEqual([
      expect.any(StoreUnavailable),
      expect.any(StoreUnavailable),
    ]);
    expect(database.isWritable()).toBe(false);
    expect(await names(database)).toEqual(['before']);

    await limitPages(database, sql`pragma max_page_count = 1000000`);
    await database.write((tx) => add(tx, `after ${LARGE}`));
    expect(database.isWritable()).toBe(true);
    expect((await names(database)).map((name) => name.split(' ')[0])).toEqual(['before', 'after']);
  });
});

describe('a folder', () => {
  it('belongs to one store, until that is closed', async () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    await first.write((tx) => add(tx, 'a'));
    expect(() => openStore(folder)).toThrow(StoreUnavailable);
    expect(() => openStore(folder)).toThrow(`another reelay is running on ${folder}`);
    await first.close();
    expect(await names(openStore(folder))).toEqual(['a']);
  });

  it('is given up once the writes under way are done, and takes none after', async () => {
    const folder = temporaryFolder();
    const database = openStore(folder);
    const underWay = database.write((tx) => add(tx, 'a'));
    const closed = database.close();
    await expect(database.write((tx) => add(tx, 'b'))).rejects.toThrow(StoreUnavailable);
    await Promise.all([underWay, closed]);
    expect(await names(openStore(folder))).toEqual(['a']);
  });
});

describe('a statement', () => {
  it('is prepared once for each connection', async () => {
    const database = openStore();
    let builds = 0;
    const build = (tx: Tx) => {
      builds += 1;
      return tx.select({ lane: lanes.lane }).from(lanes).prepare();
    };
    const use = (tx: Tx) => statement(tx, build).execute();
    for (let round = 0; round < 3; round += 1) await database.read(use);
    expect(builds).toBe(1);
    await database.write((tx) => add(tx, 'a'));
    expect(await database.write(use)).toEqual(await database.read(use));
    expect(builds).toBe(2);
  });

  it('is told apart by its key where it depends on more than its function', async () => {
    const database = openStore();
    const build = (tx: Tx) => tx.select({ lane: lanes.lane }).from(lanes).prepare();
    const found = await database.read(async (tx) => ['a', 'b', 'a'].map((key) => statement(tx, build, key)));
    expect(found[0]).toBe(found[2]);
    expect(found[0]).not.toBe(found[1]);
  });
});

const LARGE = 'x'.repeat(100_000);

async function add(tx: Tx, lane: string): Promise<void> {
  await tx.insert(lanes).values({ lane, running: 0 });
}

/** The lanes in the order in which they were put in. */
async function names(database: Database): Promise<string[]> {
  const rows = await database.read((tx) => tx.select({ lane: lanes.lane }).from(lanes).orderBy(sql`rowid`));
  return rows.map((row) => row.lane);
}

/** Lets the file grow to so many pages, as a full disk would; a limit below its size means no further page. */
const limitPages = (database: Database, pragma: ReturnType<typeof sql>) => database.write(async (tx) => tx.all(pragma));

/** A store, and how many commits its log has seen: a frame that ends a commit names the size of the database. */
function openCounted(): { readonly database: Database; readonly commits: () => number } {
  const folder = temporaryFolder();
  const database = openStore(folder);
  const commits = () => {
    const log = readFileSync(join(folder, 'reelay.db-wal'));
    const frameBytes = 24 + log.readUInt32BE(8);
    let ends = 0;
    for (let at = 32; at < log.length; at += frameBytes) if (log.readUInt32BE(at + 4) > 0) ends += 1;
    return ends;
  };
  return { database, commits };
}

/** Another connection to the store's file. */
function lookInto(folder: string): Sqlite.Database {
  const connection = new Sqlite(join(folder, 'reelay.db'), { readonly: true });
  onTestFinished(() => {
    connection.close();
  });
  return connection;
}

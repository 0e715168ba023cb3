import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { migrate } from 'drizzle-orm/better-sqlite3/migrator';
import { AssertionError } from '../ground/assert.ts';
import { CONNECTION, type Database, StoreUnavailable, type Tx, Undo } from './database.ts';
import * as schema from './schema.ts';

/** Older versions can corrupt a WAL file that two processes write (sqlite.org/wal.html, "WAL-reset bug"). */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;
const BUSY_TIMEOUT_MS = 5_000;
/** KiB, negative by SQLite's convention. */
const PAGE_CACHE = -65_536;
/** One commit carries at most this many units of work, so that nobody waits long behind a full queue. */
const BATCH_MAX = 256;

export interface SqliteOptions {
  /** Holds `reelay.db` and its lock file. */
  readonly folder: string;
  /** Holds `sqlite/` with the migrations. */
  readonly migrationsFolder: string;
  /** Tests that show what several processes do to one file open it without its lock. */
  readonly withoutLock?: true;
}

/**
 * Opens, and migrates, the SQLite store in `folder`. Throws when another process has it, or when the SQLite library is
 * too old to be trusted with two connections.
 */
export function openSqlite(options: SqliteOptions): Database {
  const lock = options.withoutLock ? null : lockFolder(options.folder);
  const file = join(options.folder, 'reelay.db');
  const writer = connect(file);
  assertVersion(writer);
  migrate(drizzle(writer), { migrationsFolder: join(options.migrationsFolder, 'sqlite') });
  return new SqliteDatabase(file, writer, lock);
}

function connectToRead(file: string): Sqlite.Database {
  const reader = connect(file);
  reader.pragma('query_only = ON');
  return reader;
}

function connect(file: string): Sqlite.Database {
  const connection = new Sqlite(file, { timeout: BUSY_TIMEOUT_MS });
  connection.pragma('journal_mode = WAL');
  // FULL, not NORMAL: a hold that was answered for must survive a power cut. Group commit pays for it.
  connection.pragma('synchronous = FULL');
  connection.pragma('foreign_keys = ON');
  connection.pragma('trusted_schema = OFF');
  connection.pragma(`cache_size = ${PAGE_CACHE}`);
  return connection;
}

/**
 * One process per folder: an exclusive transaction on a second file, held for life. It survives a frozen process and
 * falls with a killed one.
 */
function lockFolder(folder: string): Sqlite.Database {
  const lock = new Sqlite(join(folder, 'reelay.lock'), { timeout: 0 });
  try {
    lock.exec('begin exclusive');
  } catch {
    lock.close();
    throw new StoreUnavailable(
      `another reelay is running on ${folder}: stop it, or set REELAY_DATA_DIR to another folder`,
    );
  }
  return lock;
}

function assertVersion(connection: Sqlite.Database): void {
  const version = String(connection.prepare('select sqlite_version()').pluck().get());
  const parts = version.split('.').map(Number);
  const older = SQLITE_VERSION_MIN.map((min, index) => (parts[index] ?? 0) - min).find(
    (difference) => difference !== 0,
  );
  if (older !== undefined && older < 0) {
    throw new StoreUnavailable(
      `SQLite ${version} is older than ${SQLITE_VERSION_MIN.join('.')}: reinstall better-sqlite3`,
    );
  }
}

interface Unit {
  readonly run: (tx: Tx) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Full disk, failing disk, or a file that somebody else holds: not a fault of the work that met it. */
function isStoreFault(error: unknown): error is Error {
  return error instanceof Sqlite.SqliteError && /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN)/.test(error.code);
}

/**
 * Group commit: units that arrive in one turn of the event loop share a commit, each behind a savepoint of its own.
 * One durable commit costs an fsync; sharing it took accepts from 3,000 to over 20,000 a second on the same disk.
 */
class SqliteDatabase implements Database {
  private readonly file: string;
  private readonly writer: Sqlite.Database;
  private readonly reader: Sqlite.Database;
  private readonly lock: Sqlite.Database | null;
  private readonly writes: Tx;
  private readonly reads: Tx;
  private queue: Unit[] = [];
  private flushing: Promise<void> | null = null;
  private writable = true;
  private closed = false;

  constructor(file: string, writer: Sqlite.Database, lock: Sqlite.Database | null) {
    this.file = file;
    this.writer = writer;
    this.reader = connectToRead(file);
    this.lock = lock;
    this.writes = drizzle(writer, { schema });
    this.reads = drizzle(this.reader, { schema });
  }

  write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new StoreUnavailable('the store is closed'));
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ run: work, resolve: (value) => resolve(value as T), reject });
      this.flushing ??= new Promise((done) => {
        setImmediate(() => {
          void this.flush().finally(() => done());
        });
      });
    });
  }

  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return work(this.reads);
  }

  async snapshot<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const own = connectToRead(this.file);
    try {
      own.exec('begin');
      return await work(drizzle(own, { schema }));
    } finally {
      own.close();
    }
  }

  isWritable(): boolean {
    return this.writable;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.flushing;
    this.reader.close();
    this.writer.close();
    this.lock?.close();
  }

  private async flush(): Promise<void> {
    try {
      while (this.queue.length > 0) await this.commit(this.queue.splice(0, BATCH_MAX));
    } finally {
      this.flushing = null;
    }
  }

  private async commit(batch: readonly Unit[]): Promise<void> {
    let outcomes: Outcome[];
    try {
      this.writer.exec('begin immediate');
      outcomes = await this.runAll(batch);
      this.writer.exec('commit');
      this.writable = true;
    } catch (error) {
      if (this.writer.inTransaction) this.writer.exec('rollback');
      this.writable = false;
      const unavailable = new StoreUnavailable(error instanceof Error ? error.message : String(error));
      for (const unit of batch) unit.reject(unavailable);
      return;
    }
    for (const [index, unit] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome && 'value' in outcome) unit.resolve(outcome.value);
      else unit.reject(outcome?.error);
    }
  }

  /** Everything inside happens in one turn: what is awaited are queries of this very connection. */
  private async runAll(batch: readonly Unit[]): Promise<Outcome[]> {
    const turn = new TurnWatch();
    try {
      const outcomes: Outcome[] = [];
      for (const unit of batch) outcomes.push(await this.runOne(unit, turn));
      return outcomes;
    } finally {
      turn.end();
    }
  }

  private async runOne(unit: Unit, turn: TurnWatch): Promise<Outcome> {
    const { tx, end } = unitOn(this.writes);
    this.writer.exec('savepoint unit');
    try {
      const value = await Promise.race([unit.run(tx), turn.overstay()]);
      this.writer.exec('release unit');
      return { value };
    } catch (error) {
      // A full disk or a broken file has ended the whole transaction already: nobody in the batch has written anything.
      if (!this.writer.inTransaction) throw error;
      this.writer.exec('rollback to unit');
      this.writer.exec('release unit');
      if (error instanceof Undo) return { value: error.value };
      return { error: isStoreFault(error) ? new StoreUnavailable(error.message) : error };
    } finally {
      end();
    }
  }
}

/** Notices a unit of work that is still running when the turn of the event loop is over. */
class TurnWatch {
  private refuse: ((error: AssertionError) => void) | null = null;
  private timer = setImmediate(() => this.turnOver());

  /** Rejects if the unit that is running now outlives a turn. */
  overstay(): Promise<never> {
    const watch = new Promise<never>((_, reject) => {
      this.refuse = reject;
    });
    watch.catch(() => {});
    return watch;
  }

  end(): void {
    clearImmediate(this.timer);
  }

  private turnOver(): void {
    this.refuse?.(new AssertionError('expected a transaction to wait for its own queries only'));
    this.timer = setImmediate(() => this.turnOver());
  }
}

/** The connection as one unit of work may use it: dead once the unit has ended, so that nothing can write too late. */
function unitOn(connection: Tx): { tx: Tx; end: () => void } {
  let ended = false;
  const tx = new Proxy(connection, {
    get(target, property, receiver) {
      if (ended) throw new AssertionError('expected no query after the transaction has ended');
      return property === CONNECTION ? target : Reflect.get(target, property, receiver);
    },
  });
  return {
    tx,
    end: () => {
      ended = true;
    },
  };
}

import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';
import type * as schema from './schema.ts';

/**
 * What a query runs in. Queries are awaited builders or prepared statements, so that another driver can stand behind
 * them; `.get()`, `.all()` and `.run()` are not used.
 */
export type Tx = BetterSQLite3Database<typeof schema>;

/**
 * The store. Asynchronous throughout: writes that arrive together are committed together, each in a transaction of its
 * own as far as it can tell.
 */
export interface Database {
  /**
   * Runs `work` in a write transaction and resolves after its commit is on disk. When `work` throws, its writes are
   * undone, its neighbours' are not, and the error comes back. `work` may wait for its own queries only: waiting for
   * anything else (network, files, timers) is an AssertionError, because it would keep every other writer out.
   * Refusals that are not faults (a budget that is full) are returned, after `undo` if something was written.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Runs `work` on a connection that sees committed rows only, each query those of its moment. It must not write. */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Like `read`, but all queries see the rows of one moment. Costs a connection: for audits and reports. */
  snapshot<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Whether a write would get through now; false while the disk is full, say. */
  isWritable(): boolean;
  /** Waits for the writes under way, then gives the file up. */
  close(): Promise<void>;
}

/** Thrown inside `write` to undo its rows and come back with a value instead of an error. */
export class Undo<T> extends Error {
  override readonly name = 'Undo';
  readonly value: T;

  constructor(value: T) {
    super('the transaction is undone');
    this.value = value;
  }
}

/** The store cannot take writes now: full disk, lost file, locked by another. Nothing was written. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

const prepared = new WeakMap<Tx, Map<unknown, unknown>>();

/** Under this key a transaction of one unit of work names the connection it runs on. */
export const CONNECTION = Symbol('connection');

/** The connection behind a transaction. Asking one that has ended is an AssertionError. */
function connectionOf(tx: Tx): Tx {
  return (tx as { readonly [CONNECTION]?: Tx })[CONNECTION] ?? tx;
}

/**
 * The statement that `build` makes, prepared once per connection: built anew for each call it would cost three to
 * fourteen times as much. The key is `build` itself, a function of module level, or a text that says all it depends on.
 */
export function statement<S>(tx: Tx, build: (tx: Tx) => S, key: unknown = build): S {
  const connection = connectionOf(tx);
  let statements = prepared.get(connection);
  if (!statements) {
    statements = new Map();
    prepared.set(connection, statements);
  }
  const found = statements.get(key);
  if (found !== undefined) return found as S;
  const made = build(connection);
  statements.set(key, made);
  return made;
}

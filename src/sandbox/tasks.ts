/**
 * The sandbox is five emulated providers on loopback. It knows their wires, and nothing of the gateway. This file is
 * their memory: tasks on disk, so that a task outlives a killed process as it does at a real provider.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { and, asc, count, eq, gt, isNull, sql } from 'drizzle-orm';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { ClipOrder } from './clip.ts';
import type { Fault } from './faults.ts';

const tasks = sqliteTable('tasks', {
  id: text('id').primaryKey(),
  emulator: text('emulator').notNull(),
  /** What its running tasks are counted by: Kling counts per model, the others all together. */
  lane: text('lane').notNull(),
  /** The caller's own mark: Kling's external id, EvoLink's idempotency key. */
  tag: text('tag'),
  createdAtMs: integer('created_at_ms').notNull(),
  /** When the generation begins: at once, or when the queue before it is done. */
  startsAtMs: integer('starts_at_ms').notNull(),
  readyAtMs: integer('ready_at_ms').notNull(),
  cancelledAtMs: integer('cancelled_at_ms'),
  request: text('request').notNull(),
  order: text('clip_order').notNull(),
  fault: text('fault').$type<Fault>(),
  /** How often it was read; some faults strike the first reads only. */
  reads: integer('reads').notNull(),
  hookUrl: text('hook_url'),
  hookSecret: text('hook_secret'),
  announcedAtMs: integer('announced_at_ms'),
});
const settings = sqliteTable('settings', { name: text('name').primaryKey(), value: text('value').notNull() });

const TABLES = [
  sql`create table if not exists tasks (
    id text primary key not null, emulator text not null, lane text not null, tag text,
    created_at_ms integer not null, starts_at_ms integer not null, ready_at_ms integer not null,
    cancelled_at_ms integer, request text not null, clip_order text not null, fault text, reads integer not null,
    hook_url text, hook_secret text, announced_at_ms integer
  )`,
  sql`create index if not exists tasks_tag on tasks (emulator, tag)`,
  sql`create index if not exists tasks_lane on tasks (emulator, lane, ready_at_ms)`,
  sql`create table if not exists settings (name text primary key not null, value text not null)`,
];

type Row = typeof tasks.$inferSelect;

export interface EmulatedTask extends Omit<Row, 'request' | 'order'> {
  readonly request: unknown;
  readonly order: ClipOrder;
}

/** The tasks of all emulators of one sandbox. Every write is on disk before it returns. */
export class TaskStore {
  private readonly connection: Sqlite.Database;
  private readonly db: BetterSQLite3Database;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.connection = new Sqlite(join(folder, 'sandbox.db'));
    this.connection.pragma('journal_mode = WAL');
    this.db = drizzle(this.connection);
    for (const statement of TABLES) this.db.run(statement);
  }

  add(task: EmulatedTask): void {
    const row = { ...task, request: JSON.stringify(task.request), order: JSON.stringify(task.order) };
    this.db.insert(tasks).values(row).run();
  }

  find(emulator: string, id: string): EmulatedTask | null {
    const ofId = and(eq(tasks.emulator, emulator), eq(tasks.id, id));
    return read(this.db.select().from(tasks).where(ofId).get());
  }

  findByTag(emulator: string, tag: string): EmulatedTask | null {
    const ofTag = and(eq(tasks.emulator, emulator), eq(tasks.tag, tag));
    return read(this.db.select().from(tasks).where(ofTag).get());
  }

  /** All tasks of an emulator, oldest first. */
  list(emulator: string): EmulatedTask[] {
    const rows = this.db.select().from(tasks).where(eq(tasks.emulator, emulator)).orderBy(asc(tasks.createdAtMs)).all();
    return rows.flatMap((row) => read(row) ?? []);
  }

  /** When each unfinished task of the lane will be done, earliest first. */
  unfinished(emulator: string, lane: string, nowMs: number): number[] {
    const running = and(eq(tasks.emulator, emulator), eq(tasks.lane, lane), gt(tasks.readyAtMs, nowMs));
    const rows = this.db
      .select({ readyAtMs: tasks.readyAtMs })
      .from(tasks)
      .where(and(running, isNull(tasks.cancelledAtMs)))
      .orderBy(asc(tasks.readyAtMs))
      .all();
    return rows.map((row) => row.readyAtMs);
  }

  count(emulator: string): number {
    return this.db.select({ tasks: count() }).from(tasks).where(eq(tasks.emulator, emulator)).get()?.tasks ?? 0;
  }

  change(id: string, change: Partial<Pick<Row, 'cancelledAtMs' | 'reads' | 'announcedAtMs'>>): void {
    this.db.update(tasks).set(change).where(eq(tasks.id, id)).run();
  }

  /** The port an emulator had at its last start, so that addresses it gave out stay good. */
  portOf(emulator: string): number {
    const row = this.db
      .select()
      .from(settings)
      .where(eq(settings.name, `${emulator}.port`))
      .get();
    return Number(row?.value ?? 0);
  }

  rememberPort(emulator: string, port: number): void {
    const value = String(port);
    this.db
      .insert(settings)
      .values({ name: `${emulator}.port`, value })
      .onConflictDoUpdate({ target: settings.name, set: { value } })
      .run();
  }

  close(): void {
    this.connection.close();
  }
}

function read(row: Row | undefined): EmulatedTask | null {
  return row ? { ...row, request: JSON.parse(row.request), order: JSON.parse(row.order) } : null;
}

/**
 * The sandbox is five emulated providers on loopback. It knows their wires, and nothing of the gateway. This file is
 * their memory: tasks on disk, so that a task outlives a killed process as it does at a real provider.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { and, eq, sql } from 'drizzle-orm';
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { ClipOrder } from './clip.ts';

const tasks = sqliteTable('tasks', {
  id: text('id').primaryKey(),
  emulator: text('emulator').notNull(),
  /** The caller's own mark: Kling's external id, EvoLink's idempotency key. */
  tag: text('tag'),
  createdAtMs: integer('created_at_ms').notNull(),
  readyAtMs: integer('ready_at_ms').notNull(),
  cancelledAtMs: integer('cancelled_at_ms'),
  request: text('request').notNull(),
  order: text('clip_order').notNull(),
  /** What goes wrong with this task. */
  fault: text('fault'),
});
const settings = sqliteTable('settings', { name: text('name').primaryKey(), value: text('value').notNull() });

const TABLES = [
  sql`create table if not exists tasks (
    id text primary key not null, emulator text not null, tag text, created_at_ms integer not null,
    ready_at_ms integer not null, cancelled_at_ms integer, request text not null, clip_order text not null, fault text
  )`,
  sql`create index if not exists tasks_tag on tasks (emulator, tag)`,
  sql`create table if not exists settings (name text primary key not null, value text not null)`,
];

export interface EmulatedTask {
  readonly id: string;
  readonly emulator: string;
  readonly tag: string | null;
  readonly createdAtMs: number;
  readonly readyAtMs: number;
  readonly cancelledAtMs: number | null;
  readonly request: unknown;
  readonly order: ClipOrder;
  readonly fault: string | null;
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
    const row = this.db
      .select()
      .from(tasks)
      .where(and(eq(tasks.emulator, emulator), eq(tasks.id, id)))
      .get();
    return row ? read(row) : null;
  }

  findByTag(emulator: string, tag: string): EmulatedTask | null {
    const row = this.db
      .select()
      .from(tasks)
      .where(and(eq(tasks.emulator, emulator), eq(tasks.tag, tag)))
      .get();
    return row ? read(row) : null;
  }

  list(emulator: string): EmulatedTask[] {
    return this.db.select().from(tasks).where(eq(tasks.emulator, emulator)).orderBy(tasks.createdAtMs).all().map(read);
  }

  cancel(id: string, atMs: number): void {
    this.db.update(tasks).set({ cancelledAtMs: atMs }).where(eq(tasks.id, id)).run();
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

function read(row: typeof tasks.$inferSelect): EmulatedTask {
  return { ...row, request: JSON.parse(row.request), order: JSON.parse(row.order) };
}

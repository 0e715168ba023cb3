/** What is needed to send a submission once more under its key: where that is safe, and what the first one said. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { flag } from './columns.ts';
import { attempts } from './schema.ts';

export const keyReplays = sqliteTable('key_replays', {
  account: text('account').primaryKey(),
  /** Keyed digest of the credentials and the address with which it was seen: with others it says nothing. */
  credentialDigest: text('credential_digest').notNull(),
  /** The repeat gave the task of the first; false: it gave another one, or none. */
  replays: flag('replays').notNull(),
  /** How old the key was, at least, when it was repeated: of older keys nothing is known. */
  heldMs: integer('held_ms').notNull(),
  seenAtMs: integer('seen_at_ms').notNull(),
});

export const keptSubmissions = sqliteTable(
  'kept_submissions',
  {
    attemptId: text('attempt_id')
      .primaryKey()
      .references(() => attempts.id),
    /** The addresses that were made for this submission alone, encrypted: signed links and its own webhook address. */
    sealed: text('sealed').notNull(),
    /** Keyed digest of the request as it was first sent: one that is written again must match it. */
    requestDigest: text('request_digest').notNull(),
    keptAtMs: integer('kept_at_ms').notNull(),
    /** When it was sent again, committed before its first byte; never more than once. */
    sentAgainAtMs: integer('sent_again_at_ms'),
  },
  (table) => [index('kept_submissions_age').on(table.keptAtMs)],
);

export type KeyReplayRow = typeof keyReplays.$inferSelect;
export type KeptSubmissionRow = typeof keptSubmissions.$inferSelect;

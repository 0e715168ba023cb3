/**
 * A hold is placed once and ends once, never above itself; and the audit, which recomputes all of it, names whatever
 * does not add up. Over a real SQLite file: differences are planted behind the code's back.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/ground/assert.ts';
import { type Micros, micros, usd } from '../../src/ground/money.ts';
import { bookCost, entriesOfJob, holdHasEnded, placeHold, releaseHold, settleHold } from '../../src/ledger/account.ts';
import { audit } from '../../src/ledger/audit.ts';
import type { Database, Tx } from '../../src/store/database.ts';
import { lanes } from '../../src/store/schema.ts';
import {
  attemptRow,
  COMPLETED,
  countingMint,
  DAY_MS,
  FAILED,
  jobRow,
  MADE_AT_MS,
  openStoreWithTenant,
  store,
} from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const stamp = { nowMs: MADE_AT_MS, mint: countingMint() };
const job = jobRow();
const by = { attemptId: 'att_1', pricedBy: 'card row' };
const settle = (tx: Tx, amountMicros: Micros) => settleHold(tx, job, { amountMicros, ...by }, stamp);

/** What a person with access to the file could do: nothing of it gets past the audit. */
const UNGUARDED = `drop trigger entries_are_never_changed; drop trigger entries_are_never_removed;
  drop index entries_one_hold; drop index entries_one_ending;`;
const copy = (table: string, from: string, to: string) =>
  `create temp table copied as select * from ${table} where id = '${from}'; update copied set id = '${to}';
   insert into ${table} select * from copied`;

describe('a hold', () => {
  it('is placed once', async () => {
    const database = await openStoreWithTenant();
    await database.write((tx) => placeHold(tx, job, 'dearest of a', stamp));
    await expect(database.write((tx) => placeHold(tx, job, 'again', stamp))).rejects.toThrow(/UNIQUE/);
    const [hold, ...others] = await entriesOf(database);
    expect(hold).toMatchObject({
      kind: 'hold',
      amountMicros: job.holdMicros,
      pricedBy: 'dearest of a',
      attemptId: null,
    });
    expect(others).toEqual([]);
  });

  it.each([
    ['settled', 'settled', (tx: Tx) => settle(tx, usd(1)), (tx: Tx) => settle(tx, usd(0))],
    ['settled', 'released', (tx: Tx) => settle(tx, usd(0.2)), (tx: Tx) => releaseHold(tx, job, stamp)],
    ['released', 'settled', (tx: Tx) => releaseHold(tx, job, stamp), (tx: Tx) => settle(tx, usd(0.2))],
    ['released', 'released', (tx: Tx) => releaseHold(tx, job, stamp), (tx: Tx) => releaseHold(tx, job, stamp)],
  ])('that is %s cannot be %s after, nor what belongs to it', async (_, __, end, endAgain) => {
    const database = await openHeld();
    expect(await database.read((tx) => holdHasEnded(tx, job.id))).toBe(false);
    await database.write(end);
    const again = database.write(async (tx) => {
      await bookCost(tx, job, { kind: 'cost', amountMicros: usd(0.1), ...by }, stamp);
      await endAgain(tx);
    });
    await expect(again).rejects.toThrow(/UNIQUE/);
    expect(await database.read((tx) => holdHasEnded(tx, job.id))).toBe(true);
    expect(await entriesOf(database)).toHaveLength(2);
  });

  it.each([[usd(1) + 1n], [-1n]])('of one dollar is not settled at %d micro-dollars', async (amount) => {
    const database = await openHeld();
    await expect(database.write((tx) => settle(tx, micros(amount)))).rejects.toThrow(AssertionError);
    expect(await database.read((tx) => holdHasEnded(tx, job.id))).toBe(false);
  });

  it.each([[usd(1)], [usd(0.355)], [usd(0)]])('of one dollar may be settled at %d micro-dollars', async (amount) => {
    const database = await openHeld();
    await database.write((tx) => settle(tx, amount));
    expect((await entriesOf(database))[1]).toMatchObject({ kind: 'settlement', amountMicros: amount, ...by });
  });

  it('does not end by a cost, and a cost of nothing is not booked', async () => {
    const database = await openHeld();
    await database.write(async (tx) => {
      await bookCost(tx, job, { kind: 'cost', amountMicros: usd(0.3), ...by }, stamp);
      await bookCost(tx, job, { kind: 'suspected_cost', amountMicros: usd(0), ...by }, stamp);
    });
    expect((await entriesOf(database)).map(({ kind }) => kind)).toEqual(['hold', 'cost']);
    expect(await database.read((tx) => holdHasEnded(tx, job.id))).toBe(false);
  });

  it('and its end belong to the tenant, the key and the day of admission, however late it ends', async () => {
    const database = await openHeld();
    await database.write((tx) => releaseHold(tx, job, { ...stamp, nowMs: MADE_AT_MS + DAY_MS }));
    const whose = { tenantId: 'ten_acme', keyId: 'key_acme', jobId: 'video_1', day: '2026-11-21' };
    expect(await entriesOf(database)).toMatchObject([
      { ...whose, atMs: MADE_AT_MS, kind: 'hold' },
      { ...whose, atMs: MADE_AT_MS + DAY_MS, kind: 'release', amountMicros: job.holdMicros },
    ]);
  });
});

describe('the audit', () => {
  it('finds nothing in books that are empty', async () => {
    const database = await openStoreWithTenant();
    expect(await database.read(audit)).toEqual({ ok: true, differences: [], jobs: 0, entries: 0 });
  });

  it('finds nothing in good books', async () => {
    const { database } = await openBooks();
    expect(await database.read(audit)).toEqual({ ok: true, differences: [], jobs: 4, entries: 9 });
  });

  it.each([
    ['a missing hold', copy('jobs', 'video_open', 'video_new'), [/^video_new: 0 holds, expected 1$/]],
    ['a hold that was removed', `${UNGUARDED} delete from entries where id = 'ent_001'`, [/^video_open: 0 holds/]],
    ['a second hold', `${UNGUARDED} ${copy('entries', 'ent_001', 'ent_more')}`, [/^video_open: 2 holds, expected 1$/]],
    [
      'a hold of another amount than its job says',
      `update jobs set hold_micros = 2000000 where id = 'video_open'`,
      [/^video_open: hold of \$1\.00, its job says \$2\.00$/],
    ],
    [
      'a settlement of another amount than its job says',
      `update jobs set settled_micros = 1 where id = 'video_done'`,
      [/^video_done: settled \$0\.355, its job says \$0\.000001$/],
    ],
    [
      'a settlement above its hold',
      `${UNGUARDED} update entries set amount_micros = 1000001 where job_id = 'video_done' and kind = 'settlement'`,
      [/^video_done: settled \$1\.000001, its job says \$0\.355$/, /^video_done: settled \$1\.000001, above its hold$/],
    ],
    [
      'an ended job whose hold goes on',
      `${UNGUARDED} delete from entries where kind = 'release' and job_id = 'video_failed'`,
      [/^video_failed: 0 endings of its hold while failed, expected 1$/],
    ],
    [
      'an open job whose hold has ended',
      `update jobs set state = 'queued', due_at_ms = 1 where id = 'video_failed'`,
      [/^video_failed: 1 endings of its hold while queued, expected 0$/],
    ],
    [
      'a settlement of a job that failed',
      `update jobs set state = 'failed' where id = 'video_done'`,
      [/^video_done: settled, but failed$/],
    ],
    [
      'a completed job without a file',
      `pragma ignore_check_constraints = on; update jobs set file_digest = null where id = 'video_done'`,
      [/^video_done: completed without a file$/],
    ],
    [
      'entries of no job',
      `${UNGUARDED} update entries set job_id = 'video_9' where job_id = 'video_open'`,
      [/^video_open: 0 holds/, /^video_9: entries without a job$/],
    ],
    ['a lane that counts too much', `update lanes set running = 2`, [/^lane atlas: counts 2 tasks, 1 hold a slot$/]],
    ['a lane that counts too little', `update lanes set running = 0`, [/^lane atlas: counts 0 tasks, 1 hold a slot$/]],
    ['a lane that is not counted', `delete from lanes`, [/^lane atlas: not counted, 1 hold a slot$/]],
    [
      'a live attempt of an ended job',
      `update attempts set state = 'running', task_id = 'task_1' where id = 'att_doubt'`,
      [/^att_doubt: running, but video_doubt is failed$/],
    ],
    [
      'a doubt that outlives its job and is suspected of no cost',
      `${UNGUARDED} delete from entries where kind = 'suspected_cost'`,
      [/^att_doubt: in_doubt, but video_doubt is failed$/],
    ],
  ])('names %s', async (_, planted, differences) => {
    const { database, folder } = await openBooks();
    tamper(folder, planted);
    const found = await database.read(audit);
    expect(found.ok).toBe(false);
    // What the sums of spend say besides is `spend.test.ts`'s.
    const ofEntries = found.differences.filter((difference) => !difference.startsWith('spend '));
    expect(ofEntries).toEqual(differences.map((difference) => expect.stringMatching(difference)));
  });
});

const entriesOf = (database: Database) => database.read((tx) => entriesOfJob(tx, job.id));

/** A store in which the hold of one dollar of `video_1` is placed. */
async function openHeld(): Promise<Database> {
  const database = await openStoreWithTenant();
  await database.write((tx) => placeHold(tx, job, 'dearest of a', stamp));
  return database;
}

/** A store with a job that goes on, one that was made, one that failed, and one that failed in doubt. */
async function openBooks(): Promise<{ readonly database: Database; readonly folder: string }> {
  const folder = temporaryFolder();
  const database = await openStoreWithTenant(folder);
  const mine = { nowMs: MADE_AT_MS, mint: countingMint() };
  const open = jobRow({ id: 'video_open', state: 'running' });
  const done = jobRow({ id: 'video_done', ...COMPLETED, settledMicros: usd(0.355) });
  const failed = jobRow({ id: 'video_failed', ...FAILED });
  const doubt = jobRow({ id: 'video_doubt', ...FAILED });
  const ofDone = { amountMicros: usd(0.355), attemptId: 'att_done', pricedBy: 'card row' };
  const ended = { slotHeld: false } as const;
  const attempts = [
    attemptRow({ id: 'att_open', jobId: open.id }),
    attemptRow({ id: 'att_done', jobId: done.id, state: 'succeeded', taskId: 'task_0', ...ended }),
    attemptRow({ id: 'att_doubt', jobId: doubt.id, state: 'in_doubt', ...ended }),
  ];
  await store(database, { jobs: [open, done, failed, doubt], attempts });
  await database.write(async (tx) => {
    await tx.insert(lanes).values({ lane: 'atlas', running: 1 });
    for (const each of [open, done, failed, doubt]) await placeHold(tx, each, 'dearest of a', mine);
    await settleHold(tx, done, ofDone, mine);
    await bookCost(tx, done, { kind: 'cost', ...ofDone }, mine);
    for (const each of [failed, doubt]) await releaseHold(tx, each, mine);
    await bookCost(tx, doubt, { ...ofDone, kind: 'suspected_cost', attemptId: 'att_doubt' }, mine);
  });
  return { database, folder };
}

/** Changes the file through a connection that is not the store's. */
function tamper(folder: string, statements: string): void {
  const connection = new Sqlite(join(folder, 'reelay.db'));
  connection.exec(statements);
  connection.close();
}

/** What happened, as a replay takes it: read from a store whose rows say what became of each job, entry by entry. */
import { describe, expect, it } from 'vitest';
import { newId } from '../../src/ground/id.ts';
import { micros, usd } from '../../src/ground/money.ts';
import { type PastQuery, readPast } from '../../src/jobs/past.ts';
import type { Database } from '../../src/store/database.ts';
import { type AttemptRow, type EntryRow, entries, type JobRow } from '../../src/store/schema.ts';
import {
  attemptRow,
  COMPLETED,
  DAY_MS,
  FAILED,
  jobRow,
  MADE_AT_MS,
  openStoreWithTenant,
  store,
} from '../support/rows.ts';

let drawn = 0;
const idAt = (prefix: 'video' | 'ent', afterMs: number): string => {
  drawn += 1;
  const bytes = (length: number) => new Uint8Array(length).fill(drawn % 200);
  return newId(prefix, MADE_AT_MS + afterMs, { bytes, fraction: () => 0 }, drawn);
};

const REQUEST = JSON.stringify({
  ...{ model: 'kling-v3', task: 'text_to_video', prompt: 'a kite', seconds: 5, resolution: '720p' },
  ...{ aspectRatio: '16:9', audio: false },
});
const job = (afterMs: number, change: Partial<JobRow> = {}): JobRow => {
  const createdAtMs = MADE_AT_MS + afterMs;
  const ended = { ...COMPLETED, endedAtMs: createdAtMs + 90_000, provider: 'fal' };
  return jobRow({ id: idAt('video', afterMs), request: REQUEST, createdAtMs, ...ended, ...change });
};
const ended = (of: JobRow, number: number, change: Partial<AttemptRow>): AttemptRow => {
  const createdAtMs = of.createdAtMs + 2_000 * number;
  const times = { createdAtMs, endedAtMs: createdAtMs + 10_000, slotHeld: false } as const;
  return attemptRow({ id: `att_${of.id}_${number}`, jobId: of.id, number, ...times, ...change });
};
const entry = (of: JobRow, kind: EntryRow['kind'], dollars: number, attempt: AttemptRow | null): EntryRow => ({
  ...{ id: idAt('ent', 0), atMs: MADE_AT_MS, tenantId: 'ten_acme', keyId: 'key_acme', jobId: of.id },
  ...{ kind, attemptId: attempt?.id ?? null, amountMicros: usd(dollars), day: '2026-11-21', pricedBy: 'row' },
});
const book = (database: Database, rows: EntryRow[]) =>
  database.write(async (tx) => {
    await tx.insert(entries).values(rows);
  });
const all: PastQuery = { fromMs: MADE_AT_MS, toMs: MADE_AT_MS + DAY_MS, tenantId: null, jobsMax: 1_000 };
const noPause = () => Promise.resolve();
const read = (database: Database, query: Partial<PastQuery> = {}) =>
  database.snapshot((tx) => readPast(tx, { ...all, ...query }, noPause));

describe('the past', () => {
  it('is money, waits and failovers as they were booked, and each attempt with what it was charged', async () => {
    const database = await openStoreWithTenant();
    const asked = { asked: { order: ['fal'], models: ['kling-o3'] } };
    const one = job(0, { presentation: JSON.stringify(asked), seconds: 5, attempts: 2 });
    const first = ended(one, 1, { state: 'failed', failureKind: 'generation_failed' });
    const second = ended(one, 2, {
      state: 'succeeded',
      taskId: 'task_1',
      provider: 'fal',
      account: 'fal',
      lane: 'fal',
    });
    await store(database, { jobs: [one], attempts: [first, second] });
    await book(database, [
      entry(one, 'hold', 1, null),
      entry(one, 'settlement', 0.5, second),
      entry(one, 'adjustment', -0.1, second),
      entry(one, 'cost', 0.42, second),
      entry(one, 'cost', 0.3, first),
    ]);
    const { requests, outcomes } = await read(database);
    expect(outcomes).toMatchObject([
      {
        code: null,
        provider: 'fal',
        priceMicros: usd(0.4),
        costMicros: usd(0.72),
        failureMicros: usd(0.3),
        suspectedMicros: micros(0n),
        waitMs: 2_000,
        doneMs: 90_000,
        attempts: 2,
        failovers: 1,
        failedAt: ['atlas'],
      },
    ]);
    expect(requests[0]).toMatchObject({
      tenant: 'ten_acme',
      routing: { order: ['fal'], models: ['kling-o3'] },
      lengthMs: null,
      refused: null,
      seen: [
        { account: 'atlas', model: 'kling-v3', kind: 'generation_failed', seconds: 10, charged: 'charged' },
        { account: 'fal', kind: null, charged: 'charged' },
      ],
    });
    expect(requests[0]?.requests.map(({ model }) => model)).toEqual(['kling-v3', 'kling-o3']);
  });

  it('knows a doubt from a refusal, and an end that was the request’s own fault', async () => {
    const database = await openStoreWithTenant();
    const doubtful = job(0, { ...FAILED, errorCode: 'provider_outcome_unknown', provider: null });
    const doubt = ended(doubtful, 1, { state: 'in_doubt', endedAtMs: null });
    const blocked = job(1_000, { ...FAILED, errorCode: 'moderation_blocked', provider: null });
    const refused = ended(blocked, 1, { state: 'failed', failureKind: 'content_rejected' });
    const motion = job(2_000, { seconds: null, fileDurationMs: 7_400 });
    await store(database, { jobs: [doubtful, blocked, motion], attempts: [doubt, refused] });
    await book(database, [entry(doubtful, 'suspected_cost', 0.355, doubt)]);
    const { requests, outcomes } = await read(database);
    expect(outcomes.map(({ code }) => code)).toEqual(['provider_outcome_unknown', 'moderation_blocked', null]);
    expect(outcomes[0]).toMatchObject({ suspectedMicros: usd(0.355), costMicros: 0n });
    expect(requests.map(({ refused: kind }) => kind)).toEqual([null, 'content_rejected', null]);
    expect(requests[0]?.seen).toMatchObject([{ kind: 'protocol_error', charged: 'unknown' }]);
    expect(requests[1]?.seen).toMatchObject([{ kind: 'content_rejected', charged: 'free' }]);
    expect(requests[2]?.lengthMs).toBe(7_400);
  });

  it('is of a period and a tenant, without what is open or cancelled, and says where it was cut', async () => {
    const database = await openStoreWithTenant();
    const cancelled = job(500, { ...FAILED, state: 'cancelled' });
    const open = jobRow({ id: idAt('video', 600), createdAtMs: MADE_AT_MS + 600, request: REQUEST });
    const many = Array.from({ length: 450 }, (_, index) => job(1_000 + index));
    await store(database, { jobs: [job(0), cancelled, open, ...many] });
    expect(await read(database)).toMatchObject({ open: 1, cancelled: 1, cutAtMs: null });
    const whole = await read(database);
    expect([whole.requests.length, whole.outcomes.length]).toEqual([451, 451]);
    expect(whole.requests.map(({ atMs }) => atMs)).toEqual(
      whole.requests.map(({ atMs }) => atMs).sort((a, b) => a - b),
    );
    const cut = await read(database, { jobsMax: 300 });
    expect([cut.requests.length, cut.cutAtMs]).toEqual([300, MADE_AT_MS + 1_000 + 299]);
    expect((await read(database, { tenantId: 'ten_other' })).requests).toEqual([]);
    expect((await read(database, { fromMs: MADE_AT_MS + 1_000, toMs: MADE_AT_MS + 1_010 })).requests.length).toBe(10);
  });

  it('lets others work between its pages', async () => {
    const database = await openStoreWithTenant();
    await store(database, { jobs: Array.from({ length: 450 }, (_, index) => job(index)) });
    let pauses = 0;
    const pause = () => {
      pauses += 1;
      return Promise.resolve();
    };
    await database.snapshot((tx) => readPast(tx, all, pause));
    expect(pauses).toBe(2);
  });
});

/** What keeps a gateway running for months: expired files go, a full disk stops admission only, stuck tasks are known. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DiskWatch } from '../../src/jobs/disk.ts';
import { type Durations, measuredDurations, stuckAfterMs } from '../../src/jobs/durations.ts';
import { removeExpired } from '../../src/jobs/retention.ts';
import { insertAttempt, insertJob } from '../../src/jobs/rows.ts';
import { openDiskFiles } from '../../src/store/files.ts';
import { createVideo, endOf, startTestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { attemptRow, COMPLETED, jobRow, openStoreWithTenant } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const GIB = 1_024 ** 3;
const MINUTE_MS = 60_000;

describe('retention', () => {
  it('removes the file of an expired video and keeps its row, which says so', async () => {
    const gateway = await startTestGateway({ REELAY_RETENTION_DAYS: '0.00001' });
    onTestFinished(() => gateway.remove());
    const video = await createVideo(gateway, { model: 'kling-v3', seconds: 3 });
    const ended = await endOf(gateway, video.id);
    expect(ended.status).toBe('completed');
    const expired = await until('the expiry', async () => {
      const content = await gateway.fetch(`/v1/videos/${video.id}/content`);
      return content.status === 404 ? ((await content.json()) as { error: { code: string } }) : null;
    });
    expect(expired.error.code).toBe('video_expired');
    expect((await gateway.fetch(`/v1/videos/${video.id}`)).status).toBe(200);
  });

  it('removes each file once, and none before its time', async () => {
    const folder = temporaryFolder();
    const database = await openStoreWithTenant();
    const files = await openDiskFiles(folder);
    const clock = new ManualClock();
    const keep = async (id: string, expiresAtMs: number) => {
      const part = await files.create(`videos/${id}.mp4`);
      await part.write(Buffer.from('clip'));
      await part.finish();
      await database.write((tx) => insertJob(tx, jobRow({ id, ...COMPLETED, expiresAtMs })));
    };
    await keep('video_1', clock.nowMs() + MINUTE_MS);
    await keep('video_2', clock.nowMs() + 2 * MINUTE_MS);
    const expire = () => removeExpired({ database, files, clock });
    expect(await expire()).toBe(0);
    clock.advance(MINUTE_MS);
    expect(await expire()).toBe(1);
    expect(await expire()).toBe(0);
    expect(existsSync(join(folder, 'videos/video_1.mp4'))).toBe(false);
    expect(existsSync(join(folder, 'videos/video_2.mp4'))).toBe(true);
  });
});

describe('the disk', () => {
  const watch = (freeBytes: number, totalBytes: number) =>
    new DiskWatch({ space: async () => ({ freeBytes, totalBytes }) }, new ManualClock());

  it.each([
    [10 * GIB, 100 * GIB, null],
    [4 * GIB, 100 * GIB, /4096 MiB free .* 5120 MiB are needed/],
    [0.5 * GIB, 4 * GIB, /512 MiB free .* 1024 MiB are needed/],
    [1.5 * GIB, 4 * GIB, null],
  ])('with %d of %d bytes free: %s', async (free, total, shortage) => {
    const said = await watch(free, total).shortage();
    if (shortage === null) expect(said).toBeNull();
    else expect(said).toMatch(shortage);
  });

  it('is looked at again after two seconds, so that admission recovers by itself', async () => {
    const clock = new ManualClock();
    let freeBytes = 0;
    let looks = 0;
    const space = async () => {
      looks += 1;
      return { freeBytes, totalBytes: 10 * GIB };
    };
    const disk = new DiskWatch({ space }, clock);
    expect(await disk.shortage()).not.toBeNull();
    freeBytes = 5 * GIB;
    expect(await disk.shortage()).not.toBeNull();
    clock.advance(2_000);
    expect(await disk.shortage()).toBeNull();
    expect(looks).toBe(2);
  });
});

describe('measured durations', () => {
  it('are percentiles of the latest tasks of one offer that were made', async () => {
    const database = await openStoreWithTenant();
    const nowMs = Date.UTC(2026, 10, 21);
    await database.write(async (tx) => {
      for (let index = 1; index <= 100; index += 1) {
        const acceptedAtMs = nowMs - 1_000_000;
        const jobId = `video_${index}`;
        await insertJob(tx, jobRow({ id: jobId, ...COMPLETED }));
        const ended = {
          state: 'succeeded',
          slotHeld: false,
          taskId: `task_${index}`,
          handle: '{}',
          acceptedAtMs,
          endedAtMs: acceptedAtMs + index * 1_000,
        } as const;
        await insertAttempt(tx, attemptRow({ id: `att_${index}`, jobId, ...ended }));
      }
    });
    const offer = { account: 'atlas', model: 'kling-v3', upstream: 'kling/v3' };
    const measured = await database.read((tx) => measuredDurations(tx, offer, nowMs));
    expect(measured).toEqual({ samples: 100, p50Ms: 50_000, p95Ms: 95_000 });
    expect(await database.read((tx) => measuredDurations(tx, { ...offer, upstream: 'other' }, nowMs))).toBeNull();
  });

  const measured = (samples: number, p95Ms: number): Durations => ({ samples, p50Ms: p95Ms / 2, p95Ms });
  it.each([
    ['nothing measured', null, 60],
    ['too little measured', measured(19, 5 * MINUTE_MS), 60],
    ['four times the usual', measured(20, 5 * MINUTE_MS), 20],
    ['never under ten minutes', measured(200, MINUTE_MS), 10],
    ['never over an hour', measured(200, 30 * MINUTE_MS), 60],
  ])('%s: stuck after the right time', (_what, durations, minutes) => {
    expect(stuckAfterMs(durations)).toBe(minutes * MINUTE_MS);
  });
});

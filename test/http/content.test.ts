/** A saved video is sent as it was saved or not at all: whoever holds its ETag holds those bytes for ever. */
import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FrontDeps } from '../../src/http/context.ts';
import { SavedFiles } from '../../src/http/saved-files.ts';
import { insertJob } from '../../src/jobs/rows.ts';
import { openDiskFiles } from '../../src/store/files.ts';
import { alarms } from '../../src/store/schema-alarms.ts';
import { createVideo, endOf, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETED, jobRow, openStoreWithTenant } from '../support/rows.ts';
import { temporaryFolder } from '../support/temporary.ts';

const digestOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

describe('over HTTP', () => {
  let gateway: TestGateway;
  let id = '';
  let path = '';
  let whole: Buffer;
  const get = (headers: Record<string, string> = {}) => gateway.fetch(`/v1/videos/${id}/content`, { headers });

  beforeAll(async () => {
    gateway = await startTestGateway();
    ({ id } = await createVideo(gateway, { model: 'kling-v3', seconds: 3 }));
    await endOf(gateway, id);
    path = join(gateway.dataDir, 'files/videos', `${id}.mp4`);
    whole = readFileSync(path);
  });
  afterAll(() => gateway.remove());

  it('a video is sent whole, or one range of it, under its digest', async () => {
    const answer = await get();
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, `"${digestOf(whole)}"`]);
    expect(whole.equals(Buffer.from(await answer.arrayBuffer()))).toBe(true);
    const part = await get({ range: 'bytes=100-199' });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 100-199/${whole.length}`]);
    expect(whole.subarray(100, 200).equals(Buffer.from(await part.arrayBuffer()))).toBe(true);
    expect((await get({ range: `bytes=${whole.length}-` })).status).toBe(416);
    expect((await get({ 'if-none-match': `"${digestOf(whole)}"` })).status).toBe(304);
  });

  it.each<[what: string, spoil: () => void]>([
    [
      'changed by a bit',
      () =>
        writeFileSync(
          path,
          whole.map((byte, at) => (at === 500 ? byte ^ 1 : byte)),
        ),
    ],
    ['cut', () => truncateSync(path, 1_000)],
    ['longer', () => writeFileSync(path, Buffer.concat([whole, Buffer.from('x')]))],
    ['lost', () => unlinkSync(path)],
  ])(
    'a file that was %s is an error before any byte, whole or in ranges, until it is as it was saved',
    async (_, spoil) => {
      spoil();
      for (const headers of [{}, { range: 'bytes=0-9' }]) {
        const answer = await get(headers);
        expect([answer.status, answer.headers.get('etag'), answer.headers.get('cache-control')]).toEqual([
          500,
          null,
          'no-store',
        ]);
        expect(answer.headers.get('x-should-retry')).toBe('false');
        expect(await answer.json()).toMatchObject({
          error: { code: 'server_error', message: expect.stringContaining('missing or damaged') },
        });
      }
      writeFileSync(path, whole);
      expect((await get()).status).toBe(200);
    },
  );
});

describe('the check of a saved file', () => {
  async function open() {
    const database = await openStoreWithTenant();
    const folder = temporaryFolder();
    const disk = await openDiskFiles(folder);
    const content = Buffer.alloc(300_000, 'frames ');
    const saved = { ...COMPLETED, fileBytes: content.length, fileDigest: digestOf(content) };
    const job = jobRow({ id: 'video_1', ...saved, expiresAtMs: Number.MAX_SAFE_INTEGER });
    await database.write((tx) => insertJob(tx, job));
    const part = await disk.create('videos/video_1.mp4');
    await part.write(content);
    await part.finish();
    const seen = { reads: 0 };
    const files: typeof disk = {
      ...disk,
      read: (...of) => {
        seen.reads += 1;
        return disk.read(...of);
      },
    };
    let minted = 0;
    const log = { info() {}, warn() {}, error() {}, flush() {} };
    const mint = (prefix: string): string => `${prefix}_${++minted}`;
    const deps = { database, files, clock: new ManualClock(), log, mint, signals: {} };
    const check = new SavedFiles(deps as unknown as FrontDeps['jobs']);
    const told = async () =>
      (await database.read((tx) => tx.select().from(alarms))).map(({ body }) => JSON.parse(body));
    return { check, job, seen, told, database, path: join(folder, 'videos/video_1.mp4') };
  }

  it('reads the file once for every change of it, also when many ask at once', async () => {
    const { check, job, seen, path } = await open();
    expect(await Promise.all([1, 2, 3].map(() => check.faultOf(job)))).toEqual([null, null, null]);
    expect([await check.faultOf(job), seen.reads]).toEqual([null, 1]);
    utimesSync(path, 1, 1);
    expect([await check.faultOf(job), seen.reads]).toEqual([null, 2]);
  });

  it('tells the operator of each damage once, however often the video is asked for, and over a restart', async () => {
    const { check, job, told, path } = await open();
    truncateSync(path, 10);
    for (let times = 0; times < 3; times += 1) {
      expect(await check.faultOf(job)).toBe('the saved file has 10 bytes, 300000 were saved');
    }
    unlinkSync(path);
    expect(await check.faultOf(job)).toBe('the saved file is missing');
    const tenant = job.tenantId;
    expect(await told()).toMatchObject([
      { type: 'video.damaged', data: { video: 'video_1', tenant, fault: expect.stringContaining('10 bytes') } },
      { type: 'video.damaged', data: { video: 'video_1', tenant, fault: 'the saved file is missing' } },
    ]);
  });
});

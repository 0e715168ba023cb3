/** The vendor's own client works with the emulator as it does with fal, but for its address. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError, createFalClient, ValidationError } from '@fal-ai/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/ground/time.ts';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import { falEmulator } from '../../src/sandbox/fal.ts';
import { TaskStore } from '../../src/sandbox/tasks.ts';
import { makePng } from '../support/images.ts';

let emulator: Emulator;
let tasks: TaskStore;
const folder = mkdtempSync(join(tmpdir(), 'reelay-test-'));
beforeAll(async () => {
  tasks = new TaskStore(folder);
  const clipsDir = join(import.meta.dirname, '../../src/sandbox/clips');
  emulator = falEmulator({ tasks, clock: systemClock, seconds: 0.3, clipsDir });
  await emulator.start();
});
afterAll(async () => {
  await emulator.stop();
  tasks.close();
  rmSync(folder, { recursive: true, force: true });
});

const SOLD = 'fal-ai/kling-video/v3/standard/text-to-video';
const PLAIN = { prompt: 'a kite', duration: '3', generate_audio: false } as const;

/** The client knows hosts of fal's only: each is led to the emulator, and what is sent there stays as it is. */
const clientWith = (credentials: string) =>
  createFalClient({
    credentials,
    retry: { maxRetries: 0 },
    fetch: (input, init) => {
      const asked = new URL(String(input));
      const known = /^(queue\.fal\.run|rest\.fal\.ai)$/.test(asked.host);
      return fetch(known ? `${emulator.url}${asked.pathname}${asked.search}` : asked, init);
    },
  });

describe('@fal-ai/client', () => {
  it('submits, follows every status and gets the video', async () => {
    const client = clientWith('id:secret');
    const seen: string[] = [];
    const { data, requestId } = await client.subscribe(SOLD, {
      input: PLAIN,
      logs: true,
      pollInterval: 20,
      onQueueUpdate: ({ status }) => seen.push(status),
    });
    expect(seen.at(-1)).toBe('COMPLETED');
    expect([...new Set(seen)]).toEqual(['IN_QUEUE', 'IN_PROGRESS', 'COMPLETED'].filter((word) => seen.includes(word)));
    expect(emulator.find(requestId)?.order).toMatchObject({ resolution: '720p', seconds: 3, audio: false });
    const clip = await fetch(data.video.url);
    expect([clip.status, clip.headers.get('content-type')]).toEqual([200, 'video/mp4']);
  });

  it('follows the same by a stream of events', async () => {
    const client = clientWith('id:secret');
    const seen: string[] = [];
    const { data } = await client.subscribe(SOLD, {
      input: PLAIN,
      mode: 'streaming',
      onQueueUpdate: ({ status }) => seen.push(status),
    });
    expect(seen.at(-1)).toBe('COMPLETED');
    expect(data.video.content_type).toBe('video/mp4');
  });

  it('cancels what waits; a second time it is too late', async () => {
    const client = clientWith('id:secret');
    // Two run at once; the third is in the queue for sure.
    for (let running = 0; running < emulator.slots; running += 1) await client.queue.submit(SOLD, { input: PLAIN });
    const { request_id: requestId } = await client.queue.submit(SOLD, { input: PLAIN });
    expect(await client.queue.status(SOLD, { requestId })).toMatchObject({ status: 'IN_QUEUE', queue_position: 0 });
    await client.queue.cancel(SOLD, { requestId });
    expect(await client.queue.status(SOLD, { requestId })).toMatchObject({
      status: 'COMPLETED',
      error_type: 'client_cancelled',
    });
    await expect(client.queue.cancel(SOLD, { requestId })).rejects.toMatchObject({ status: 400 });
    await expect(client.queue.cancel(SOLD, { requestId: 'nobody' })).rejects.toMatchObject({ status: 404 });
  });

  it('hears of a wrong field when it asks for the result', async () => {
    const client = clientWith('id:secret');
    const input = { ...PLAIN, duration: '2' };
    const { request_id: requestId } = await client.queue.submit<string>(SOLD, { input });
    await client.queue.subscribeToStatus(SOLD, { requestId, pollInterval: 20 });
    const error = await client.queue.result(SOLD, { requestId }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ValidationError);
    if (!(error instanceof ValidationError)) return;
    expect(error.fieldErrors).toMatchObject([{ loc: ['body', 'duration'] }]);
    expect(error.requestId).toBe(requestId);
  });

  it('asks too soon, without a balance, without a key, and for nothing that is sold', async () => {
    const client = clientWith('id:secret');
    const { request_id: requestId } = await client.queue.submit(SOLD, { input: PLAIN });
    await expect(client.queue.result(SOLD, { requestId })).rejects.toMatchObject({
      status: 400,
      body: { detail: 'Request is still in progress' },
    });
    const asks = (credentials: string, endpoint: string) =>
      clientWith(credentials)
        .queue.submit<string>(endpoint, { input: PLAIN })
        .then(
          () => 200,
          (thrown: unknown) => (thrown instanceof ApiError ? thrown.status : thrown),
        );
    expect(await asks('sandbox-empty', SOLD)).toBe(403);
    expect(await asks(' ', SOLD)).toBe(401);
    expect(await asks('id:secret', 'fal-ai/kling-video/v9/text-to-video')).toBe(404);
  });

  it('uploads a picture and finds it in the input', async () => {
    const client = clientWith('id:secret');
    const png = new Blob([new Uint8Array(makePng())], { type: 'image/png' });
    const url = await client.storage.upload(png);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(makePng());
    const endpoint = 'fal-ai/kling-video/v3/pro/image-to-video';
    const { request_id: id } = await client.queue.submit(endpoint, { input: { ...PLAIN, start_image_url: png } });
    const kept = emulator.find(id)?.request;
    expect(kept).toMatchObject({ input: { start_image_url: expect.stringContaining(`${emulator.url}/media/b/`) } });
    expect(kept).not.toHaveProperty('invalid');
  });
});

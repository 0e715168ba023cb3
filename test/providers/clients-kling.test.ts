/** A client of official Kling that was written elsewhere (kling-api, legacy generation, key pair) works with the emulator. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KlingAPI } from 'kling-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Emulator } from '../../src/sandbox/emulator.ts';
import { SANDBOX_KEY_PAIR } from '../../src/sandbox/kling-answers.ts';
import { makePng } from '../support/images.ts';
import { startKlingEmulator } from '../support/kling-emulator.ts';
import { temporaryFolder } from '../support/temporary.ts';

let emulator: Emulator;
let stop: () => Promise<void>;
beforeAll(async () => {
  ({ emulator, stop } = await startKlingEmulator(0.1));
});
afterAll(() => stop());

/** The client insists on https, so its address is changed behind its back. */
function clientWith(pair: { readonly accessKey: string; readonly secretKey: string }): KlingAPI {
  const client = new KlingAPI({ ...pair });
  client.client.defaults.baseURL = emulator.url;
  return client;
}

const QUICKLY = { interval: 20, timeout: 5_000, showSpinner: false };

describe('kling-api', () => {
  it('makes a clip, finds its file, and extends it', async () => {
    const client = clientWith(SANDBOX_KEY_PAIR);
    const order = { prompt: 'a kite', model_name: 'kling-v1-6', duration: '5', mode: 'std', cfg_scale: 0.5 } as const;
    const created = await client.textToVideo({ ...order, external_task_id: 'mine-1' });
    expect(created).toMatchObject({ code: 0, data: { task_status: 'submitted' } });
    const ended = await client.waitForVideoResult(created.data.task_id, undefined, QUICKLY);
    const [video] = ended.data.task_result?.videos ?? [];
    expect(ended.data).toMatchObject({ task_status: 'succeed', task_info: { external_task_id: 'mine-1' } });
    const file = await fetch(video?.url ?? '');
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'video/mp4']);
    expect(await client.extendVideo({ video_id: video?.id ?? '', prompt: 'it flies on' })).toMatchObject({ code: 0 });
  });

  it('orders from a picture on disk, and reads its packs', async () => {
    const client = clientWith(SANDBOX_KEY_PAIR);
    const image = join(temporaryFolder(), 'frame.png');
    writeFileSync(image, makePng(640, 640));
    const order = { image, model_name: 'kling-v2-1', prompt: 'it turns', mode: 'pro', duration: '10' } as const;
    expect(await client.imageToVideo(order)).toMatchObject({ code: 0 });
    const several = { image_list: [{ image }, { image }], prompt: 'they meet', model_name: 'kling-v1-6' as const };
    expect(await client.multiImageToVideo(several)).toMatchObject({ code: 0 });
    const packs = await client.getAccountInfo(0, 1);
    expect(packs.data.resource_pack_subscribe_infos).toMatchObject([{ status: 'online' }]);
  });

  it('is refused as it expects to be', async () => {
    const client = clientWith(SANDBOX_KEY_PAIR);
    await expect(client.queryTextToVideoTask('1')).rejects.toMatchObject({ code: 1201, httpStatus: 400 });
    const stranger = clientWith({ accessKey: 'stranger', secretKey: 'stranger' });
    const order = { prompt: 'a kite', model_name: 'kling-v2-6' } as const;
    await expect(stranger.textToVideo(order)).rejects.toMatchObject({ code: 1002, httpStatus: 401 });
  });

  it('broke no documented form', () => {
    expect(emulator.violations).toEqual([]);
  });
});

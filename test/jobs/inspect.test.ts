/** A saved file counts as a video only when its own header says so; the clips are real ones of the sandbox. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { present } from '../../src/ground/assert.ts';
import { inspectVideo, type VideoFacts } from '../../src/jobs/inspect.ts';
import { type ClipOrder, makeClip } from '../../src/sandbox/clip.ts';
import { temporaryFolder } from '../support/temporary.ts';

const clipsDir = fileURLToPath(new URL('../../src/sandbox/clips', import.meta.url));
const order: ClipOrder = { resolution: '720p', aspectRatio: '16:9', seconds: 2, audio: true };

/** Bytes without any order, the same in every run. */
const noise = (outputLength: number): Buffer => createHash('shake256', { outputLength }).update('noise').digest();

async function inspect(content: Uint8Array | string): Promise<VideoFacts | null> {
  const path = join(temporaryFolder(), 'video_1.part');
  writeFileSync(path, content);
  return await inspectVideo(path);
}

/** Where the index of an MP4 ends: the boxes before the pictures themselves. */
function endOfIndex(clip: Buffer): number {
  let at = 0;
  while (clip.toString('latin1', at + 4, at + 8) !== 'mdat') at += clip.readUInt32BE(at);
  return at;
}

describe('a clip', () => {
  it.each<[order: string, durationMs: number, width: number, height: number]>([
    ['720p 16:9 5 s with sound', 5_000, 1280, 720],
    ['720p 9:16 3 s silent', 3_000, 720, 1280],
    ['720p 1:1 2.5 s with sound', 2_500, 960, 960],
    ['720p 21:9 15 s silent', 15_000, 1680, 720],
    ['1080p 16:9 10 s with sound', 10_000, 1920, 1080],
    ['1080p 9:16 1 s with sound', 1_000, 1080, 1920],
    ['4k 16:9 4 s with sound', 4_000, 3840, 2160],
    ['4k 9:16 0.5 s silent', 500, 2160, 3840],
  ])('of %s is read as what it is', async (text, durationMs, width, height) => {
    const [resolution, aspectRatio = '', seconds] = text.split(' ');
    const audio = text.endsWith('with sound');
    const ordered = { resolution: resolution as ClipOrder['resolution'], aspectRatio, seconds: Number(seconds), audio };
    expect(await inspect(await makeClip(ordered, clipsDir))).toEqual({
      contentType: 'video/mp4',
      durationMs,
      width,
      height,
      hasAudio: audio,
    });
  });
});

describe('a file is no video', () => {
  let clip: Buffer;
  beforeAll(async () => {
    clip = await makeClip(order, clipsDir);
  });

  it.each<[what: string, content: () => Uint8Array | string]>([
    ['that is empty', () => ''],
    ['of HTML under the name of one', () => '<!doctype html><title>Just a moment…</title>'],
    ['of JSON', () => '{"error":{"code":"AccessDenied"}}'],
    ['of random bytes', () => noise(100_000)],
    ['of zeros', () => Buffer.alloc(100_000)],
    ['of sound alone', () => readFileSync(join(clipsDir, 'tone.m4a'))],
    ['that begins with its name and goes on with noise', () => Buffer.concat([clip.subarray(0, 28), noise(9_000)])],
    ['whose index is missing', () => Buffer.concat([clip.subarray(0, 28), clip.subarray(endOfIndex(clip))])],
    ['whose index is noise', () => Buffer.concat([clip.subarray(0, 36), noise(endOfIndex(clip) - 36)])],
  ])('%s', async (_, content) => {
    expect(await inspect(content())).toBeNull();
  });

  it.each([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999])('that was cut at %f of its index', async (share) => {
    const cut = Math.floor(endOfIndex(clip) * share);
    expect(await inspect(clip.subarray(0, cut))).toBeNull();
  });

  it('that breaks off behind its index, in the middle of its pictures', async () => {
    expect(await inspect(clip.subarray(0, endOfIndex(clip) + 100))).toBeNull();
  });

  it('with an index that promises four thousand million samples is read as quickly as any other', async () => {
    const hostile = Buffer.from(clip);
    hostile.writeUInt32BE(0xffff_ffff, hostile.indexOf('stsc') + 16);
    expect(await inspect(hostile)).toEqual(present(await inspect(clip), 'the facts of the honest clip'));
  });
});

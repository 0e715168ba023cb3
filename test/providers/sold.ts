/** What providers sell, how it is ordered once each, and what must have come of it. */
import { expect } from 'vitest';
import type { Resolution, Task } from '../../src/ground/models.ts';
import { makePng } from '../support/images.ts';
import type { Bench } from '../support/provider-lab.ts';

/** One thing that a provider sells according to its public pages, and a create request that orders it. */
export interface Sold {
  readonly model: string;
  readonly task: Task;
  readonly resolution: Resolution;
  readonly audio: boolean;
  /** The create body besides `model`, `resolution`, `generate_audio` and `provider`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A picture that is uploaded with the request. */
export const FIRST_FRAME = `data:image/png;base64,${makePng(640, 640).toString('base64')}`;
/** A picture that is given by its address; no emulator fetches it. */
export const PICTURE_URL = 'https://media.example.com/picture.png';
/** Videos come by address only; no emulator fetches it. */
export const SOURCE_VIDEO = 'https://media.example.com/source.mp4';

/** A picture that moves as a video does: framed as the picture, and framed as the video. */
export const MOVES_LIKE = { input_reference: FIRST_FRAME, video_url: SOURCE_VIDEO, character_orientation: 'image' };
export const DANCES = {
  prompt: 'she dances',
  input_reference: PICTURE_URL,
  video_url: SOURCE_VIDEO,
  character_orientation: 'video',
  keep_original_sound: false,
};
/** A video in which one thing becomes that of a picture. */
export const EDITED = {
  prompt: 'replace the cup by @image_1',
  video_url: SOURCE_VIDEO,
  reference_images: [PICTURE_URL],
  keep_original_sound: true,
};

export type Tier = readonly [resolution: Resolution, audio: boolean];

/** The tiers that several providers sell a model in. */
export const SILENT_HD: readonly Tier[] = [
  ['720p', false],
  ['1080p', false],
];
export const SOUNDING_HD: readonly Tier[] = [
  ['720p', true],
  ['1080p', true],
];
export const HD: readonly Tier[] = [...SILENT_HD, ...SOUNDING_HD];
export const UP_TO_4K: readonly Tier[] = [...HD, ['4k', false], ['4k', true]];

/** One order in each tier. */
export const each = (tiers: readonly Tier[], order: Omit<Sold, 'resolution' | 'audio'>): Sold[] =>
  tiers.map(([resolution, audio]) => ({ ...order, resolution, audio }));

const MICRO_USD = 0.000_001;

/**
 * Orders everything at once. Expects that each clip is delivered, by one task, in a documented form; gives the tasks'
 * requests, and what all of it cost its tenant, in dollars.
 */
export async function deliverAll<R>(
  bench: Bench,
  provider: string,
  sold: readonly Sold[],
): Promise<{ readonly costUsd: number; readonly tasks: readonly { readonly id: string; readonly request: R }[] }> {
  const shown = ({ model, task, resolution, audio }: Sold) => ({ model, task, resolution, audio });
  const created = await Promise.all(
    sold.map(({ model, resolution, audio, fields }) => {
      const body = { prompt: 'a red kite over dunes', model, resolution, generate_audio: audio, ...fields };
      return bench.post('/v1/videos', { ...body, provider: { only: [provider], max_premium: 100 } });
    }),
  );
  const ends = await bench.ends(created.map(({ id }) => id));
  expect(await bench.complaints()).toEqual([]);
  expect(sold.map((order, at) => [shown(order), ends[at]?.status, ends[at]?.provider, ends[at]?.error])).toEqual(
    sold.map((order) => [shown(order), 'completed', provider, null]),
  );
  const tasks = await bench.read<{ id: string; request: R }[]>('/__sandbox/tasks');
  expect(tasks).toHaveLength(sold.length);
  return { costUsd: ends.reduce((sum, { usage }) => sum + usage.cost, 0), tasks };
}

/** Each value once, in order. */
export const distinct = (values: readonly string[]): string[] => [...new Set(values)].sort();

/** Expects that what the emulator has taken is what the card charges, but for rounding each of so many clips up. */
export function expectSameMoney(costUsd: number, takenUsd: number, clips: number): void {
  expect(Math.abs(costUsd - takenUsd)).toBeLessThan(clips * MICRO_USD);
}

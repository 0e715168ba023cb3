import type { Resolution } from '../../src/ground/models.ts';
import type { Capability, Takes } from '../../src/pricing/capability.ts';

/**
 * Atlas's ids for Kling, each with what it takes: catalog as seen 2026-08-28, vendor's public nodes of 2026-03-20.
 *
 * The tier is part of the id. Not here, because not sold: elements (no confirmed shape), voices, camera, masks, watermark,
 * extension, O1 from references or videos, 2.6 and 2.5-turbo below 1080p, 2.1 from text. 2.0 is no model of ours.
 */

/** Stated for 2.5 and older; where a page states no length of its own, that of its neighbours. */
const PROMPT = { promptCharactersMax: 2_500 } as const;
/** Kling's own limit for the prompt of one shot; Atlas states none. */
const SHOTS = { shotCharactersMax: 512 } as const;
const FIVE_OR_TEN = { seconds: { kind: 'list', values: [5, 10] } } as const;

const TIER = { '720p': 'std', '1080p': 'pro', '4k': '4k' } as const satisfies Record<Resolution, string>;
const HD = ['720p', '1080p'] as const;
const UP_TO_4K = ['720p', '1080p', '4k'] as const;

/** Known from third parties for the 4k ids only; with std and pro nobody has seen it. */
const shots = (resolution: Resolution): Takes =>
  resolution === '4k' ? { multiShot: ['customize', 'intelligence'] } : {};

const v3 = UP_TO_4K.flatMap((resolution): Capability[] => {
  const common = { model: 'kling-v3', resolutions: [resolution], sound: 'optional', ...PROMPT, ...SHOTS } as const;
  const takes: Takes = { negativePrompt: true, cfgScale: true, ...shots(resolution) };
  const id = `kwaivgi/kling-v3.0-${TIER[resolution]}`;
  return [
    { ...common, task: 'text_to_video', takes, upstream: `${id}/text-to-video` },
    { ...common, task: 'image_to_video', takes: { ...takes, lastFrame: true }, upstream: `${id}/image-to-video` },
  ];
});

/** One tier, and no field for sound: the model always makes it. */
const turbo: readonly Capability[] = [
  {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    resolutions: ['720p'],
    sound: 'always',
    ...PROMPT,
    takes: {},
    upstream: 'kwaivgi/kling-v3.0-turbo/text-to-video',
  },
  {
    model: 'kling-v3-turbo',
    task: 'image_to_video',
    resolutions: ['720p'],
    sound: 'always',
    ...PROMPT,
    takes: { lastFrame: true },
    upstream: 'kwaivgi/kling-v3.0-turbo/image-to-video',
  },
];

const o3 = UP_TO_4K.flatMap((resolution): Capability[] => {
  const common = { model: 'kling-o3', resolutions: [resolution], sound: 'optional', ...PROMPT, ...SHOTS } as const;
  const id = `kwaivgi/kling-video-o3-${TIER[resolution]}`;
  return [
    {
      ...common,
      task: 'text_to_video',
      // The 4k id is not known to take a ratio: it makes the one that is everybody's default.
      ...(resolution === '4k' && { aspectRatios: ['16:9'] as const }),
      takes: shots(resolution),
      upstream: `${id}/text-to-video`,
    },
    {
      ...common,
      task: 'image_to_video',
      takes: { lastFrame: true, ...shots(resolution) },
      upstream: `${id}/image-to-video`,
    },
  ];
});

const o3FromMedia = HD.flatMap((resolution): Capability[] => {
  const common = { model: 'kling-o3', resolutions: [resolution], ...PROMPT } as const;
  const id = `kwaivgi/kling-video-o3-${TIER[resolution]}`;
  const reference = { task: 'reference_to_video', upstream: `${id}/reference-to-video` } as const;
  return [
    { ...common, ...reference, sound: 'optional', takes: { references: 7 } },
    // Kling's own rules for a source video: four images beside it, and no sound but the video's own.
    { ...common, ...reference, sound: 'never', takes: { references: 4, video: 'feature', videoRequired: true } },
    {
      ...common,
      task: 'video_edit',
      sound: 'never',
      seconds: { kind: 'follows_video', max: 10 },
      takes: { references: 4, video: 'edit', videoRequired: true },
      upstream: `${id}/video-edit`,
    },
  ];
});

/** O1 has no tiers here; what it makes counts as 720p. From an image no length is known to be taken but the default. */
const o1: readonly Capability[] = [
  {
    model: 'kling-o1',
    task: 'text_to_video',
    resolutions: ['720p'],
    sound: 'never',
    ...PROMPT,
    ...FIVE_OR_TEN,
    takes: {},
    upstream: 'kwaivgi/kling-video-o1/text-to-video',
  },
  {
    model: 'kling-o1',
    task: 'image_to_video',
    resolutions: ['720p'],
    sound: 'never',
    ...PROMPT,
    seconds: { kind: 'list', values: [5] },
    takes: {},
    upstream: 'kwaivgi/kling-video-o1/image-to-video',
  },
];

/** The output keeps or drops the sound of the source video; none is made. */
const motion = (model: string, id: string): Capability[] =>
  HD.map((resolution) => ({
    model,
    task: 'motion_control',
    resolutions: [resolution],
    sound: 'never',
    ...PROMPT,
    orientations: ['image', 'video'],
    takes: { firstFrameRequired: true, video: 'motion', videoRequired: true, promptOptional: true },
    upstream: `kwaivgi/${id}-${TIER[resolution]}/motion-control`,
  }));

/** 5 or 10 seconds from text or an image; `guidance_scale` only where every vendor source has it as 0 to 1. */
function classic(model: string, resolution: Resolution, upstream: string, takes: Takes = {}): Capability {
  return {
    model,
    task: /t2v|text-to-video/.test(upstream) ? 'text_to_video' : 'image_to_video',
    resolutions: [resolution],
    sound: 'never',
    ...PROMPT,
    ...FIVE_OR_TEN,
    takes: { negativePrompt: true, ...takes },
    upstream: `kwaivgi/${upstream}`,
  };
}

const GUIDED: Takes = { cfgScale: true };
const BOTH_FRAMES: Takes = { cfgScale: true, lastFrame: true };

const older: readonly Capability[] = [
  { ...classic('kling-v2-6', '1080p', 'kling-v2.6-pro/text-to-video', GUIDED), sound: 'optional' },
  { ...classic('kling-v2-6', '1080p', 'kling-v2.6-pro/image-to-video', BOTH_FRAMES), sound: 'optional' },
  classic('kling-v2-5-turbo', '1080p', 'kling-v2.5-turbo-pro/text-to-video', GUIDED),
  classic('kling-v2-5-turbo', '1080p', 'kling-v2.5-turbo-pro/image-to-video', BOTH_FRAMES),
  classic('kling-v2-1', '720p', 'kling-v2.1-i2v-standard'),
  classic('kling-v2-1', '1080p', 'kling-v2.1-i2v-pro'),
  // Two frames have an id of their own, which takes nothing less; one frame alone was taken by the id before it.
  classic('kling-v2-1', '1080p', 'kling-v2.1-i2v-pro/start-end-frame', BOTH_FRAMES),
  classic('kling-v2-1-master', '1080p', 'kling-v2.1-t2v-master', GUIDED),
  classic('kling-v2-1-master', '1080p', 'kling-v2.1-i2v-master', GUIDED),
  classic('kling-v1-6', '720p', 'kling-v1.6-t2v-standard'),
  classic('kling-v1-6', '720p', 'kling-v1.6-i2v-standard'),
  classic('kling-v1-6', '1080p', 'kling-v1.6-i2v-pro'),
  ...(['standard', 'pro'] as const).map(
    (tier, index): Capability => ({
      ...classic('kling-v1-6', HD[index] ?? '720p', `kling-v1.6-multi-i2v-${tier}`, { references: 4 }),
      task: 'reference_to_video',
    }),
  ),
];

export const capabilities: readonly Capability[] = [
  ...v3,
  ...motion('kling-v3', 'kling-v3.0'),
  ...turbo,
  ...o3,
  ...o3FromMedia,
  ...o1,
  ...motion('kling-v2-6', 'kling-v2.6'),
  ...older,
];

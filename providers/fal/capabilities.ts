import type { SecondsRule, Task } from '../../src/ground/models.ts';
import type { Capability, Takes } from '../../src/pricing/capability.ts';

/**
 * fal's endpoints for Kling, each with what it takes: the input types of fal-ai/fal-js (libs/client, endpoints.ts,
 * 2026-08-02) and the model pages of fal.ai (2026).
 *
 * Not here, because no request of ours can ask for it: elements, which fal takes as pictures and not by their id, and
 * with them the voices of 3.0; middle frames and sources of 4.0; avatars, effects, lip sync. Not here, because fal does
 * not sell it: O1 and 2.1 from text (2.1 master does), standard 2.6 from text or images, extension, camera control,
 * watermarks.
 */

const KLING = 'fal-ai/kling-video';

type Tier = readonly [resolution: '720p' | '1080p' | '4k', name: string];
const STANDARD: Tier = ['720p', 'standard'];
const PRO: Tier = ['1080p', 'pro'];
const UP_TO_4K: readonly Tier[] = [STANDARD, PRO, ['4k', '4k']];
const HD: readonly Tier[] = [STANDARD, PRO];

interface Order extends Pick<Capability, 'sound' | 'seconds' | 'promptCharactersMax'> {
  readonly takes: Takes;
}

/** One line per tier: the tier is a word in the endpoint id, where `*` stands. */
const each = (tiers: readonly Tier[], model: string, task: Task, path: string, order: Order): Capability[] =>
  tiers.map(([resolution, name]) => ({
    model,
    task,
    resolutions: [resolution],
    upstream: `${KLING}/${path.replace('*', name)}`,
    ...order,
  }));

const FIVE_OR_TEN: SecondsRule = { kind: 'list', values: [5, 10] };

/** Where the character and the movement come from; the sound is the video's, kept or not. */
const MOTION: Takes = { video: 'motion', videoRequired: true, firstFrameRequired: true, promptOptional: true };

/** 4.0 has its own namespace, says its resolution in a field, and always sounds. Its shots are the caller's only. */
const v4: readonly Capability[] = [
  {
    model: 'kling-v4',
    task: 'text_to_video',
    resolutions: ['720p', '1080p'],
    sound: 'always',
    takes: { multiShot: ['customize'] },
    upstream: 'kling/v4/text-to-video',
  },
  {
    model: 'kling-v4',
    task: 'image_to_video',
    resolutions: ['720p', '1080p'],
    sound: 'always',
    takes: { multiShot: ['customize'], lastFrame: true },
    upstream: 'kling/v4/image-to-video',
  },
];

const V3: Takes = { negativePrompt: true, cfgScale: true, multiShot: ['customize', 'intelligence'] };
const v3: readonly Capability[] = [
  ...each(UP_TO_4K, 'kling-v3', 'text_to_video', 'v3/*/text-to-video', { sound: 'optional', takes: V3 }),
  ...each(UP_TO_4K, 'kling-v3', 'image_to_video', 'v3/*/image-to-video', {
    sound: 'optional',
    takes: { ...V3, lastFrame: true },
  }),
  ...each(HD, 'kling-v3', 'motion_control', 'v3/*/motion-control', { sound: 'never', takes: MOTION }),
];

const TURBO: Order = { sound: 'always', promptCharactersMax: 2_500, takes: { multiShot: ['customize'] } };
const turbo: readonly Capability[] = [
  ...each(HD, 'kling-v3-turbo', 'text_to_video', 'v3/turbo/*/text-to-video', TURBO),
  ...each(HD, 'kling-v3-turbo', 'image_to_video', 'v3/turbo/*/image-to-video', TURBO),
];

/** The types know `shot_type` of O3 as text with one documented value. */
const O3: Takes = { multiShot: ['customize'] };
const o3: readonly Capability[] = [
  ...each(UP_TO_4K, 'kling-o3', 'text_to_video', 'o3/*/text-to-video', { sound: 'optional', takes: O3 }),
  ...each(UP_TO_4K, 'kling-o3', 'image_to_video', 'o3/*/image-to-video', {
    sound: 'optional',
    takes: { ...O3, lastFrame: true },
  }),
  // Seven images together; a start image is one of them, as the types of O1 count it.
  ...each(UP_TO_4K, 'kling-o3', 'reference_to_video', 'o3/*/reference-to-video', {
    sound: 'optional',
    takes: { ...O3, references: 7 },
  }),
  ...each(UP_TO_4K, 'kling-o3', 'reference_to_video', 'o3/*/reference-to-video', {
    sound: 'optional',
    takes: { ...O3, references: 6, firstFrame: true, lastFrame: true },
  }),
  ...each(HD, 'kling-o3', 'reference_to_video', 'o3/*/video-to-video/reference', {
    sound: 'never',
    takes: { references: 4, video: 'feature', videoRequired: true },
  }),
  ...each(HD, 'kling-o3', 'video_edit', 'o3/*/video-to-video/edit', {
    sound: 'never',
    takes: { references: 4, video: 'edit', videoRequired: true },
  }),
];

/** The pro tier of O1 has no word in the id. */
const eachO1 = (task: Task, path: string, order: Order): Capability[] => [
  ...each([STANDARD], 'kling-o1', task, `o1/*/${path}`, order),
  ...each([PRO], 'kling-o1', task, `o1/${path}`, order),
];
const o1: readonly Capability[] = [
  ...eachO1('image_to_video', 'image-to-video', { sound: 'never', takes: { lastFrame: true } }),
  ...eachO1('reference_to_video', 'reference-to-video', { sound: 'never', takes: { references: 7 } }),
  ...eachO1('reference_to_video', 'video-to-video/reference', {
    sound: 'never',
    takes: { references: 4, video: 'feature', videoRequired: true },
  }),
  ...eachO1('video_edit', 'video-to-video/edit', {
    sound: 'never',
    takes: { references: 4, video: 'edit', videoRequired: true },
  }),
];

const v26: readonly Capability[] = [
  ...each([PRO], 'kling-v2-6', 'text_to_video', 'v2.6/*/text-to-video', {
    sound: 'optional',
    seconds: FIVE_OR_TEN,
    takes: { negativePrompt: true, cfgScale: true },
  }),
  ...each([PRO], 'kling-v2-6', 'image_to_video', 'v2.6/*/image-to-video', {
    sound: 'optional',
    seconds: FIVE_OR_TEN,
    takes: { negativePrompt: true, lastFrame: true, voices: 2 },
  }),
  ...each(HD, 'kling-v2-6', 'motion_control', 'v2.6/*/motion-control', { sound: 'never', takes: MOTION }),
];

/** 2.5 and older are silent, and take five or ten seconds. */
const SILENT: Takes = { negativePrompt: true, cfgScale: true };
const silent = (takes: Takes = SILENT): Order => ({ sound: 'never', seconds: FIVE_OR_TEN, takes });
const WITH_TAIL: Takes = { ...SILENT, lastFrame: true };
const MASTER: Tier = ['1080p', 'master'];
const older: readonly Capability[] = [
  ...each([PRO], 'kling-v2-5-turbo', 'text_to_video', 'v2.5-turbo/*/text-to-video', silent()),
  ...each([STANDARD], 'kling-v2-5-turbo', 'image_to_video', 'v2.5-turbo/*/image-to-video', silent()),
  ...each([PRO], 'kling-v2-5-turbo', 'image_to_video', 'v2.5-turbo/*/image-to-video', silent(WITH_TAIL)),
  ...each([STANDARD], 'kling-v2-1', 'image_to_video', 'v2.1/*/image-to-video', silent()),
  ...each([PRO], 'kling-v2-1', 'image_to_video', 'v2.1/*/image-to-video', silent(WITH_TAIL)),
  ...each([MASTER], 'kling-v2-1-master', 'text_to_video', 'v2.1/*/text-to-video', silent()),
  ...each([MASTER], 'kling-v2-1-master', 'image_to_video', 'v2.1/*/image-to-video', silent()),
  ...each(HD, 'kling-v1-6', 'text_to_video', 'v1.6/*/text-to-video', silent()),
  ...each([STANDARD], 'kling-v1-6', 'image_to_video', 'v1.6/*/image-to-video', silent()),
  ...each([PRO], 'kling-v1-6', 'image_to_video', 'v1.6/*/image-to-video', silent(WITH_TAIL)),
  ...each(HD, 'kling-v1-6', 'reference_to_video', 'v1.6/*/elements', silent({ negativePrompt: true, references: 4 })),
  ...each([PRO], 'kling-v1-5', 'text_to_video', 'v1.5/*/text-to-video', silent()),
  ...each([PRO], 'kling-v1-5', 'image_to_video', 'v1.5/*/image-to-video', silent({ ...WITH_TAIL, masks: true })),
];

export const capabilities: readonly Capability[] = [...v4, ...v3, ...turbo, ...o3, ...o1, ...v26, ...older];

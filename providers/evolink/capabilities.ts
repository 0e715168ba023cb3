import type { Capability, Takes } from '../../src/pricing/capability.ts';

/**
 * EvoLink's ids for Kling, each with what its page takes: docs.evolink.ai, OpenAPI bundle of about 2026-10.
 *
 * Not here, because not sold: 2.6 and older from text or images, O1 from text, extension, camera, masks, cfg_scale.
 */

/** Where a page states no length of its own, the 2,500 characters of its neighbours. */
const PROMPT = { promptCharactersMax: 2_500 } as const;
/** `multi_prompt[].prompt` holds at most 512 characters. */
const SHOTS = { shotCharactersMax: 512 } as const;
/** Turbo reads its shots out of the one prompt: six of these and their marks stay within 2,500 characters. */
const TURBO_SHOTS = { shotCharactersMax: 400 } as const;

const HD = ['720p', '1080p'] as const;
const UP_TO_4K = ['720p', '1080p', '4k'] as const;

const v3: readonly Capability[] = [
  {
    model: 'kling-v3',
    task: 'text_to_video',
    resolutions: UP_TO_4K,
    sound: 'optional',
    ...PROMPT,
    ...SHOTS,
    takes: { negativePrompt: true, multiShot: ['customize', 'intelligence'], watermark: true },
    upstream: 'kling-v3-text-to-video',
  },
  {
    model: 'kling-v3',
    task: 'image_to_video',
    resolutions: UP_TO_4K,
    sound: 'optional',
    ...PROMPT,
    ...SHOTS,
    takes: {
      negativePrompt: true,
      lastFrame: true,
      multiShot: ['customize', 'intelligence'],
      elements: 3,
      watermark: true,
      promptOptional: true,
    },
    upstream: 'kling-v3-image-to-video',
  },
];

/** Turbo has no field for sound: the model always makes it. */
const turbo: readonly Capability[] = [
  {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    resolutions: HD,
    sound: 'always',
    ...PROMPT,
    ...TURBO_SHOTS,
    takes: { multiShot: ['customize'] },
    upstream: 'kling-v3-turbo-text-to-video',
  },
  {
    model: 'kling-v3-turbo',
    task: 'image_to_video',
    resolutions: HD,
    sound: 'always',
    ...PROMPT,
    ...TURBO_SHOTS,
    takes: { multiShot: ['customize'], promptOptional: true },
    upstream: 'kling-v3-turbo-image-to-video',
  },
];

/** Images and elements share one limit, so each way to divide it is a line of its own. */
function shared(total: number, elementsMax: number): Pick<Takes, 'references' | 'elements'>[] {
  const ways = Math.min(elementsMax, total) + 1;
  return Array.from({ length: ways }, (_, elements) => ({ references: total - elements, elements }));
}

const o3ByImages = (takes: Takes): Capability => ({
  model: 'kling-o3',
  task: 'reference_to_video',
  resolutions: UP_TO_4K,
  sound: 'optional',
  ...PROMPT,
  ...SHOTS,
  takes: { multiShot: ['customize'], watermark: true, ...takes },
  upstream: 'kling-o3-image-to-video',
});

const o3: readonly Capability[] = [
  {
    model: 'kling-o3',
    task: 'text_to_video',
    resolutions: UP_TO_4K,
    sound: 'optional',
    ...PROMPT,
    ...SHOTS,
    takes: { multiShot: ['customize'], elements: 7, watermark: true },
    upstream: 'kling-o3-text-to-video',
  },
  {
    model: 'kling-o3',
    task: 'image_to_video',
    resolutions: UP_TO_4K,
    sound: 'optional',
    ...PROMPT,
    ...SHOTS,
    takes: { lastFrame: true, multiShot: ['customize'], elements: 3, watermark: true },
    upstream: 'kling-o3-image-to-video',
  },
  // Seven images and elements together; with a first frame, which is one of them, at most three elements.
  ...shared(7, 6).map((divided) => o3ByImages(divided)),
  ...shared(6, 3).map((divided) => o3ByImages({ ...divided, firstFrame: true })),
  // With a video four, three to ten seconds, and no sound but the video's own.
  ...shared(4, 4).map(
    (divided): Capability => ({
      model: 'kling-o3',
      task: 'reference_to_video',
      resolutions: HD,
      sound: 'never',
      seconds: { kind: 'range', min: 3, max: 10 },
      ...PROMPT,
      takes: { ...divided, video: 'feature', videoRequired: true, watermark: true },
      upstream: 'kling-o3-reference-to-video',
    }),
  ),
  ...shared(4, 4).map(
    (divided): Capability => ({
      model: 'kling-o3',
      task: 'video_edit',
      resolutions: HD,
      sound: 'never',
      ...PROMPT,
      takes: { ...divided, video: 'edit', videoRequired: true, watermark: true, promptOptional: true },
      upstream: 'kling-o3-video-edit',
    }),
  ),
];

/** O1 has no tiers here; what it makes counts as 720p. */
const o1: readonly Capability[] = [
  {
    model: 'kling-o1',
    task: 'image_to_video',
    resolutions: ['720p'],
    sound: 'never',
    seconds: { kind: 'list', values: [5, 10] },
    promptCharactersMax: 5_000,
    takes: { lastFrame: true },
    upstream: 'kling-o1-image-to-video',
  },
  {
    model: 'kling-o1',
    task: 'video_edit',
    resolutions: ['720p'],
    sound: 'never',
    promptCharactersMax: 5_000,
    takes: { references: 4, video: 'edit', videoRequired: true },
    upstream: 'kling-o1-video-edit',
  },
  {
    model: 'kling-o1-fast',
    task: 'video_edit',
    resolutions: ['720p'],
    sound: 'never',
    promptCharactersMax: 5_000,
    takes: { references: 4, video: 'edit', videoRequired: true },
    upstream: 'kling-o1-video-edit-fast',
  },
];

/** The output keeps or drops the sound of the source video; none is made. */
function motion(model: string, upstream: string, more: Partial<Capability> = {}, takes: Takes = {}): Capability {
  return {
    model,
    task: 'motion_control',
    resolutions: HD,
    sound: 'never',
    ...PROMPT,
    orientations: ['image', 'video'],
    ...more,
    takes: {
      firstFrameRequired: true,
      video: 'motion',
      videoRequired: true,
      watermark: true,
      promptOptional: true,
      ...takes,
    },
    upstream,
  };
}

const withJpegAndPng = (capability: Capability): Capability => ({
  ...capability,
  imageTypes: ['image/jpeg', 'image/png'],
});

/** WebP pictures are documented for O1 alone (docs.evolink.ai, 2026-10). */
const others: readonly Capability[] = [
  ...v3,
  motion('kling-v3', 'kling-v3-motion-control'),
  // An element is taken only where the character faces as in the video.
  motion('kling-v3', 'kling-v3-motion-control', { orientations: ['video'] }, { elements: 1 }),
  ...turbo,
  ...o3,
  motion('kling-v2-6', 'kling-v2.6-motion-control'),
];

export const capabilities: readonly Capability[] = [...others.map(withJpegAndPng), ...o1];

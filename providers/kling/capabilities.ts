import type { Capability, Takes } from '../../src/pricing/capability.ts';
import { legacyCapabilities } from './legacy-capabilities.ts';
import { together } from './together.ts';

/** Words of one shot, and prompts of the endpoints that take fewer than the model. */
const SHOT = { shotCharactersMax: 512 } as const;
const PROMPT_2500 = { promptCharactersMax: 2_500 } as const;
const EITHER_SHOTS = ['customize', 'intelligence'] as const;

type Order = Omit<Capability, 'takes' | 'credential'>;

/** One capability for each of the ways in which the same order may come. */
const each = (order: Order, ways: readonly Takes[]): Capability[] =>
  ways.map((takes) => ({ ...order, takes: { ...takes, watermark: true }, credential: 'KLING_API_KEY' }));

const V3_TEXT: Order = {
  model: 'kling-v3',
  task: 'text_to_video',
  resolutions: ['720p', '1080p', '4k'],
  sound: 'optional',
  upstream: '/text-to-video/kling-3.0',
  ...SHOT,
};
const V3_MOTION: Order = {
  model: 'kling-v3',
  task: 'motion_control',
  resolutions: ['720p', '1080p'],
  sound: 'never',
  upstream: '/motion-control/kling-3.0',
  ...PROMPT_2500,
};
const TURBO_TEXT: Order = {
  model: 'kling-v3-turbo',
  task: 'text_to_video',
  resolutions: ['720p', '1080p'],
  sound: 'always',
  upstream: '/text-to-video/kling-3.0-turbo',
  ...SHOT,
};
const MOTION: Takes = { video: 'motion', videoRequired: true, firstFrameRequired: true, promptOptional: true };

const version3: readonly Capability[] = [
  ...each(V3_TEXT, [{ multiShot: EITHER_SHOTS }]),
  ...each({ ...V3_TEXT, task: 'image_to_video', upstream: '/image-to-video/kling-3.0' }, [
    { lastFrame: true, elements: 3, multiShot: EITHER_SHOTS, promptOptional: true },
  ]),
  ...each(V3_MOTION, [MOTION]),
  // With an element the character faces as in the video.
  ...each({ ...V3_MOTION, orientations: ['video'] }, [{ ...MOTION, elements: 1 }]),
  // Turbo has no `multi_shot`: shots are written into its prompt, so that it cannot be left to cut by itself.
  ...each(TURBO_TEXT, [{ multiShot: ['customize'] }]),
  ...each({ ...TURBO_TEXT, task: 'image_to_video', upstream: '/image-to-video/kling-3.0-turbo', ...PROMPT_2500 }, [
    { multiShot: ['customize'], promptOptional: true },
  ]),
];

const O3: Order = {
  model: 'kling-o3',
  task: 'text_to_video',
  resolutions: ['720p', '1080p', '4k'],
  sound: 'optional',
  upstream: '/omni-video/kling-3.0-omni',
  ...SHOT,
};
const O1: Order = {
  model: 'kling-o1',
  task: 'text_to_video',
  resolutions: ['720p', '1080p'],
  sound: 'never',
  upstream: '/omni-video/kling-o1',
  ...PROMPT_2500,
};
const FEATURE: Takes = { video: 'feature', videoRequired: true };
const EDIT: Takes = { video: 'edit', videoRequired: true };

/**
 * Images and elements together: 7, with a video 4; elements beside a first frame: 3. Elements are taken to be made from
 * images: what an element was made from is not in its id, and those made from videos are limited further.
 */
const omni: readonly Capability[] = [
  ...each(O3, [{ elements: 7, multiShot: EITHER_SHOTS }]),
  ...each({ ...O3, task: 'image_to_video' }, [{ lastFrame: true, elements: 3, multiShot: EITHER_SHOTS }]),
  ...each({ ...O3, task: 'reference_to_video' }, [
    ...together(7, { multiShot: EITHER_SHOTS }),
    ...together(6, { multiShot: EITHER_SHOTS, firstFrame: true }, 3),
  ]),
  ...each({ ...O3, task: 'reference_to_video', sound: 'never' }, together(4, { ...FEATURE, multiShot: EITHER_SHOTS })),
  ...each({ ...O3, task: 'video_edit', sound: 'never' }, together(4, EDIT)),
  ...each(O1, [{ elements: 7 }]),
  // First and last frame together leave no room for anything else.
  ...each({ ...O1, task: 'image_to_video' }, [{ elements: 3 }, { lastFrame: true }]),
  ...each({ ...O1, task: 'reference_to_video' }, [
    ...together(7, {}),
    ...together(6, { firstFrame: true }, 3),
    ...together(4, FEATURE),
    ...together(3, { ...FEATURE, firstFrame: true }),
  ]),
  ...each({ ...O1, task: 'video_edit' }, together(4, EDIT)),
];

const V26_TEXT: Order = {
  model: 'kling-v2-6',
  task: 'text_to_video',
  resolutions: ['720p', '1080p'],
  sound: 'never',
  upstream: '/text-to-video/kling-2.6',
};
const V26_IMAGE: Order = { ...V26_TEXT, task: 'image_to_video', upstream: '/image-to-video/kling-2.6' };
const V25_TEXT: Order = {
  model: 'kling-v2-5-turbo',
  task: 'text_to_video',
  resolutions: ['720p', '1080p'],
  sound: 'never',
  upstream: '/text-to-video/kling-2.5-turbo',
};
const V25_IMAGE: Order = { ...V25_TEXT, task: 'image_to_video', upstream: '/image-to-video/kling-2.5-turbo' };
const FULL_HD = { resolutions: ['1080p'] } as const;

/** Sound and last frames are sold at 1080p only, and not together; voices need sound. */
const version2: readonly Capability[] = [
  ...each(V26_TEXT, [{}]),
  ...each({ ...V26_TEXT, ...FULL_HD, sound: 'optional' }, [{}]),
  ...each(V26_IMAGE, [{ promptOptional: true }]),
  ...each({ ...V26_IMAGE, ...FULL_HD, sound: 'optional' }, [{ promptOptional: true }]),
  ...each({ ...V26_IMAGE, ...FULL_HD, sound: 'always' }, [{ voices: 2 }]),
  ...each({ ...V26_IMAGE, ...FULL_HD }, [{ lastFrame: true, promptOptional: true }]),
  ...each({ ...V26_TEXT, task: 'motion_control', upstream: '/motion-control/kling-2.6' }, [MOTION]),
  ...each(V25_TEXT, [{}]),
  ...each(V25_IMAGE, [{ promptOptional: true }]),
  ...each({ ...V25_IMAGE, ...FULL_HD }, [{ lastFrame: true, promptOptional: true }]),
];

/**
 * What official Kling sells (kling.ai/document-api, video endpoints and capability map, mirrored 2026-09-20). An account
 * with an API key finds the new generation first; the legacy one makes what is left, and all that a key pair may order.
 */
/** Pictures are JPEG or PNG on both generations (kling.ai/document-api, image-to-video, mirrored 2026-09-20). */
const JPEG_PNG = ['image/jpeg', 'image/png'];

export const capabilities: readonly Capability[] = [...version3, ...omni, ...version2, ...legacyCapabilities].map(
  (capability) => ({ ...capability, imageTypes: JPEG_PNG }),
);

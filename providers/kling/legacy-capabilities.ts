import type { Capability, Takes } from '../../src/pricing/capability.ts';
import { together } from './together.ts';

const TEXT = '/v1/videos/text2video';
const IMAGE = '/v1/videos/image2video';
const OMNI = '/v1/videos/omni-video';
const MOTION_CONTROL = '/v1/videos/motion-control';

type Order = Omit<Capability, 'takes'>;

/** One capability for each of the ways in which the same order may come. */
const each = (order: Order, ways: readonly Takes[]): Capability[] =>
  ways.map((takes) => ({ promptCharactersMax: 2_500, ...order, takes: { ...takes, watermark: true } }));

/** The order from a first frame, on the endpoint for images. */
const fromImage = (order: Order): Order => ({
  ...order,
  task: 'image_to_video',
  upstream: order.upstream.replace(TEXT, IMAGE),
});

const HD = { resolutions: ['720p', '1080p'] } as const;
const FULL_HD = { resolutions: ['1080p'] } as const;
const EITHER_SHOTS = ['customize', 'intelligence'] as const;
const WORDS: Takes = { negativePrompt: true };
const IMAGE_WORDS: Takes = { negativePrompt: true, promptOptional: true };
const SPOKEN: Takes = { negativePrompt: true, voices: 2 };
const MOTION: Takes = { video: 'motion', videoRequired: true, firstFrameRequired: true, promptOptional: true };

const V3: Order = {
  model: 'kling-v3',
  task: 'text_to_video',
  resolutions: ['720p', '1080p', '4k'],
  sound: 'optional',
  shotCharactersMax: 512,
  upstream: `${TEXT} kling-v3`,
};
const V26: Order = {
  model: 'kling-v2-6',
  task: 'text_to_video',
  ...HD,
  sound: 'never',
  upstream: `${TEXT} kling-v2-6`,
};
const V25: Order = {
  model: 'kling-v2-5-turbo',
  task: 'text_to_video',
  ...HD,
  sound: 'never',
  upstream: `${TEXT} kling-v2-5-turbo`,
};

/** Models that both generations make: here for negative prompts and voices, and for accounts without an API key. */
const shared: readonly Capability[] = [
  ...each(V3, [{ ...WORDS, multiShot: EITHER_SHOTS }]),
  // No price of a 4k clip with voices has been published.
  ...each({ ...V3, ...HD, sound: 'always' }, [SPOKEN]),
  ...each(fromImage(V3), [{ ...IMAGE_WORDS, lastFrame: true, elements: 3, multiShot: EITHER_SHOTS }]),
  ...each(fromImage({ ...V3, ...HD, sound: 'always' }), [{ ...SPOKEN, lastFrame: true }]),
  ...each({ ...V3, ...HD, task: 'motion_control', sound: 'never', upstream: `${MOTION_CONTROL} kling-v3` }, [MOTION]),
  ...each(
    {
      ...V3,
      ...HD,
      task: 'motion_control',
      sound: 'never',
      orientations: ['video'],
      upstream: `${MOTION_CONTROL} kling-v3`,
    },
    [{ ...MOTION, elements: 1 }],
  ),
  ...each(V26, [WORDS]),
  ...each({ ...V26, ...FULL_HD, sound: 'optional' }, [WORDS]),
  ...each({ ...V26, ...FULL_HD, sound: 'always' }, [SPOKEN]),
  ...each(fromImage(V26), [IMAGE_WORDS]),
  ...each(fromImage({ ...V26, ...FULL_HD, sound: 'optional' }), [IMAGE_WORDS]),
  ...each(fromImage({ ...V26, ...FULL_HD, sound: 'always' }), [SPOKEN]),
  ...each(fromImage({ ...V26, ...FULL_HD }), [{ ...IMAGE_WORDS, lastFrame: true }]),
  ...each({ ...V26, task: 'motion_control', upstream: `${MOTION_CONTROL} kling-v2-6` }, [MOTION]),
  ...each(V25, [WORDS]),
  ...each(fromImage(V25), [IMAGE_WORDS]),
  ...each(fromImage({ ...V25, ...FULL_HD }), [{ ...IMAGE_WORDS, lastFrame: true }]),
];

const O3: Order = {
  model: 'kling-o3',
  task: 'text_to_video',
  resolutions: ['720p', '1080p', '4k'],
  sound: 'optional',
  shotCharactersMax: 512,
  upstream: `${OMNI} kling-v3-omni`,
};
const O1: Order = {
  model: 'kling-o1',
  task: 'text_to_video',
  ...HD,
  sound: 'never',
  upstream: `${OMNI} kling-video-o1`,
};
const EDIT: Takes = { video: 'edit', videoRequired: true };

/**
 * For accounts without an API key. A video that is only referred to needs a ratio here, which a request with a video
 * does not say, so it is not offered.
 */
const omni: readonly Capability[] = [
  ...each(O3, [{ elements: 7, multiShot: EITHER_SHOTS }]),
  ...each({ ...O3, task: 'image_to_video' }, [{ lastFrame: true, elements: 3, multiShot: EITHER_SHOTS }]),
  ...each({ ...O3, task: 'reference_to_video' }, together(7, { multiShot: EITHER_SHOTS })),
  ...each({ ...O3, task: 'video_edit', sound: 'never' }, together(4, EDIT)),
  ...each(O1, [{ elements: 7 }]),
  ...each({ ...O1, task: 'image_to_video' }, [{ elements: 3 }, { lastFrame: true }]),
  ...each({ ...O1, task: 'reference_to_video' }, together(7, {})),
  ...each({ ...O1, task: 'video_edit' }, together(4, EDIT)),
];

const OLD: Takes = { ...IMAGE_WORDS, cfgScale: true };
const V21: Order = {
  model: 'kling-v2-1',
  task: 'image_to_video',
  ...HD,
  sound: 'never',
  upstream: `${IMAGE} kling-v2-1`,
};
const MASTER: Order = {
  model: 'kling-v2-1-master',
  task: 'text_to_video',
  ...FULL_HD,
  sound: 'never',
  upstream: `${TEXT} kling-v2-1-master`,
};
const V16: Order = {
  model: 'kling-v1-6',
  task: 'text_to_video',
  ...HD,
  sound: 'never',
  upstream: `${TEXT} kling-v1-6`,
};
const V15: Order = {
  model: 'kling-v1-5',
  task: 'image_to_video',
  ...HD,
  sound: 'never',
  upstream: `${IMAGE} kling-v1-5`,
};
const FIVE_SECONDS = { seconds: { kind: 'list', values: [5] } } as const;

/** An extension keeps the model and the mode of its source and adds one block of about five seconds. */
const extensionOf = (model: string, takes: Takes): Capability[] =>
  each({ model, task: 'extension', ...HD, sound: 'never', upstream: '/v1/videos/video-extend' }, [takes]);

/**
 * What only this generation makes. Last frames want 1080p; last frame, masks and camera exclude each other; masks and
 * camera are sold with V1.5 at 1080p and 5 s only (capability table of betasecond/KlingDemo, APIDoc.md).
 */
const old: readonly Capability[] = [
  ...each(V21, [IMAGE_WORDS]),
  ...each({ ...V21, ...FULL_HD }, [{ ...IMAGE_WORDS, lastFrame: true }]),
  // On the price page, though not on the endpoint's own.
  ...extensionOf('kling-v2-1', IMAGE_WORDS),
  ...each(MASTER, [WORDS]),
  ...each(fromImage(MASTER), [IMAGE_WORDS]),
  ...each(V16, [{ ...WORDS, cfgScale: true }]),
  ...each(fromImage(V16), [OLD]),
  ...each(fromImage({ ...V16, ...FULL_HD }), [{ ...OLD, lastFrame: true }]),
  ...each({ ...V16, task: 'reference_to_video', upstream: '/v1/videos/multi-image2video kling-v1-6' }, [
    { ...WORDS, references: 4 },
  ]),
  ...extensionOf('kling-v1-6', OLD),
  ...each(V15, [OLD]),
  ...each({ ...V15, ...FULL_HD }, [{ ...OLD, lastFrame: true }]),
  ...each({ ...V15, ...FULL_HD, ...FIVE_SECONDS }, [
    { ...OLD, masks: true },
    { ...OLD, camera: 'simple' },
  ]),
  ...extensionOf('kling-v1-5', OLD),
];

/** The legacy generation, in the order in which it is preferred. */
export const legacyCapabilities: readonly Capability[] = [...shared, ...omni, ...old];

import type { AspectRatio, Resolution, SecondsRule, Task } from '../../src/ground/models.ts';
import type { Capability, Takes } from '../../src/pricing/capability.ts';

/**
 * What PiAPI's task API can be asked for: piapi.ai/docs/kling-api (create-task, kling-3-api 2026-02-13,
 * kling-3-omni-api 2026-02-07, kling-o1-api, kling-motion-control-api 2026-01-06) and the product pages of 2026.
 * `upstream` is the three values that choose a model: `model`, `task_type` and `input.version`.
 *
 * Not here, because its fields are not documented: 4.0 from images and 4.0 Omni, motion brush masks. Not here, because
 * PiAPI does not sell it: 4k, watermarks, voices, element ids, and 2.1 from text (a page shows it, the API refused it
 * in 2026-07). Not here, because it is broken: the model `kling-turbo` answered 500 to every create on 2026-07-25, and
 * a 500 may have made a task; version 2.5 of `kling` is the same model, and is asked for instead.
 */

const HD: readonly Resolution[] = ['720p', '1080p'];
const RATIOS: readonly AspectRatio[] = ['16:9', '9:16', '1:1'];
const FIVE_OR_TEN: SecondsRule = { kind: 'list', values: [5, 10] };
/** Kling makes no longer clip from a reference video (Kling API, omni-video, 2026); PiAPI names no limit of its own. */
const UP_TO_TEN: SecondsRule = { kind: 'range', min: 3, max: 10 };

const PROMPT_MAX = 2_500;
/** Room for the sentence that names frames or the edited video: this wire has no field for either. */
const PROMPT_WITH_SENTENCE_MAX = PROMPT_MAX - 70;
/** Kling's own limit for the text of a shot (Kling API, omni-video, 2026); PiAPI names none. */
const SHOT_MAX = 512;

interface Order extends Pick<Capability, 'sound'> {
  readonly upstream: string;
  readonly resolutions?: readonly Resolution[];
  readonly seconds?: SecondsRule;
  readonly promptCharactersMax?: number;
  readonly takes?: Takes;
}

const one = (model: string, task: Task, order: Order): Capability => ({
  model,
  task,
  resolutions: HD,
  promptCharactersMax: PROMPT_MAX,
  shotCharactersMax: SHOT_MAX,
  takes: {},
  ...order,
});

/** Sounds by itself: there is no `enable_audio` for it. */
const v4: readonly Capability[] = [
  {
    ...one('kling-v4', 'text_to_video', { upstream: 'kling text_to_video 4.0', sound: 'always' }),
    aspectRatios: RATIOS,
  },
];

const V3: Takes = { negativePrompt: true, multiShot: ['customize', 'intelligence'] };
const V3_UPSTREAM = 'kling video_generation 3.0';
/** The version string was seen in one client only; PiAPI refuses unknown ones before it makes a task. */
const TURBO = { upstream: 'kling video_generation 3.0-turbo', sound: 'always' } as const;
const v3: readonly Capability[] = [
  one('kling-v3', 'text_to_video', { upstream: V3_UPSTREAM, sound: 'optional', takes: V3 }),
  one('kling-v3', 'image_to_video', {
    upstream: V3_UPSTREAM,
    sound: 'optional',
    takes: { ...V3, lastFrame: true, promptOptional: true },
  }),
  one('kling-v3-turbo', 'text_to_video', TURBO),
  one('kling-v3-turbo', 'image_to_video', { ...TURBO, takes: { promptOptional: true } }),
];

/** Where the character and the movement come from; the sound is the video's, kept or not. */
const MOTION: Takes = { video: 'motion', videoRequired: true, firstFrameRequired: true, promptOptional: true };
const motion: readonly Capability[] = [
  one('kling-v3', 'motion_control', { upstream: 'kling motion_control 3.0', sound: 'never', takes: MOTION }),
  one('kling-v2-6', 'motion_control', { upstream: 'kling motion_control 2.6', sound: 'never', takes: MOTION }),
];

/** Clients name 4 and 7 images as the limit; 4 is right by either. */
const IMAGES_MAX = 4;

/** Images and a video are named in the prompt, and a new soundtrack is not made over a source video's. */
const omni = (model: string, upstream: string, order: Pick<Order, 'sound' | 'seconds' | 'takes'>): Capability[] => [
  one(model, 'text_to_video', { upstream, ...order }),
  one(model, 'image_to_video', {
    upstream,
    ...order,
    promptCharactersMax: PROMPT_WITH_SENTENCE_MAX,
    takes: { lastFrame: true },
  }),
  one(model, 'reference_to_video', { upstream, ...order, takes: { ...order.takes, references: IMAGES_MAX } }),
  one(model, 'reference_to_video', {
    upstream,
    seconds: UP_TO_TEN,
    ...order,
    sound: 'never',
    takes: { references: IMAGES_MAX, video: 'feature', videoRequired: true },
  }),
  one(model, 'video_edit', {
    upstream,
    sound: 'never',
    promptCharactersMax: PROMPT_WITH_SENTENCE_MAX,
    takes: { references: IMAGES_MAX, video: 'edit', videoRequired: true },
  }),
];

const omnis: readonly Capability[] = [
  ...omni('kling-o3', 'kling omni_video_generation 3.0', { sound: 'optional', takes: { multiShot: ['customize'] } }),
  ...omni('kling-o1', 'kling omni_video_generation o1', { sound: 'never', seconds: FIVE_OR_TEN }),
];

/** 2.6 and older share their form: five or ten seconds, `cfg_scale`, a last frame but for 1.5. */
const OLDER: Takes = { negativePrompt: true, cfgScale: true };
const FROM_IMAGE: Takes = { ...OLDER, promptOptional: true };
const WITH_TAIL: Takes = { ...FROM_IMAGE, lastFrame: true };
const WITH_CAMERA: Takes = { ...OLDER, camera: true };

const older = (version: string, takes: Takes, order: Partial<Order> = {}): Order => ({
  upstream: `kling video_generation ${version}`,
  sound: 'never',
  seconds: FIVE_OR_TEN,
  takes,
  ...order,
});

const PRO_ONLY: Partial<Order> = { resolutions: ['1080p'] };
/** Kling makes sound with 2.6 in pro alone, and PiAPI prices it there alone. */
const PRO_WITH_SOUND: Partial<Order> = { resolutions: ['1080p'], sound: 'optional' };
const STANDARD: Partial<Order> = { resolutions: ['720p'] };
const EXTENSION: Order = { upstream: 'kling extend_video', sound: 'never', takes: { promptOptional: true } };

const olders: readonly Capability[] = [
  one('kling-v2-6', 'text_to_video', older('2.6', OLDER, STANDARD)),
  one('kling-v2-6', 'text_to_video', older('2.6', OLDER, PRO_WITH_SOUND)),
  one('kling-v2-6', 'image_to_video', older('2.6', WITH_TAIL, STANDARD)),
  one('kling-v2-6', 'image_to_video', older('2.6', WITH_TAIL, PRO_WITH_SOUND)),
  one('kling-v2-5-turbo', 'text_to_video', older('2.5', OLDER)),
  one('kling-v2-5-turbo', 'image_to_video', older('2.5', WITH_TAIL)),
  one('kling-v2-1', 'image_to_video', older('2.1', WITH_TAIL)),
  one('kling-v2-1-master', 'text_to_video', older('2.1-master', OLDER, PRO_ONLY)),
  one('kling-v2-1-master', 'image_to_video', older('2.1-master', WITH_TAIL, PRO_ONLY)),
  one('kling-v1-6', 'text_to_video', older('1.6', WITH_CAMERA)),
  one('kling-v1-6', 'image_to_video', older('1.6', WITH_TAIL)),
  one('kling-v1-6', 'reference_to_video', older('1.6', { ...OLDER, references: 4 })),
  one('kling-v1-6', 'extension', EXTENSION),
  one('kling-v1-5', 'text_to_video', older('1.5', WITH_CAMERA)),
  one('kling-v1-5', 'image_to_video', older('1.5', FROM_IMAGE)),
  one('kling-v1-5', 'extension', EXTENSION),
];

export const capabilities: readonly Capability[] = [...v4, ...v3, ...motion, ...omnis, ...olders];

/**
 * The models reelay knows, as data: what each can be asked for, before any provider is looked at. A provider may sell
 * less (its catalog says so); none can be asked for more.
 */

export const TASKS = [
  'text_to_video',
  'image_to_video',
  'reference_to_video',
  'video_edit',
  'motion_control',
  'extension',
] as const;
export type Task = (typeof TASKS)[number];

export const RESOLUTIONS = ['720p', '1080p', '4k'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** The aspect ratios of a frame that is not given by an image or a video. */
export const ASPECT_RATIOS = ['16:9', '9:16', '1:1', '21:9'] as const;
export type AspectRatio = (typeof ASPECT_RATIOS)[number];

/** Which lengths, in whole seconds, can be ordered. */
export type SecondsRule =
  | { readonly kind: 'range'; readonly min: number; readonly max: number }
  | { readonly kind: 'list'; readonly values: readonly number[] }
  /** The output is as long as the source video, so nothing is ordered; `max` bounds the hold. */
  | { readonly kind: 'follows_video'; readonly max: number };

export interface TaskRule {
  readonly seconds: SecondsRule;
  /** Where a first frame without anything else allows fewer lengths. */
  readonly secondsFromFirstFrame?: SecondsRule;
  readonly resolutions: readonly Resolution[];
}

export interface Model {
  readonly id: string;
  readonly aliases: readonly string[];
  /** `always`: every clip has sound and is priced so. `never`: no clip has. */
  readonly sound: 'optional' | 'always' | 'never';
  readonly aspectRatios: readonly AspectRatio[];
  readonly promptCharactersMax: number;
  readonly tasks: Partial<Readonly<Record<Task, TaskRule>>>;
  /** The day the model was announced, for `created` in the list of models. */
  readonly announced: string;
  /** Priced on reference cards and compared, but no provider of ours sells it. */
  readonly referenceOnly?: true;
}

const range = (min: number, max: number): SecondsRule => ({ kind: 'range', min, max });
const FIVE_OR_TEN: SecondsRule = { kind: 'list', values: [5, 10] };

const HD: readonly Resolution[] = ['720p', '1080p'];
const UP_TO_4K: readonly Resolution[] = ['720p', '1080p', '4k'];
const FULL_HD_ONLY: readonly Resolution[] = ['1080p'];
const USUAL_RATIOS: readonly AspectRatio[] = ['16:9', '9:16', '1:1'];

/** Output of motion control follows the source video: at most 30 s, 10 s when the character faces as in the image. */
export const MOTION_SECONDS_MAX = { video: 30, image: 10 } as const;

const MOTION: TaskRule = {
  seconds: { kind: 'follows_video', max: MOTION_SECONDS_MAX.video },
  resolutions: HD,
};
const FIVE_OR_TEN_HD: TaskRule = { seconds: FIVE_OR_TEN, resolutions: HD };
/** An extension adds 4 to 5 seconds and is sold as one 5-second block. */
const EXTENSION: TaskRule = {
  seconds: { kind: 'list', values: [5] },
  resolutions: HD,
};

export const MODELS: readonly Model[] = [
  {
    id: 'kling-v4',
    aliases: [],
    sound: 'always',
    aspectRatios: ['16:9', '9:16', '1:1', '21:9'],
    promptCharactersMax: 2_500,
    tasks: {
      text_to_video: { seconds: range(3, 30), resolutions: HD },
      image_to_video: { seconds: range(3, 30), resolutions: HD },
    },
    announced: '2026-09-28',
  },
  {
    id: 'kling-v3',
    aliases: [],
    sound: 'optional',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 3_072,
    tasks: {
      text_to_video: { seconds: range(3, 15), resolutions: UP_TO_4K },
      image_to_video: { seconds: range(3, 15), resolutions: UP_TO_4K },
      motion_control: MOTION,
    },
    announced: '2026-02-06',
  },
  {
    id: 'kling-v3-turbo',
    aliases: [],
    sound: 'always',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 3_072,
    tasks: {
      text_to_video: { seconds: range(3, 15), resolutions: HD },
      image_to_video: { seconds: range(3, 15), resolutions: HD },
    },
    announced: '2026-06-17',
  },
  {
    id: 'kling-o3',
    aliases: ['kling-v3-omni'],
    sound: 'optional',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 3_072,
    tasks: {
      text_to_video: { seconds: range(3, 15), resolutions: UP_TO_4K },
      image_to_video: { seconds: range(3, 15), resolutions: UP_TO_4K },
      reference_to_video: { seconds: range(3, 15), resolutions: UP_TO_4K },
      video_edit: {
        seconds: { kind: 'follows_video', max: 15 },
        resolutions: UP_TO_4K,
      },
    },
    announced: '2026-02-06',
  },
  {
    id: 'kling-o1',
    aliases: ['kling-video-o1'],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 5_000,
    tasks: {
      text_to_video: { seconds: FIVE_OR_TEN, resolutions: HD },
      image_to_video: { seconds: range(3, 10), secondsFromFirstFrame: FIVE_OR_TEN, resolutions: HD },
      reference_to_video: { seconds: range(3, 10), resolutions: HD },
      video_edit: {
        seconds: { kind: 'follows_video', max: 10 },
        resolutions: HD,
      },
    },
    announced: '2025-12-01',
  },
  {
    // The faster edit of O1 that resellers name as a model of its own; it takes longer videos.
    id: 'kling-o1-fast',
    aliases: [],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 5_000,
    tasks: { video_edit: { seconds: { kind: 'follows_video', max: 20 }, resolutions: ['720p'] } },
    announced: '2025-12-01',
  },
  {
    id: 'kling-v2-6',
    aliases: [],
    sound: 'optional',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: { text_to_video: FIVE_OR_TEN_HD, image_to_video: FIVE_OR_TEN_HD, motion_control: MOTION },
    announced: '2025-12-03',
  },
  {
    id: 'kling-v2-5-turbo',
    aliases: [],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: { text_to_video: FIVE_OR_TEN_HD, image_to_video: FIVE_OR_TEN_HD },
    announced: '2025-09-23',
  },
  {
    id: 'kling-v2-1',
    aliases: [],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: { text_to_video: FIVE_OR_TEN_HD, image_to_video: FIVE_OR_TEN_HD, extension: EXTENSION },
    announced: '2025-05-29',
  },
  {
    id: 'kling-v2-1-master',
    aliases: [],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: {
      text_to_video: { seconds: FIVE_OR_TEN, resolutions: FULL_HD_ONLY },
      image_to_video: { seconds: FIVE_OR_TEN, resolutions: FULL_HD_ONLY },
    },
    announced: '2025-05-29',
  },
  {
    id: 'kling-v1-6',
    aliases: [],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: {
      text_to_video: FIVE_OR_TEN_HD,
      image_to_video: FIVE_OR_TEN_HD,
      reference_to_video: FIVE_OR_TEN_HD,
      extension: EXTENSION,
    },
    announced: '2024-12-19',
  },
  {
    id: 'kling-v1-5',
    aliases: [],
    sound: 'never',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: { text_to_video: FIVE_OR_TEN_HD, image_to_video: FIVE_OR_TEN_HD, extension: EXTENSION },
    announced: '2024-09-19',
  },
  {
    id: 'seedance-2.0',
    aliases: [],
    sound: 'always',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: {
      text_to_video: {
        seconds: { kind: 'list', values: [10] },
        resolutions: FULL_HD_ONLY,
      },
      image_to_video: {
        seconds: { kind: 'list', values: [10] },
        resolutions: FULL_HD_ONLY,
      },
    },
    announced: '2026-02-12',
    referenceOnly: true,
  },
  {
    id: 'seedance-2.0-fast',
    aliases: [],
    sound: 'always',
    aspectRatios: USUAL_RATIOS,
    promptCharactersMax: 2_500,
    tasks: {
      text_to_video: {
        seconds: { kind: 'list', values: [10] },
        resolutions: ['720p'],
      },
      image_to_video: {
        seconds: { kind: 'list', values: [10] },
        resolutions: ['720p'],
      },
    },
    announced: '2026-02-12',
    referenceOnly: true,
  },
];

const BY_NAME = new Map(MODELS.flatMap((model) => [model.id, ...model.aliases].map((name) => [name, model] as const)));

/** The model of that id or alias; undefined when there is none. */
export function findModel(name: string): Model | undefined {
  return BY_NAME.get(name);
}

/** Whether the rule lets these seconds be ordered. Lengths are whole: nothing is rounded between quote and submission. */
export function allowsSeconds(rule: SecondsRule, seconds: number): boolean {
  if (!Number.isInteger(seconds)) return false;
  switch (rule.kind) {
    case 'range':
      return seconds >= rule.min && seconds <= rule.max;
    case 'list':
      return rule.values.includes(seconds);
    case 'follows_video':
      return false;
  }
}

/** The shortest length the rule sells; for a task that follows its source video there is none. */
export function shortestSeconds(rule: SecondsRule): number | null {
  switch (rule.kind) {
    case 'range':
      return rule.min;
    case 'list':
      return Math.min(...rule.values);
    case 'follows_video':
      return null;
  }
}

/** The rule in words, to be read in an error: `3 to 15`, `5 or 10`. */
export function describeSeconds(rule: SecondsRule): string {
  switch (rule.kind) {
    case 'range':
      return `${rule.min} to ${rule.max}`;
    case 'list':
      return rule.values.join(' or ');
    case 'follows_video':
      return `as long as the source video, at most ${rule.max}`;
  }
}

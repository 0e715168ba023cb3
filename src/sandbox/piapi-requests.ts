/**
 * What PiAPI's create takes, by model, task type and version: piapi.ai/docs/kling-api (create-task, kling-3-api
 * 2026-02-13, kling-3-omni-api 2026-02-07, kling-o1-api, kling-turbo-api 2025-12-24, kling-motion-control-api 2026-01-06,
 * kling-elements) and the quickstart of 4.0 (piapi.ai/blogs, 2026-10).
 */
import { z } from 'zod';

const TEXT_MAX = 2_500;
const text = z.string().max(TEXT_MAX);
const address = z.string().regex(/^https?:\/\/\S+$/, 'expected an http(s) address');
/** Documented examples leave a field empty where they do not use it. */
const optionalAddress = z.union([address, z.literal('')]).nullish();
const ratio = z.enum(['16:9', '9:16', '1:1']).optional();
const mode = z.enum(['std', 'pro']);
const fiveOrTen = z.union([z.literal(5), z.literal(10)]);
const threeTo = (max: number) => z.number().int().min(3).max(max);
const sound = z.boolean().default(false);

const shots = z
  .array(z.strictObject({ prompt: text.min(1), duration: z.number().int().min(1).max(14) }))
  .min(1)
  .max(6)
  .optional();

/** The six moves of Kling's own camera control, of which `simple` takes exactly one. */
const move = z.number().min(-10).max(10).optional();
const camera = z
  .strictObject({
    type: z.enum(['simple', 'down_back', 'forward_up', 'right_turn_forward', 'left_turn_forward']),
    config: z
      .strictObject({ horizontal: move, vertical: move, pan: move, tilt: move, roll: move, zoom: move })
      .optional(),
  })
  .refine(
    ({ type, config }) => (type === 'simple') === (Object.values(config ?? {}).filter((value) => value).length === 1),
    'simple takes exactly one move, the others none',
  )
  .optional();

const older = {
  prompt: text.optional(),
  negative_prompt: text.optional(),
  duration: fiveOrTen.default(5),
  aspect_ratio: ratio,
  cfg_scale: z.number().min(0).max(1).default(0.5),
  image_url: optionalAddress,
};
const tail = { image_tail_url: optionalAddress };

interface Described {
  readonly prompt?: string | undefined;
  readonly image_url?: string | null | undefined;
  readonly image_tail_url?: string | null | undefined;
  readonly multi_shots?: readonly { readonly prompt: string; readonly duration: number }[] | undefined;
  readonly camera_control?: unknown;
  readonly elements?: readonly unknown[] | undefined;
}

/** What every order from text or frames must bring. */
function fault(input: Described): string | null {
  if (input.image_tail_url && !input.image_url) return 'image_tail_url needs image_url';
  if (input.camera_control && input.image_url) return 'camera_control is for text to video';
  if (input.elements && input.image_url) return 'elements and image_url exclude each other';
  if (!input.prompt && !input.image_url && !input.multi_shots) return 'prompt is required';
  const seconds = input.multi_shots?.reduce((sum, shot) => sum + shot.duration, 0);
  return seconds !== undefined && (seconds < 3 || seconds > 15)
    ? `multi_shots last ${seconds} seconds, not 3 to 15`
    : null;
}

/** The shape with the rules above; the fault is told as the real one tells it, in one sentence. */
const described = <S extends z.ZodRawShape>(shape: S, more: (input: Described) => string | null = () => null) =>
  z.strictObject(shape).superRefine((input, context) => {
    const told = fault(input as Described) ?? more(input as Described);
    if (told !== null) context.addIssue({ code: 'custom', message: told });
  });

const v3 = described({
  version: z.literal('3.0'),
  mode: mode.default('std'),
  prompt: text.optional(),
  negative_prompt: text.optional(),
  duration: threeTo(15).default(5),
  aspect_ratio: ratio,
  image_url: optionalAddress,
  ...tail,
  enable_audio: sound,
  prefer_multi_shots: z.boolean().optional(),
  multi_shots: shots,
});

/** Each image is cited as `@image_1`, the video as `@video`; other platforms' ways to cite mean nothing here. */
const cited = z
  .string()
  .max(TEXT_MAX)
  .refine((prompt) => !/<<<|@(Image|Video|Element)\d|@video_?\d|@image\d/.test(prompt), 'images are cited as @image_1');
const omniMedia = { images: z.array(address).min(1).max(7).optional(), video: address.optional(), aspect_ratio: ratio };

const omni = described({
  version: z.literal('3.0'),
  resolution: z.enum(['720p', '1080p']).default('720p'),
  prompt: cited.optional(),
  duration: threeTo(15).default(5),
  enable_audio: sound,
  multi_shots: z
    .array(z.strictObject({ prompt: cited.min(1), duration: z.number().int().min(1).max(14) }))
    .min(1)
    .max(6)
    .optional(),
  ...omniMedia,
});

const o1 = described({
  version: z.literal('o1'),
  resolution: z.enum(['720p', '1080p']).default('720p'),
  prompt: cited.min(1),
  duration: fiveOrTen.default(5),
  ...omniMedia,
});

const motion = (version: string) =>
  z
    .strictObject({
      version: z.literal(version),
      mode: mode.default('std'),
      prompt: text.optional(),
      image_url: address,
      video_url: optionalAddress,
      preset_motion: z.string().optional(),
      motion_direction: z.enum(['video', 'image']).default('video'),
      keep_original_sound: z.boolean().default(true),
    })
    .refine(
      (input) => Boolean(input.video_url) !== Boolean(input.preset_motion),
      'one of video_url and preset_motion must be provided as motion reference',
    );

const v4 = (version: string, secondsMax: number, tier: z.ZodType<'std' | 'pro'>) =>
  z.strictObject({
    version: z.literal(version),
    mode: tier.optional(),
    prompt: text.min(1),
    duration: threeTo(secondsMax),
    aspect_ratio: ratio,
  });

const classic = (version: string, more: z.ZodRawShape = {}) =>
  described({ version: z.literal(version), mode: mode.default('std'), ...older, ...more });

const INPUTS: Readonly<Record<string, z.ZodType>> = {
  'kling text_to_video 4.0': v4('4.0', 30, mode),
  'kling text_to_video 4.0-flash': v4('4.0-flash', 20, z.literal('std')),
  'kling video_generation 3.0': v3,
  'kling video_generation 3.0-turbo': described({
    version: z.literal('3.0-turbo'),
    mode: mode.default('std'),
    prompt: text.optional(),
    duration: threeTo(15).default(5),
    aspect_ratio: ratio,
    image_url: optionalAddress,
  }),
  'kling omni_video_generation 3.0': omni,
  'kling omni_video_generation o1': o1,
  'kling motion_control 3.0': motion('3.0'),
  'kling motion_control 2.6': motion('2.6'),
  'kling video_generation 2.6': classic('2.6', { ...tail, enable_audio: sound }),
  'kling-turbo video_generation 2.5-turbo': described({
    version: z.literal('2.5-turbo'),
    mode: z.literal('pro').default('pro'),
    ...older,
    ...tail,
  }),
  'kling video_generation 2.5': classic('2.5', tail),
  'kling video_generation 2.1-master': described({ version: z.literal('2.1-master'), ...older, ...tail }),
  // From images only in practice (RobimLocar/saas, 2026-07-25), although a page shows an example from text.
  'kling video_generation 2.1': described(
    { version: z.literal('2.1'), mode: mode.default('std'), ...older, ...tail },
    (input) => (input.image_url ? null : 'image_url is required for version 2.1'),
  ),
  'kling video_generation 2.0': classic('2.0', tail),
  'kling video_generation 1.6': classic('1.6', {
    ...tail,
    camera_control: camera,
    elements: z
      .array(z.strictObject({ image_url: address }))
      .min(1)
      .max(4)
      .optional(),
  }),
  'kling video_generation 1.5': classic('1.5', { camera_control: camera }),
  'kling video_generation 1.0': classic('1.0', { ...tail, camera_control: camera }),
  'kling extend_video': z.strictObject({ origin_task_id: z.uuid(), prompt: text.optional() }),
};

/** `ppu` and `hya` are what older text calls the two modes; the empty one leaves it to the workspace. */
const config = z.strictObject({
  service_mode: z.enum(['public', 'private', '']).optional(),
  webhook_config: z.strictObject({ endpoint: z.union([address, z.literal('')]), secret: z.string() }).optional(),
});
export type Config = z.infer<typeof config>;

const outer = z.object({
  model: z.string(),
  task_type: z.string(),
  input: z.object({ version: z.string().optional() }),
});

/** The three values that choose a model, as one word: `kling video_generation 3.0`. */
export function kindOf(body: unknown): string | null {
  const read = outer.safeParse(body);
  if (!read.success) return null;
  const { model, task_type: taskType, input } = read.data;
  return taskType === 'extend_video' ? `${model} ${taskType}` : `${model} ${taskType} ${input.version ?? ''}`;
}

/** The whole body of a create of that kind; null for a kind that PiAPI does not have. */
export function requestOf(kind: string): z.ZodType<CreateRequest> | null {
  const input = Object.hasOwn(INPUTS, kind) ? INPUTS[kind] : undefined;
  if (!input) return null;
  const isNew = kind.includes(' 4.0');
  return z
    .strictObject({ model: z.string(), task_type: z.string(), input, config: config.optional() })
    .refine((body) => !isNew || body.config?.service_mode === 'public', {
      message: '4.0 needs service_mode public',
      path: ['config', 'service_mode'],
    }) as z.ZodType<CreateRequest>;
}

/** A create that fits the documents. Which fields an input has depends on its kind. */
export interface CreateRequest {
  readonly model: string;
  readonly task_type: string;
  readonly input: Readonly<Record<string, unknown>> & {
    readonly version?: string;
    readonly mode?: 'std' | 'pro';
    readonly resolution?: '720p' | '1080p';
    readonly duration?: number;
    readonly aspect_ratio?: string;
    readonly enable_audio?: boolean;
    readonly keep_original_sound?: boolean;
    readonly origin_task_id?: string;
    readonly video?: string;
    readonly multi_shots?: readonly { readonly duration: number }[];
  };
  readonly config?: Config;
}

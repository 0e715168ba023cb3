/**
 * Every Kling id of Atlas: the fields it takes and what a second costs. Catalog as seen 2026-08-28, the vendor's public
 * nodes of 2026-03-20, model pages and quotes of 2026.
 */
import { z } from 'zod';
import type { ClipOrder } from './clip.ts';

const address = /^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost)[:/])\S+$/;
/** An address, a data URL or bare base64. */
const image = z
  .string()
  .refine(
    (text) =>
      address.test(text) || /^data:image\/(png|jpe?g|webp);base64,/.test(text) || /^[A-Za-z0-9+/=]{64,}$/.test(text),
    'expected an image URL or base64',
  );
const video = z.string().regex(address, 'expected a video URL');
const prompt = z.string().min(1);
const ratio = z.enum(['16:9', '9:16', '1:1']).default('16:9');
const free = z.number().int().min(3).max(15).default(5);
const fiveOrTen = z.union([z.literal(5), z.literal(10)]).default(5);
const scale = z.number().min(0).max(1).default(0.5);
const silent = z.boolean().default(false);
const negative = z.string().max(2_500).optional();
const kept = z.boolean().default(true);

/** https on a public host, at most 1,024 characters; the sandbox's own gateway is on loopback. */
const hook = z
  .string()
  .max(1_024)
  .refine((text) => {
    if (!URL.canParse(text)) return false;
    const { protocol, hostname } = new URL(text);
    if (protocol === 'http:') return hostname === '127.0.0.1' || hostname === 'localhost';
    return (
      protocol === 'https:' &&
      !/^(10\.|127\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|192\.168\.|localhost$)/.test(hostname)
    );
  }, 'expected a public https address')
  .optional();

const shots = {
  multi_shot: z.boolean().default(false),
  shot_type: z.enum(['customize', 'intelligence']).optional(),
  multi_prompt: z
    .array(z.strictObject({ prompt, duration: z.number().int().min(1).max(15) }))
    .min(1)
    .max(6)
    .optional(),
};

const v3 = { prompt, duration: free, cfg_scale: scale, sound: silent, negative_prompt: negative };
const v26 = {
  prompt,
  duration: fiveOrTen,
  cfg_scale: scale,
  sound: z.boolean().default(true),
  negative_prompt: negative,
};
const turbo = { prompt, duration: free };
const v25 = { prompt: prompt.max(2_500), duration: fiveOrTen, guidance_scale: scale, negative_prompt: negative };
const older = { prompt: prompt.max(2_500), duration: fiveOrTen, negative_prompt: negative };
const guided = { ...older, guidance_scale: scale };
const start = { image };
const frames = { image, end_image: image.optional() };
const motion = {
  image,
  video,
  character_orientation: z.enum(['image', 'video']),
  prompt: z.string().optional(),
  keep_original_sound: kept,
};
const references = {
  prompt,
  images: z.array(image).min(1).max(7).optional(),
  video: video.optional(),
  keep_original_sound: kept,
  sound: silent,
  aspect_ratio: ratio,
  duration: free,
};
const edit = { prompt, video, images: z.array(image).min(1).max(4).optional(), keep_original_sound: kept };

type Price = readonly [silent: number, sounding?: number];
type Tier = ClipOrder['resolution'];

export interface Model {
  readonly fields: z.ZodRawShape;
  readonly resolution: Tier;
  /** Dollars a second; with a source video as well where that costs more. */
  readonly usd: Price;
  readonly usdWithVideo?: number;
  /** Sounds whatever is said. */
  readonly sounds?: true;
}

const PRICE = { std: [0.071, 0.126], pro: [0.095, 0.168], '4k': [0.42, 0.63] } as const satisfies Record<string, Price>;
const MOTION = { v3: { std: 0.1071, pro: 0.1428 }, v26: { std: 0.0595, pro: 0.0952 } } as const;
const RESOLUTION = { std: '720p', pro: '1080p', '4k': '4k' } as const satisfies Record<string, Tier>;

const tiered = (['std', 'pro', '4k'] as const).flatMap((tier): [string, Model][] => {
  const base = { resolution: RESOLUTION[tier], usd: PRICE[tier] };
  const many = tier === '4k' ? shots : {};
  const o3 = { prompt, duration: free, sound: silent, ...many };
  const o3Image = tier === '4k' ? o3 : { prompt, duration: free, generate_audio: silent };
  return [
    [`kling-v3.0-${tier}/text-to-video`, { ...base, fields: { ...v3, ...many, aspect_ratio: ratio } }],
    [`kling-v3.0-${tier}/image-to-video`, { ...base, fields: { ...v3, ...many, ...frames } }],
    [`kling-video-o3-${tier}/text-to-video`, { ...base, fields: tier === '4k' ? o3 : { ...o3, aspect_ratio: ratio } }],
    [`kling-video-o3-${tier}/image-to-video`, { ...base, fields: { ...o3Image, ...frames } }],
  ];
});

const twoTiers = (['std', 'pro'] as const).flatMap((tier): [string, Model][] => {
  const resolution = RESOLUTION[tier];
  const withVideo = MOTION.v3[tier];
  return [
    [`kling-v3.0-${tier}/motion-control`, { resolution, usd: [withVideo], fields: motion }],
    [`kling-v2.6-${tier}/motion-control`, { resolution, usd: [MOTION.v26[tier]], fields: motion }],
    [
      `kling-video-o3-${tier}/reference-to-video`,
      { resolution, usd: PRICE[tier], usdWithVideo: withVideo, fields: references },
    ],
    [`kling-video-o3-${tier}/video-edit`, { resolution, usd: [withVideo], fields: edit }],
  ];
});

const hd = (usd: Price, fields: z.ZodRawShape): Model => ({ resolution: '1080p', usd, fields });
const sd = (usd: Price, fields: z.ZodRawShape): Model => ({ resolution: '720p', usd, fields });
const multi = { ...older, images: z.array(image).min(1).max(4), aspect_ratio: ratio };

const MODELS: ReadonlyMap<string, Model> = new Map<string, Model>([
  ...tiered,
  ...twoTiers,
  ['kling-v3.0-turbo/text-to-video', { ...sd([0.095], { ...turbo, aspect_ratio: ratio }), sounds: true }],
  ['kling-v3.0-turbo/image-to-video', { ...sd([0.095], { ...turbo, ...frames }), sounds: true }],
  ['kling-video-o1/text-to-video', sd([0.095], { prompt, aspect_ratio: ratio, duration: fiveOrTen })],
  ['kling-video-o1/image-to-video', sd([0.095], { prompt, image })],
  ['kling-v2.6-pro/text-to-video', hd([0.0595, 0.119], { ...v26, aspect_ratio: ratio })],
  ['kling-v2.6-pro/image-to-video', hd([0.0595, 0.119], { ...v26, ...frames })],
  ['kling-v2.5-turbo-pro/text-to-video', hd([0.0595], { ...v25, aspect_ratio: ratio })],
  ['kling-v2.5-turbo-pro/image-to-video', hd([0.0595], { ...v25, image, last_image: image.optional() })],
  ['kling-v2.1-t2v-master', hd([0.238], { ...guided, aspect_ratio: ratio })],
  ['kling-v2.1-i2v-master', hd([0.238], { ...guided, ...start })],
  ['kling-v2.1-i2v-standard', sd([0.076], { ...guided, ...start })],
  ['kling-v2.1-i2v-pro', hd([0.076], { ...guided, ...start })],
  ['kling-v2.1-i2v-pro/start-end-frame', hd([0.076], { ...guided, image, end_image: image })],
  ['kling-v2.0-t2v-master', hd([0.221], { ...guided, aspect_ratio: ratio })],
  ['kling-v2.0-i2v-master', hd([0.221], { ...guided, ...start })],
  ['kling-v1.6-t2v-standard', sd([0.0476], { ...guided, aspect_ratio: ratio })],
  ['kling-v1.6-i2v-standard', sd([0.0476], { ...guided, ...start })],
  ['kling-v1.6-i2v-pro', hd([0.0833], { ...guided, ...start })],
  ['kling-v1.6-multi-i2v-standard', sd([0.0476], multi)],
  ['kling-v1.6-multi-i2v-pro', hd([0.0833], multi)],
]);

const PREFIX = 'kwaivgi/';

/** What is told of a request once it has been read: the fields that clip and price depend on. */
const read = z.object({
  model: z.string(),
  duration: z.number().default(5),
  aspect_ratio: z.string().default('16:9'),
  sound: z.boolean().default(false),
  generate_audio: z.boolean().default(false),
  video: z.string().optional(),
  keep_original_sound: z.boolean().default(false),
  webhook_url: z.string().optional(),
});

/** All ids, and the model behind one of them. */
export const modelIds: readonly string[] = [...MODELS.keys()].map((name) => PREFIX + name);
export const modelOf = (id: string): Model | undefined =>
  id.startsWith(PREFIX) ? MODELS.get(id.slice(PREFIX.length)) : undefined;

/** The whole form of a create for this model, defaults filled in. */
export function formOf(id: string, model: Model) {
  return z.strictObject({ model: z.literal(id), ...model.fields, webhook_url: hook }).superRefine((value, context) => {
    const message = shotFault(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

const shotFields = z.object({
  duration: z.number(),
  multi_shot: z.literal(true),
  shot_type: z.string().default('customize'),
  multi_prompt: z.array(z.object({ duration: z.number() })).optional(),
});

/** The shots of a customized request fill its length exactly. */
function shotFault(value: unknown): string | null {
  const parsed = shotFields.safeParse(value);
  if (!parsed.success) return null;
  const { duration, shot_type: type, multi_prompt: list } = parsed.data;
  if (type === 'customize' && list === undefined) return 'multi_prompt is required with shot_type customize';
  const sum = list?.reduce((total, shot) => total + shot.duration, 0) ?? duration;
  return sum === duration ? null : `multi_prompt lasts ${sum} seconds, duration says ${duration}`;
}

export interface Ordered {
  readonly clip: ClipOrder;
  readonly usd: number;
  readonly hookUrl: string | undefined;
}

/** The clip that a well-formed request orders, and what it costs. The source video is taken to last 5 seconds. */
export function orderOf(form: unknown, { resolution, usd, usdWithVideo, sounds }: Model): Ordered {
  const fields = read.parse(form);
  const made = fields.sound || fields.generate_audio;
  const [silentUsd, soundingUsd = silentUsd] = usd;
  const rate = fields.video !== undefined && usdWithVideo !== undefined ? usdWithVideo : made ? soundingUsd : silentUsd;
  const keeps = fields.video !== undefined && fields.keep_original_sound;
  return {
    clip: {
      resolution,
      aspectRatio: fields.aspect_ratio,
      seconds: fields.duration,
      audio: made || keeps || sounds === true,
    },
    usd: Math.round(rate * fields.duration * 10_000) / 10_000,
    hookUrl: fields.webhook_url,
  };
}

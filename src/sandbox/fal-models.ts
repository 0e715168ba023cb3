/**
 * What fal's endpoints for Kling take, as the input types of its own client and its model pages have it (fal-ai/fal-js,
 * endpoints.ts, 2026-08-02; fal.ai, 2026), and what each costs a second (model pages, 2026-10-04).
 */
import { z } from 'zod';
import type { ClipOrder } from './clip.ts';
import * as fields from './fal-fields.ts';

/** One endpoint: what it takes, what it makes of it, and its price. */
export interface Endpoint {
  readonly schema: z.ZodType;
  readonly resolution: ClipOrder['resolution'] | 'field';
  readonly usdPerSecond: number;
  /** What sound, and a voice, make of the price. */
  readonly withSound?: number;
  readonly withVoice?: number;
  /** Whether a request that says nothing of sound has it. */
  readonly soundsUnasked: boolean;
}

type Tier = readonly [
  name: string,
  resolution: ClipOrder['resolution'],
  usdPerSecond: number,
  more?: Partial<Endpoint>,
];

const KLING = 'fal-ai/kling-video';

/** Endpoints that differ in their tier only. */
const each = (path: string, schema: z.ZodType, soundsUnasked: boolean, tiers: readonly Tier[]): [string, Endpoint][] =>
  tiers.map(([name, resolution, usdPerSecond, more]) => [
    `${KLING}/${path.replace('*', name).replace('//', '/')}`,
    { schema, resolution, usdPerSecond, soundsUnasked, ...more },
  ]);

const V3: readonly Tier[] = [
  ['standard', '720p', 0.084, { withSound: 0.126, withVoice: 0.154 }],
  ['pro', '1080p', 0.112, { withSound: 0.168, withVoice: 0.196 }],
  ['4k', '4k', 0.42],
];
const O3: readonly Tier[] = [
  ['standard', '720p', 0.084, { withSound: 0.112 }],
  ['pro', '1080p', 0.112, { withSound: 0.14 }],
  ['4k', '4k', 0.42],
];
const TURBO: readonly Tier[] = [
  ['standard', '720p', 0.112],
  ['pro', '1080p', 0.14],
];
const FROM_VIDEO: readonly Tier[] = [
  ['standard', '720p', 0.126],
  ['pro', '1080p', 0.168],
];
/** The pro tier of O1 has no word in the id. */
const O1: readonly Tier[] = [
  ['standard', '720p', 0.084],
  ['', '1080p', 0.112],
];
const O1_FROM_VIDEO: readonly Tier[] = [
  ['standard', '720p', 0.126],
  ['', '1080p', 0.168],
];
const V26: readonly Tier[] = [['pro', '1080p', 0.07, { withSound: 0.14, withVoice: 0.168 }]];
const OLD: readonly Tier[] = [
  ['standard', '720p', 0.056],
  ['pro', '1080p', 0.098],
];
const OLD_STANDARD = OLD.slice(0, 1);
const OLD_PRO = OLD.slice(1);
const MASTER: readonly Tier[] = [['master', '1080p', 0.28]];

const v4 = (schema: z.ZodType): Endpoint => ({
  schema,
  resolution: 'field',
  usdPerSecond: 0.157,
  soundsUnasked: true,
});

const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ['kling/v4/text-to-video', v4(fields.v4Text)],
  ['kling/v4/image-to-video', v4(fields.v4Image)],
  ...each('v3/*/text-to-video', fields.v3Text, true, V3),
  ...each('v3/*/image-to-video', fields.v3Image, true, V3),
  ...each('v3/*/motion-control', fields.v3Motion, true, FROM_VIDEO),
  ...each('v3/turbo/*/text-to-video', fields.turboText, true, TURBO),
  ...each('v3/turbo/*/image-to-video', fields.turboImage, true, TURBO),
  ...each('o3/*/text-to-video', fields.o3Text, false, O3),
  ...each('o3/*/image-to-video', fields.o3Image, false, O3),
  ...each('o3/*/reference-to-video', fields.o3Reference, false, O3),
  ...each('o3/*/video-to-video/edit', fields.o3Edit, true, FROM_VIDEO),
  ...each('o3/*/video-to-video/reference', fields.o3VideoReference, true, FROM_VIDEO),
  ...each('o1/*/image-to-video', fields.o1Image, false, O1),
  ...each('o1/*/reference-to-video', fields.o1Reference, false, O1),
  ...each('o1/*/video-to-video/edit', fields.o1Edit, false, O1_FROM_VIDEO),
  ...each('o1/*/video-to-video/reference', fields.o1VideoReference, false, O1_FROM_VIDEO),
  ...each('v2.6/*/text-to-video', fields.v26Text, true, V26),
  ...each('v2.6/*/image-to-video', fields.v26Image, true, V26),
  ...each('v2.6/*/motion-control', fields.v26Motion, true, [
    ['standard', '720p', 0.07],
    ['pro', '1080p', 0.112],
  ]),
  ...each('v2.5-turbo/*/text-to-video', fields.oldText, false, [['pro', '1080p', 0.07]]),
  ...each('v2.5-turbo/*/image-to-video', fields.oldImage, false, [['standard', '720p', 0.042]]),
  ...each('v2.5-turbo/*/image-to-video', fields.oldImageWithTail, false, [['pro', '1080p', 0.07]]),
  ...each('v2.1/*/text-to-video', fields.oldText, false, MASTER),
  ...each('v2.1/*/image-to-video', fields.oldImage, false, [...OLD_STANDARD, ...MASTER]),
  ...each('v2.1/*/image-to-video', fields.oldImageWithTail, false, OLD_PRO),
  ...each('v2/*/text-to-video', fields.oldText, false, MASTER),
  ...each('v2/*/image-to-video', fields.oldImage, false, MASTER),
  ...each('v1.6/*/text-to-video', fields.oldText, false, OLD),
  ...each('v1.6/*/image-to-video', fields.oldImage, false, OLD_STANDARD),
  ...each('v1.6/*/image-to-video', fields.oldImageWithRatio, false, OLD_PRO),
  ...each('v1.6/*/elements', fields.oldElements, false, OLD),
  ...each('v1.5/*/text-to-video', fields.oldText, false, OLD_PRO),
  ...each('v1.5/*/image-to-video', fields.oldImageWithMasks, false, OLD_PRO),
]);

export const endpointOf = (id: string): Endpoint | undefined => ENDPOINTS.get(id);

/** The parts of any input that decide what the clip is and costs. */
const ordered = z.object({
  duration: z.union([z.string(), z.number()]).optional(),
  multi_prompt: z.array(z.object({ duration: z.union([z.string(), z.number()]).optional() })).optional(),
  video_url: z.string().optional(),
  aspect_ratio: z.string().optional(),
  resolution: z.enum(['720p', '1080p']).optional(),
  generate_audio: z.boolean().optional(),
  keep_audio: z.boolean().optional(),
  keep_original_sound: z.boolean().optional(),
  voice_ids: z.array(z.string()).optional(),
  elements: z.array(z.object({ voice_id: z.string().optional() })).optional(),
});

/** Source videos are never fetched: whatever follows one is as long as this. */
const SOURCE_SECONDS = 5;
const DEFAULT_SECONDS = 5;

/** The clip that an input orders; for one that nobody could read, a clip that will never be made. */
export function clipOf(endpoint: Endpoint, input: unknown): ClipOrder {
  const order = ordered.catch({}).parse(input);
  const ofShots = order.multi_prompt?.reduce((sum, shot) => sum + Number(shot.duration ?? DEFAULT_SECONDS), 0);
  const unsaid = order.video_url === undefined ? DEFAULT_SECONDS : SOURCE_SECONDS;
  const ratio = order.aspect_ratio ?? '16:9';
  return {
    resolution: endpoint.resolution === 'field' ? (order.resolution ?? '720p') : endpoint.resolution,
    aspectRatio: ratio === 'auto' ? '16:9' : ratio,
    seconds: Number(order.duration ?? ofShots ?? unsaid),
    audio: order.generate_audio ?? order.keep_audio ?? order.keep_original_sound ?? endpoint.soundsUnasked,
  };
}

/** Dollars a second of the clip; 4.0 goes by the resolution of its order. */
export function rateOf(endpoint: Endpoint, input: unknown, { audio, resolution }: ClipOrder): number {
  const { voice_ids: voices = [], elements = [] } = ordered.catch({}).parse(input);
  const speaks = voices.length > 0 || elements.some(({ voice_id: voice }) => voice !== undefined);
  if (endpoint.resolution === 'field') return resolution === '1080p' ? 0.235 : endpoint.usdPerSecond;
  if (speaks && endpoint.withVoice !== undefined) return endpoint.withVoice;
  return audio ? (endpoint.withSound ?? endpoint.usdPerSecond) : endpoint.usdPerSecond;
}

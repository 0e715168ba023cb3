/** Fields that both generations of official Kling share. */
import { z } from 'zod';
import type { ClipOrder } from './clip.ts';
import type { ChargedAs } from './kling-prices.ts';

const isWebUrl = (value: string): boolean => /^https?:\/\/\S+$/.test(value) && URL.canParse(value);
const BASE64 = /^[A-Za-z0-9+/]{64,}={0,2}$/;
const BASE64_CHARACTERS_MAX = 70_000_000;

export const webUrl = z.string().refine(isWebUrl, 'must be a URL');
/** An address or raw base64: a `data:` prefix is refused. */
export const image = z
  .string()
  .max(BASE64_CHARACTERS_MAX)
  .refine((value) => isWebUrl(value) || BASE64.test(value), 'must be a URL or base64 without a data: prefix');
export const aspectRatio = z.enum(['16:9', '9:16', '1:1']);
export const watermarkInfo = z.strictObject({ enabled: z.boolean() });

/** The common fields of either generation, wherever they stand. Vendor examples send empty text for nothing. */
export const common = {
  callback_url: z.union([z.literal(''), webUrl]).optional(),
  external_task_id: z.string().max(256).optional(),
  watermark_info: watermarkInfo.optional(),
};
export type Common = z.infer<z.ZodObject<typeof common>>;

/** What was ordered, whatever the wire it came over. */
export interface Ordered {
  /** The model version: what running tasks are counted by, and what the price list calls it. */
  readonly model: string;
  readonly clip: ClipOrder;
  readonly chargedAs: ChargedAs;
  readonly common: Common;
}

/** Length of what follows a video that nobody fetches. */
export const SOURCE_SECONDS = 5;

const RATIOS = { '16:9': 16 / 9, '9:16': 9 / 16, '1:1': 1, '21:9': 21 / 9 };

/** The shape of a first frame: a PNG among the bytes tells its own, an address is taken for a wide one. */
export function shapeOf(picture: string | undefined): string {
  const start = Buffer.from((picture ?? '').slice(0, 32), 'base64');
  if (picture === undefined || start.length < 24 || start.toString('latin1', 1, 4) !== 'PNG') return '16:9';
  const ratio = start.readUInt32BE(16) / Math.max(1, start.readUInt32BE(20));
  const distance = (value: number): number => Math.abs(Math.log(value / ratio));
  return Object.entries(RATIOS).sort(([, a], [, b]) => distance(a) - distance(b))[0]?.[0] ?? '16:9';
}

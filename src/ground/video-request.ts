/**
 * VideoRequest: what a caller wants, normalised once at the front door. The one noun that pricing, routing, adapters and
 * jobs share; stored with its job as JSON and read back through this schema.
 */
import { z } from 'zod';
import { RESOLUTIONS, TASKS } from './models.ts';

/** An image or video of the caller's: an address, or bytes that were uploaded and are kept until the job has ended. */
const mediaSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('url'), url: z.string() }),
  z.strictObject({
    kind: z.literal('upload'),
    uploadId: z.string(),
    contentType: z.enum(['image/jpeg', 'image/png', 'image/webp']),
    bytes: z.number().int(),
    /** SHA-256, hex: part of the request's fingerprint. */
    digest: z.string(),
  }),
  /** A finished video of the same tenant's, kept here. */
  z.strictObject({ kind: z.literal('saved'), videoId: z.string() }),
]);
export type Media = z.infer<typeof mediaSchema>;

const shotSchema = z.strictObject({ prompt: z.string(), seconds: z.number().int() });

const cameraSchema = z.strictObject({
  type: z.enum(['simple', 'down_back', 'forward_up', 'right_turn_forward', 'left_turn_forward']),
  /** For `simple`: one nonzero value in [-10, 10]. */
  config: z
    .strictObject({
      horizontal: z.number().optional(),
      vertical: z.number().optional(),
      pan: z.number().optional(),
      tilt: z.number().optional(),
      roll: z.number().optional(),
      zoom: z.number().optional(),
    })
    .optional(),
});

export const videoRequestSchema = z.strictObject({
  /** Canonical model id, never an alias. */
  model: z.string(),
  task: z.enum(TASKS),
  prompt: z.string(),
  negativePrompt: z.string().optional(),
  /** Ordered length; null where the output follows the source video. */
  seconds: z.number().int().positive().nullable(),
  resolution: z.enum(RESOLUTIONS),
  /** Null where an image or a video gives the frame its shape. */
  aspectRatio: z.string().nullable(),
  audio: z.boolean(),
  firstFrame: mediaSchema.optional(),
  lastFrame: mediaSchema.optional(),
  references: z.array(mediaSchema).default([]),
  /** The source video: what is edited, what is referred to, or whose movement is taken over. */
  video: z.strictObject({ media: mediaSchema, use: z.enum(['edit', 'feature', 'motion']) }).optional(),
  /** The finished video that is extended: only the account that made it can, and knows it by its own name. */
  extends: z.strictObject({ videoId: z.string(), account: z.string(), providerVideoId: z.string() }).optional(),
  keepOriginalSound: z.boolean().optional(),
  characterOrientation: z.enum(['image', 'video']).optional(),
  cfgScale: z.number().min(0).max(1).optional(),
  camera: cameraSchema.optional(),
  multiShot: z
    .strictObject({ type: z.enum(['customize', 'intelligence']), shots: z.array(shotSchema).max(6) })
    .optional(),
  elements: z.array(z.strictObject({ id: z.string() })).default([]),
  voices: z.array(z.strictObject({ id: z.string() })).default([]),
  masks: z
    .strictObject({
      static: mediaSchema.optional(),
      dynamic: z.array(
        z.strictObject({
          mask: mediaSchema,
          trajectory: z.array(z.strictObject({ x: z.number(), y: z.number() })),
        }),
      ),
    })
    .optional(),
  watermark: z.boolean().default(false),
});
export type VideoRequest = z.infer<typeof videoRequestSchema>;

/** Every image and video that the request carries, each with the field it stands for. */
export function mediaOf(request: VideoRequest): { readonly field: string; readonly media: Media }[] {
  const found: { field: string; media: Media }[] = [];
  if (request.firstFrame) found.push({ field: 'input_reference', media: request.firstFrame });
  if (request.lastFrame) found.push({ field: 'image_tail', media: request.lastFrame });
  for (const media of request.references) found.push({ field: 'reference_images', media });
  if (request.video) found.push({ field: 'video_url', media: request.video.media });
  if (request.masks?.static) found.push({ field: 'static_mask', media: request.masks.static });
  for (const { mask } of request.masks?.dynamic ?? []) found.push({ field: 'dynamic_masks', media: mask });
  return found;
}

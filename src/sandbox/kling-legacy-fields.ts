/** The fields of the legacy endpoints of official Kling, by their types and ranges (kling.ai/document-api, 2026-09-20). */
import { z } from 'zod';
import { aspectRatio, common, image, webUrl } from './kling-fields.ts';

const words = z.string().max(2_500);
export const mode = z.enum(['std', 'pro', '4k']);
/** Text: a number is refused. */
const seconds = z.string().regex(/^([3-9]|1[0-5])$/);
const onOff = z.enum(['on', 'off']);
const move = z.number().min(-10).max(10);
const camera = z.strictObject({
  type: z.enum(['simple', 'down_back', 'forward_up', 'right_turn_forward', 'left_turn_forward']),
  config: z
    .strictObject({ horizontal: move, vertical: move, pan: move, tilt: move, roll: move, zoom: move })
    .partial()
    .optional(),
});
const point = z.strictObject({ x: z.number(), y: z.number() });
const masks = {
  static_mask: image.optional(),
  dynamic_masks: z
    .array(z.strictObject({ mask: image, trajectories: z.array(point).min(2).max(77) }))
    .min(1)
    .max(6)
    .optional(),
};
const shots = {
  multi_shot: z.boolean().optional(),
  shot_type: z.enum(['customize', 'intelligence']).optional(),
  multi_prompt: z
    .array(z.strictObject({ index: z.number().int(), prompt: z.string().min(1).max(512), duration: z.string() }))
    .min(1)
    .max(6)
    .optional(),
};
/** A long; text that spells one is taken for it. */
const elementList = z
  .array(z.strictObject({ element_id: z.union([z.number().int(), z.string().regex(/^\d+$/)]) }))
  .min(1)
  .optional();

/** Every field of any endpoint, as the rules read them. */
export const fields = {
  model_name: z.string().default('kling-v1'),
  prompt: words.optional(),
  negative_prompt: words.optional(),
  mode: mode.default('std'),
  duration: seconds.default('5'),
  cfg_scale: z.number().min(0).max(1).optional(),
  sound: onOff.optional(),
  camera_control: camera.optional(),
  voice_list: z
    .array(z.strictObject({ voice_id: z.string().min(1) }))
    .max(2)
    .optional(),
  ...shots,
  ...common,
};
const ratio = { aspect_ratio: aspectRatio.default('16:9') };

export const textSchema = z.strictObject({ ...fields, ...ratio });
export const imageSchema = z.strictObject({
  ...fields,
  image: image.optional(),
  image_tail: image.optional(),
  element_list: elementList,
  ...masks,
});
export const severalSchema = z.strictObject({
  model_name: z.literal('kling-v1-6').default('kling-v1-6'),
  image_list: z.array(z.strictObject({ image })).min(1).max(4),
  prompt: words.min(1),
  negative_prompt: words.optional(),
  mode: z.enum(['std', 'pro']).default('std'),
  duration: z.enum(['5', '10']).default('5'),
  ...ratio,
  ...common,
});
export const omniSchema = z.strictObject({
  model_name: z.enum(['kling-video-o1', 'kling-v3-omni']).default('kling-video-o1'),
  prompt: words.optional(),
  mode: mode.default('pro'),
  duration: seconds.default('5'),
  aspect_ratio: aspectRatio.optional(),
  sound: onOff.default('off'),
  image_list: z
    .array(z.strictObject({ image_url: image, type: z.enum(['first_frame', 'end_frame']).optional() }))
    .default([]),
  element_list: elementList,
  video_list: z
    .array(
      z.strictObject({
        video_url: webUrl,
        refer_type: z.enum(['feature', 'base']).default('base'),
        keep_original_sound: z.enum(['yes', 'no']).optional(),
      }),
    )
    .max(1)
    .default([]),
  ...shots,
  ...common,
});
export const motionSchema = z.strictObject({
  model_name: z.enum(['kling-v2-6', 'kling-v3']).default('kling-v2-6'),
  image_url: image,
  video_url: webUrl,
  character_orientation: z.enum(['image', 'video']),
  mode: z.enum(['std', 'pro']),
  keep_original_sound: z.enum(['yes', 'no']).default('yes'),
  prompt: words.optional(),
  element_list: elementList,
  ...common,
});
export const extendSchema = z.strictObject({
  video_id: z.string().min(1),
  prompt: words.optional(),
  negative_prompt: words.optional(),
  cfg_scale: z.number().min(0).max(1).optional(),
  ...common,
});

/** What each Kling model of EvoLink takes, field by field: docs.evolink.ai, OpenAPI bundle of about 2026-10. */
import { z } from 'zod';
import {
  aspectRatio,
  callback,
  elements,
  hd,
  longPrompt,
  multiShot,
  prompt,
  seconds,
  shotFault,
  sound,
  upTo4k,
  url,
  watermark,
  whole,
} from './evolink-fields.ts';

const v3 = { negative_prompt: z.string().max(2_500).optional(), duration: seconds(15), quality: upTo4k, sound };

const v3Text = z
  .strictObject({
    model: z.literal('kling-v3-text-to-video'),
    prompt,
    ...v3,
    aspect_ratio: aspectRatio.optional(),
    model_params: z.strictObject({ ...multiShot(['customize', 'intelligence']), ...watermark }).optional(),
    ...callback,
  })
  .check(whole((value) => shotFault(value, true)));

const v3Image = z
  .strictObject({
    model: z.literal('kling-v3-image-to-video'),
    image_start: url,
    image_end: url.optional(),
    prompt: prompt.optional(),
    ...v3,
    model_params: z
      .strictObject({ ...multiShot(['customize', 'intelligence']), ...elements(3), ...watermark })
      .optional(),
    ...callback,
  })
  .check(whole((value) => shotFault(value, false)));

const turboText = z.strictObject({
  model: z.literal('kling-v3-turbo-text-to-video'),
  prompt: prompt.min(1),
  quality: hd,
  aspect_ratio: aspectRatio.default('16:9'),
  duration: seconds(15),
  ...callback,
});

const turboImage = z.strictObject({
  model: z.literal('kling-v3-turbo-image-to-video'),
  image_start: url,
  prompt: prompt.optional(),
  quality: hd,
  duration: seconds(15),
  ...callback,
});

const o3Text = z
  .strictObject({
    model: z.literal('kling-o3-text-to-video'),
    prompt,
    duration: seconds(15),
    aspect_ratio: aspectRatio.default('16:9'),
    quality: upTo4k,
    sound,
    model_params: z.strictObject({ ...multiShot(['customize']), ...elements(7), ...watermark }).optional(),
    ...callback,
  })
  .check(whole((value) => shotFault(value, true)));

const o3Image = z
  .strictObject({
    model: z.literal('kling-o3-image-to-video'),
    prompt,
    image_start: url.optional(),
    image_end: url.optional(),
    image_urls: z.array(url).min(1).max(7).optional(),
    duration: seconds(15),
    aspect_ratio: aspectRatio.optional(),
    quality: upTo4k,
    sound,
    model_params: z.strictObject({ ...multiShot(['customize']), ...elements(7), ...watermark }).optional(),
    ...callback,
  })
  .check(
    whole((value) => {
      const images = [value.image_start, value.image_end, ...(value.image_urls ?? [])].filter(Boolean).length;
      const elementCount = value.model_params?.element_list?.length ?? 0;
      if (value.image_end && !value.image_start) return 'image_end needs image_start';
      if (value.image_end && images > 2) return 'no end frame with more than 2 images';
      if (value.image_start && elementCount > 3) return 'at most 3 elements with a first frame';
      if (images + elementCount > 7) return 'at most 7 images and elements';
      return shotFault(value, true);
    }),
  );

interface WithReferences {
  readonly video_url?: string | undefined;
  readonly image_urls?: readonly string[] | undefined;
  readonly model_params?: { readonly element_list?: readonly unknown[] | undefined } | undefined;
}

function referenceFault({ video_url: video, image_urls: images, model_params: params }: WithReferences): string | null {
  const count = (images?.length ?? 0) + (params?.element_list?.length ?? 0);
  const most = video === undefined ? 7 : 4;
  return count > most ? `at most ${most} images and elements${video ? ' with a video' : ''}` : null;
}

const o3Reference = z
  .strictObject({
    model: z.literal('kling-o3-reference-to-video'),
    prompt: prompt.min(1),
    video_url: url.optional(),
    keep_original_sound: z.boolean().default(true),
    image_urls: z.array(url).min(1).max(7).optional(),
    duration: seconds(10),
    aspect_ratio: aspectRatio.optional(),
    quality: hd,
    model_params: z.strictObject({ ...elements(7), ...watermark }).optional(),
    ...callback,
  })
  .check(whole(referenceFault));

const o3Edit = z
  .strictObject({
    model: z.literal('kling-o3-video-edit'),
    prompt: prompt.optional(),
    video_url: url,
    keep_original_sound: z.boolean().default(true),
    image_urls: z.array(url).min(1).max(4).optional(),
    quality: hd,
    model_params: z.strictObject({ ...elements(4), ...watermark }).optional(),
    ...callback,
  })
  .check(whole(referenceFault));

const o1Image = z.strictObject({
  model: z.literal('kling-o1-image-to-video'),
  prompt: longPrompt,
  image_urls: z.array(url).min(1).max(2),
  aspect_ratio: aspectRatio.optional(),
  duration: z.union([z.literal(5), z.literal(10)]).default(5),
  ...callback,
});

const o1Edit = <M extends string>(model: M) =>
  z.strictObject({
    model: z.literal(model),
    prompt: longPrompt,
    video_urls: z.array(url).length(1),
    image_urls: z.array(url).min(1).max(4).optional(),
    keep_original_sound: z.boolean().default(true),
    ...callback,
  });

const motionParams = {
  character_orientation: z.enum(['image', 'video']),
  keep_sound: z.boolean().default(true),
  ...watermark,
};
const motion = {
  image_urls: z.array(url).length(1),
  video_urls: z.array(url).length(1),
  prompt: prompt.optional(),
  quality: hd,
  ...callback,
};

const v3Motion = z
  .strictObject({
    model: z.literal('kling-v3-motion-control'),
    ...motion,
    model_params: z.strictObject({ ...motionParams, ...elements(1) }),
  })
  .check(
    whole(({ model_params: params }) =>
      params.element_list?.length && params.character_orientation !== 'video'
        ? 'an element needs character_orientation video'
        : null,
    ),
  );

const v26Motion = z.strictObject({
  model: z.literal('kling-v2.6-motion-control'),
  ...motion,
  model_params: z.strictObject(motionParams),
});

const customElement = z
  .strictObject({
    model: z.literal('kling-custom-element'),
    model_params: z.strictObject({
      element_name: z.string().min(1).max(20),
      element_description: z.string().min(1).max(100),
      reference_type: z.enum(['image_refer', 'video_refer']),
      element_image_list: z
        .strictObject({
          frontal_image: url,
          refer_images: z
            .array(z.strictObject({ image_url: url }))
            .min(1)
            .max(3),
        })
        .optional(),
      element_video_list: z
        .strictObject({ refer_videos: z.array(z.strictObject({ video_url: url })).length(1) })
        .optional(),
      element_voice_id: z.string().optional(),
    }),
    ...callback,
  })
  .check(
    whole(({ model_params: params }) => {
      const byVideo = params.reference_type === 'video_refer';
      if (byVideo !== (params.element_video_list !== undefined)) return 'element_video_list goes with video_refer';
      if (byVideo === (params.element_image_list !== undefined)) return 'element_image_list goes with image_refer';
      return !byVideo && params.element_voice_id !== undefined ? 'element_voice_id goes with video_refer' : null;
    }),
  );

export const createRequest = z.discriminatedUnion('model', [
  v3Text,
  v3Image,
  turboText,
  turboImage,
  o3Text,
  o3Image,
  o3Reference,
  o3Edit,
  o1Image,
  o1Edit('kling-o1-video-edit'),
  o1Edit('kling-o1-video-edit-fast'),
  v3Motion,
  v26Motion,
  customElement,
]);
export type CreateRequest = z.infer<typeof createRequest>;

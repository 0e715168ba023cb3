/** The inputs of fal's endpoints for Kling, field by field: fal-ai/fal-js, endpoints.ts (2026-08-02), and model pages. */
import { z } from 'zod';

/** Public addresses, or data URIs when tiny. */
const image = z.string().regex(/^(https?:\/\/\S+|data:image\/[a-z]+;base64,[A-Za-z0-9+/]+=*)$/, 'not an image address');
const video = z.string().regex(/^https?:\/\/\S+$/, 'not a video address');
const text = z.string().min(1);

/** Lengths are text before 4.0: `"5"`. */
const seconds = (min: number, max: number) =>
  z.enum(Array.from({ length: max - min + 1 }, (_, index) => String(min + index)));
const fiveOrTen = z.enum(['5', '10']).optional();

const ratio = z.enum(['16:9', '9:16', '1:1']).optional();
const ratioOrAuto = z.enum(['auto', '16:9', '9:16', '1:1']).optional();
const flag = z.boolean().optional();
const negative = { negative_prompt: z.string().optional() };
const refined = { ...negative, cfg_scale: z.number().min(0).max(1).optional() };
const shotType = { shot_type: z.enum(['customize', 'intelligent']).optional() };

const shots = z.array(z.strictObject({ prompt: text, duration: seconds(1, 15).optional() })).min(1);
const promptOrShots = { prompt: text.optional(), multi_prompt: shots.optional() };

interface Told {
  readonly prompt?: string | undefined;
  readonly multi_prompt?: readonly { readonly duration?: string | number | undefined }[] | undefined;
  readonly duration?: string | number | undefined;
}

/** Either a prompt or shots, not both; and what is said of the length is the length of the shots. */
function oneStory(input: Told, context: z.core.$RefinementCtx): void {
  const { prompt, multi_prompt: list, duration } = input;
  const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if ((prompt === undefined) === (list === undefined)) issue('prompt', 'either prompt or multi_prompt, but not both');
  const total = list?.reduce((sum, shot) => sum + Number(shot.duration ?? 5), 0);
  if (total !== undefined && duration !== undefined && total !== Number(duration)) {
    issue('duration', `the shots last ${total} seconds, not ${duration}`);
  }
}

/** With pictures from several sides, or a video with a voice. */
const comboElement = z.strictObject({
  frontal_image_url: image.optional(),
  reference_image_urls: z.array(image).min(1).max(3).optional(),
  video_url: video.optional(),
  voice_id: z.string().optional(),
});
const imageElement = z.strictObject({
  frontal_image_url: image.optional(),
  reference_image_urls: z.array(image).max(3).optional(),
});
const omniElement = z.strictObject({ frontal_image_url: image, reference_image_urls: z.array(image).min(1).max(3) });

interface Pictured {
  readonly image_urls?: readonly string[] | undefined;
  readonly start_image_url?: string | undefined;
  readonly elements?: readonly object[] | undefined;
}

const filmed = (elements: readonly object[] = []): number =>
  elements.filter((element) => 'video_url' in element).length;

const onlyOneFilmed = (input: Pictured): boolean => filmed(input.elements) <= 1;
const ONE_FILMED = { path: ['elements'], error: 'one element with a video per request' };

/** Elements, images and the start image share one limit. */
const atMost =
  (max: number, maxWithFilm = max) =>
  ({ image_urls: images = [], start_image_url: start, elements = [] }: Pictured): boolean =>
    images.length + elements.length + (start === undefined ? 0 : 1) <= (filmed(elements) > 0 ? maxWithFilm : max);
const TOO_MANY = { path: ['image_urls'], error: 'too many elements and images together' };

export const v4Text = z
  .strictObject({
    prompt: text.optional(),
    multi_prompt: z
      .array(z.strictObject({ prompt: text, duration: z.int().min(1).max(30) }))
      .min(1)
      .optional(),
    duration: z.int().min(3).max(30).optional(),
    resolution: z.enum(['720p', '1080p']).optional(),
    aspect_ratio: z.enum(['16:9', '9:16', '1:1', '21:9']).optional(),
  })
  .superRefine(oneStory);
export const v4Image = z
  .strictObject({
    prompt: text.optional(),
    multi_prompt: z
      .array(z.strictObject({ prompt: text, duration: z.int().min(1).max(30) }))
      .min(1)
      .optional(),
    duration: z.int().min(3).max(30).optional(),
    resolution: z.enum(['720p', '1080p']).optional(),
    start_image_url: image,
    middle_image_urls: z.array(image).max(8).optional(),
    end_image_url: image.optional(),
  })
  .superRefine(oneStory);

const v3 = { ...promptOrShots, ...shotType, ...refined, duration: seconds(3, 15).optional(), generate_audio: flag };
export const v3Text = z.strictObject({ ...v3, aspect_ratio: ratio }).superRefine(oneStory);
export const v3Image = z
  .strictObject({
    ...v3,
    start_image_url: image,
    end_image_url: image.optional(),
    elements: z.array(comboElement).optional(),
  })
  .superRefine(oneStory)
  .refine(onlyOneFilmed, ONE_FILMED);

const motion = {
  image_url: image,
  video_url: video,
  character_orientation: z.enum(['image', 'video']),
  prompt: text.optional(),
  keep_original_sound: flag,
};
export const v26Motion = z.strictObject(motion);
export const v3Motion = z
  .strictObject({ ...motion, elements: z.array(imageElement).max(1).optional() })
  .refine((input) => !input.elements || input.character_orientation === 'video', {
    path: ['elements'],
    error: 'an element goes with character_orientation video only',
  });

const turboPrompt = text.max(2_500);
const turbo = {
  prompt: turboPrompt.optional(),
  multi_prompt: z
    .array(z.strictObject({ prompt: turboPrompt, duration: seconds(1, 15).optional() }))
    .min(1)
    .max(6)
    .refine((list) => list.reduce((sum, shot) => sum + Number(shot.duration ?? 5), 0) <= 15, 'more than 15 seconds')
    .optional(),
  duration: seconds(3, 15).optional(),
};
export const turboText = z.strictObject({ ...turbo, aspect_ratio: ratio }).superRefine(oneStory);
export const turboImage = z
  .strictObject({ ...turbo, image_url: image })
  .refine(({ prompt, multi_prompt: list }) => prompt === undefined || list === undefined, {
    path: ['prompt'],
    error: 'either prompt or multi_prompt, but not both',
  });

const o3 = { ...promptOrShots, ...shotType, duration: seconds(3, 15).optional(), generate_audio: flag };
export const o3Text = z.strictObject({ ...o3, aspect_ratio: ratio }).superRefine(oneStory);
export const o3Image = z
  .strictObject({ ...o3, image_url: image, end_image_url: image.optional() })
  .superRefine(oneStory);
export const o3Reference = z
  .strictObject({
    ...o3,
    start_image_url: image.optional(),
    end_image_url: image.optional(),
    image_urls: z.array(image).optional(),
    elements: z.array(comboElement).optional(),
    aspect_ratio: ratio,
  })
  .superRefine(oneStory)
  .refine(onlyOneFilmed, ONE_FILMED)
  .refine(atMost(7, 4), TOO_MANY);

const o3Source = {
  prompt: text,
  video_url: video,
  image_urls: z.array(image).optional(),
  elements: z.array(imageElement).optional(),
  keep_audio: flag,
  ...shotType,
};
export const o3Edit = z.strictObject(o3Source).refine(atMost(4), TOO_MANY);
export const o3VideoReference = z
  .strictObject({ ...o3Source, aspect_ratio: ratioOrAuto, duration: seconds(3, 15).optional() })
  .refine(atMost(4), TOO_MANY);

const o1Seconds = seconds(3, 10).optional();
export const o1Image = z.strictObject({
  prompt: text,
  start_image_url: image,
  end_image_url: image.optional(),
  duration: o1Seconds,
});
const o1Pictures = { image_urls: z.array(image).optional(), elements: z.array(omniElement).optional() };
export const o1Reference = z
  .strictObject({ prompt: text, ...o1Pictures, aspect_ratio: ratio, duration: o1Seconds })
  .refine(atMost(7), TOO_MANY);
const o1Source = { prompt: text, video_url: video, ...o1Pictures, keep_audio: flag };
export const o1Edit = z.strictObject(o1Source).refine(atMost(4), TOO_MANY);
export const o1VideoReference = z
  .strictObject({ ...o1Source, aspect_ratio: ratioOrAuto, duration: o1Seconds })
  .refine(atMost(4), TOO_MANY);

export const v26Text = z.strictObject({
  prompt: text,
  duration: fiveOrTen,
  aspect_ratio: ratio,
  generate_audio: flag,
  ...refined,
});
/** No cfg_scale here. */
export const v26Image = z.strictObject({
  prompt: text,
  start_image_url: image,
  end_image_url: image.optional(),
  duration: fiveOrTen,
  generate_audio: flag,
  voice_ids: z.array(z.string()).max(2).optional(),
  ...negative,
});

const old = { prompt: text, duration: fiveOrTen, ...refined };
const tail = { tail_image_url: image.optional() };
export const oldText = z.strictObject({ ...old, aspect_ratio: ratio });
export const oldImage = z.strictObject({ ...old, image_url: image });
export const oldImageWithTail = z.strictObject({ ...old, image_url: image, ...tail });
export const oldImageWithRatio = z.strictObject({ ...old, image_url: image, ...tail, aspect_ratio: ratio });
export const oldImageWithMasks = z.strictObject({
  ...old,
  image_url: image,
  ...tail,
  aspect_ratio: ratio,
  static_mask_url: image.optional(),
  dynamic_masks: z
    .array(
      z.strictObject({
        mask_url: image,
        trajectories: z.array(z.strictObject({ x: z.number(), y: z.number() })).optional(),
      }),
    )
    .optional(),
});
export const oldElements = z.strictObject({
  prompt: text,
  input_image_urls: z.array(image).min(1).max(4),
  duration: fiveOrTen,
  aspect_ratio: ratio,
  ...negative,
});

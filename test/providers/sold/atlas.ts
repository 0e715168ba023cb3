/**
 * What Atlas Cloud sells of Kling: its catalog as seen 2026-08-28, the vendor's public nodes of 2026-03-20 and its model
 * pages of 2026. 2.0 is no model of ours, and avatars and effects are no tasks of ours.
 */
import {
  DANCES,
  each,
  FIRST_FRAME,
  HD,
  MOVES_LIKE,
  PICTURE_URL,
  SILENT_HD,
  SOURCE_VIDEO,
  type Sold,
  type Tier,
  UP_TO_4K,
} from '../sold.ts';

const PRO: readonly Tier[] = [
  ['1080p', false],
  ['1080p', true],
];

const fromText = { prompt: 'a paper boat', aspect_ratio: '9:16' };
const fromFrame = { prompt: 'she turns', input_reference: FIRST_FRAME };
const fromTwo = { ...fromFrame, image_tail: PICTURE_URL };

export const sold: readonly Sold[] = [
  ...each(UP_TO_4K, {
    model: 'kling-v3',
    task: 'text_to_video',
    fields: { ...fromText, seconds: 3, negative_prompt: 'text', cfg_scale: 0.3 },
  }),
  ...each(UP_TO_4K, { model: 'kling-v3', task: 'image_to_video', fields: { ...fromTwo, seconds: 4, cfg_scale: 1 } }),
  {
    model: 'kling-v3',
    task: 'text_to_video',
    resolution: '4k',
    audio: true,
    fields: {
      multi_shot: true,
      multi_prompt: [
        { prompt: 'door opens', duration: 1 },
        { prompt: 'he walks in', duration: 3 },
      ],
    },
  },
  {
    model: 'kling-v3',
    task: 'image_to_video',
    resolution: '4k',
    audio: false,
    fields: { ...fromFrame, seconds: 3, multi_shot: true, shot_type: 'intelligence' },
  },
  { model: 'kling-v3', task: 'text_to_video', resolution: '720p', audio: false, fields: { ...fromText, seconds: 15 } },
  ...each(SILENT_HD, {
    model: 'kling-v3',
    task: 'motion_control',
    fields: MOVES_LIKE,
  }),
  ...each(SILENT_HD, {
    model: 'kling-v3',
    task: 'motion_control',
    fields: DANCES,
  }),
  { model: 'kling-v3-turbo', task: 'text_to_video', resolution: '720p', audio: true, fields: fromText },
  {
    model: 'kling-v3-turbo',
    task: 'image_to_video',
    resolution: '720p',
    audio: true,
    fields: { ...fromTwo, seconds: 15 },
  },
  ...each(HD, { model: 'kling-o3', task: 'text_to_video', fields: { ...fromText, aspect_ratio: '1:1', seconds: 3 } }),
  ...each(UP_TO_4K.slice(4), {
    model: 'kling-o3',
    task: 'text_to_video',
    fields: { ...fromText, aspect_ratio: '16:9', seconds: 3 },
  }),
  ...each(UP_TO_4K, { model: 'kling-o3', task: 'image_to_video', fields: { ...fromTwo, seconds: 5 } }),
  {
    model: 'kling-o3',
    task: 'image_to_video',
    resolution: '4k',
    audio: false,
    fields: { input_reference: PICTURE_URL, multi_prompt: [{ prompt: 'rain on @image_1', duration: 3 }] },
  },
  ...each(HD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: 'in the style of @image_1, with @image_7',
      seconds: 3,
      aspect_ratio: '9:16',
      reference_images: [FIRST_FRAME, ...Array.from({ length: 6 }, () => PICTURE_URL)],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: 'same motion as @video_1',
      seconds: 10,
      video_url: SOURCE_VIDEO,
      video_use: 'feature',
      reference_images: [PICTURE_URL],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'video_edit',
    fields: {
      prompt: 'put on the hat of @image_1',
      video_url: SOURCE_VIDEO,
      reference_images: Array.from({ length: 4 }, () => PICTURE_URL),
      keep_original_sound: false,
    },
  }),
  { model: 'kling-o1', task: 'text_to_video', resolution: '720p', audio: false, fields: { ...fromText, seconds: 10 } },
  { model: 'kling-o1', task: 'image_to_video', resolution: '720p', audio: false, fields: fromFrame },
  ...each(PRO, { model: 'kling-v2-6', task: 'text_to_video', fields: { ...fromText, cfg_scale: 0 } }),
  ...each(PRO, { model: 'kling-v2-6', task: 'image_to_video', fields: { ...fromTwo, negative_prompt: 'text' } }),
  ...each(SILENT_HD, {
    model: 'kling-v2-6',
    task: 'motion_control',
    fields: { input_reference: PICTURE_URL, video_url: SOURCE_VIDEO },
  }),
  {
    model: 'kling-v2-5-turbo',
    task: 'text_to_video',
    resolution: '1080p',
    audio: false,
    fields: { ...fromText, seconds: 10, cfg_scale: 0.5, negative_prompt: 'text' },
  },
  { model: 'kling-v2-5-turbo', task: 'image_to_video', resolution: '1080p', audio: false, fields: fromTwo },
  ...each(SILENT_HD, {
    model: 'kling-v2-1',
    task: 'image_to_video',
    fields: { ...fromFrame, negative_prompt: 'text' },
  }),
  {
    model: 'kling-v2-1',
    task: 'image_to_video',
    resolution: '1080p',
    audio: false,
    fields: { ...fromTwo, cfg_scale: 0.7 },
  },
  { model: 'kling-v2-1-master', task: 'text_to_video', resolution: '1080p', audio: false, fields: fromText },
  {
    model: 'kling-v2-1-master',
    task: 'image_to_video',
    resolution: '1080p',
    audio: false,
    fields: { ...fromFrame, cfg_scale: 0.2 },
  },
  { model: 'kling-v1-6', task: 'text_to_video', resolution: '720p', audio: false, fields: fromText },
  ...each(SILENT_HD, { model: 'kling-v1-6', task: 'image_to_video', fields: fromFrame }),
  ...each(SILENT_HD, {
    model: 'kling-v1-6',
    task: 'reference_to_video',
    fields: { prompt: 'both meet', reference_images: [PICTURE_URL, FIRST_FRAME] },
  }),
];

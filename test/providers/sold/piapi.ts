/**
 * What PiAPI sells of Kling, from its product pages and docs (kling-api, kling-3-api, kling-3-omni-api, kling-o1-api,
 * kling-motion-control-api, 2025-12 to 2026-02; kling-4, 2026-10). Extensions follow a video that was made before, so they
 * have a test of their own.
 */
import {
  DANCES,
  each,
  FIRST_FRAME,
  HD,
  MOVES_LIKE,
  PICTURE_URL,
  SILENT_HD,
  SOUNDING_HD,
  SOURCE_VIDEO,
  type Sold,
  type Tier,
} from '../sold.ts';

const STANDARD: readonly Tier[] = [['720p', false]];
const PRO: readonly Tier[] = [['1080p', false]];

const SHOTS = {
  multi_shot: true,
  multi_prompt: [
    { prompt: 'the door opens', duration: 1 },
    { prompt: 'she walks in', duration: 3 },
  ],
};

const newest: readonly Sold[] = [
  ...each(SOUNDING_HD, {
    model: 'kling-v4',
    task: 'text_to_video',
    fields: { prompt: 'rain on a tin roof', seconds: 16, aspect_ratio: '16:9' },
  }),
  ...each(HD, {
    model: 'kling-v3',
    task: 'text_to_video',
    fields: { prompt: 'rain on a tin roof', seconds: 3, aspect_ratio: '9:16', negative_prompt: 'text' },
  }),
  ...each(HD, {
    model: 'kling-v3',
    task: 'image_to_video',
    fields: { prompt: 'she turns', seconds: 4, input_reference: FIRST_FRAME, image_tail: PICTURE_URL },
  }),
  ...each(STANDARD, { model: 'kling-v3', task: 'text_to_video', fields: { prompt: '', ...SHOTS } }),
  ...each(STANDARD, {
    model: 'kling-v3',
    task: 'image_to_video',
    fields: {
      prompt: 'a story',
      seconds: 15,
      input_reference: PICTURE_URL,
      multi_shot: true,
      shot_type: 'intelligence',
    },
  }),
  ...each(SOUNDING_HD, {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat', seconds: 3, aspect_ratio: '1:1' },
  }),
  ...each(SOUNDING_HD, {
    model: 'kling-v3-turbo',
    task: 'image_to_video',
    fields: { prompt: 'it drifts', seconds: 4, input_reference: PICTURE_URL },
  }),
];

const motion: readonly Sold[] = ['kling-v3', 'kling-v2-6'].flatMap((model) => [
  ...each(SILENT_HD, {
    model,
    task: 'motion_control',
    fields: MOVES_LIKE,
  }),
  ...each(SILENT_HD, {
    model,
    task: 'motion_control',
    fields: DANCES,
  }),
]);

const omni: readonly Sold[] = [
  ...each(HD, {
    model: 'kling-o3',
    task: 'text_to_video',
    fields: { prompt: 'a lighthouse', seconds: 3, aspect_ratio: '1:1' },
  }),
  ...each(STANDARD, { model: 'kling-o3', task: 'text_to_video', fields: { prompt: '', ...SHOTS } }),
  ...each(HD, {
    model: 'kling-o3',
    task: 'image_to_video',
    fields: { prompt: 'she smiles', seconds: 5, input_reference: FIRST_FRAME, image_tail: PICTURE_URL },
  }),
  ...each(HD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: '<<<image_1>>> meets @Image2',
      seconds: 6,
      reference_images: [PICTURE_URL, FIRST_FRAME, PICTURE_URL, FIRST_FRAME],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: { prompt: 'moving like <<<video_1>>>', seconds: 3, video_url: SOURCE_VIDEO, video_use: 'feature' },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'video_edit',
    fields: { prompt: 'in winter, with @image_1', video_url: SOURCE_VIDEO, reference_images: [PICTURE_URL] },
  }),
  ...each(SILENT_HD, { model: 'kling-o1', task: 'text_to_video', fields: { prompt: 'a lighthouse', seconds: 5 } }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'image_to_video',
    fields: { prompt: 'she smiles', seconds: 10, input_reference: FIRST_FRAME },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'reference_to_video',
    fields: { prompt: '@image_1 in the rain', seconds: 5, reference_images: [PICTURE_URL] },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'reference_to_video',
    fields: { prompt: 'filmed like @video', seconds: 10, video_url: SOURCE_VIDEO, video_use: 'feature' },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'video_edit',
    fields: { prompt: 'make @video_1 a drawing', video_url: SOURCE_VIDEO },
  }),
];

const fromText = { prompt: 'a red kite', seconds: 5, negative_prompt: 'text', cfg_scale: 0.7, aspect_ratio: '9:16' };
const fromImage = { prompt: 'it climbs', seconds: 10, input_reference: FIRST_FRAME };
const withTail = { ...fromImage, seconds: 5, image_tail: PICTURE_URL, cfg_scale: 0.5 };

const older: readonly Sold[] = [
  ...each([...SILENT_HD, ['1080p', true]], { model: 'kling-v2-6', task: 'text_to_video', fields: fromText }),
  ...each([...SILENT_HD, ['1080p', true]], { model: 'kling-v2-6', task: 'image_to_video', fields: withTail }),
  ...each(SILENT_HD, { model: 'kling-v2-5-turbo', task: 'text_to_video', fields: fromText }),
  ...each(SILENT_HD, { model: 'kling-v2-5-turbo', task: 'image_to_video', fields: withTail }),
  ...each(SILENT_HD, { model: 'kling-v2-1', task: 'image_to_video', fields: withTail }),
  ...each(PRO, { model: 'kling-v2-1-master', task: 'text_to_video', fields: fromText }),
  ...each(PRO, { model: 'kling-v2-1-master', task: 'image_to_video', fields: fromImage }),
  ...each(SILENT_HD, { model: 'kling-v1-6', task: 'text_to_video', fields: fromText }),
  ...each(STANDARD, {
    model: 'kling-v1-6',
    task: 'text_to_video',
    fields: { ...fromText, camera_control: { type: 'simple', config: { zoom: 5 } } },
  }),
  ...each(SILENT_HD, { model: 'kling-v1-6', task: 'image_to_video', fields: withTail }),
  ...each(SILENT_HD, {
    model: 'kling-v1-6',
    task: 'reference_to_video',
    fields: {
      prompt: 'the two of them',
      seconds: 10,
      aspect_ratio: '1:1',
      reference_images: [PICTURE_URL, FIRST_FRAME],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-v1-5',
    task: 'text_to_video',
    fields: { ...fromText, camera_control: { type: 'forward_up' } },
  }),
  ...each(SILENT_HD, { model: 'kling-v1-5', task: 'image_to_video', fields: fromImage }),
];

export const sold: readonly Sold[] = [...newest, ...motion, ...omni, ...older];

/** What official Kling sells: kling.ai/document-api endpoints and its video price page, 2026-09-20, row by row. */
import type { Resolution, Task } from '../../../src/ground/models.ts';
import { FIRST_FRAME, PICTURE_URL, SOURCE_VIDEO, type Sold } from '../sold.ts';

const PROMPT = 'a red kite over dunes';
const FROM_TEXT = { prompt: PROMPT };
const FROM_FRAME = { prompt: PROMPT, input_reference: FIRST_FRAME };
const FROM_PICTURES = { prompt: `${PROMPT}, like @image_1 and @image_2`, reference_images: [PICTURE_URL, PICTURE_URL] };
const FEATURE = { prompt: `${PROMPT}, moving as in @video_1`, video_url: SOURCE_VIDEO, video_use: 'feature' };
const EDIT = { prompt: 'make it snow in @video_1', video_url: SOURCE_VIDEO, video_use: 'base' };
const MOTION = { video_url: SOURCE_VIDEO, input_reference: FIRST_FRAME };

const HD: readonly Resolution[] = ['720p', '1080p'];
const UP_TO_4K: readonly Resolution[] = [...HD, '4k'];
const FULL_HD: readonly Resolution[] = ['1080p'];
const SILENT = [false];
const SOUND = [true];
const EITHER = [false, true];

type Row = readonly [
  model: string,
  task: Task,
  resolutions: readonly Resolution[],
  audio: readonly boolean[],
  fields: Readonly<Record<string, unknown>>,
];

const ROWS: readonly Row[] = [
  ['kling-v3', 'text_to_video', UP_TO_4K, EITHER, { ...FROM_TEXT, seconds: 3 }],
  ['kling-v3', 'image_to_video', UP_TO_4K, EITHER, { ...FROM_FRAME, seconds: 3 }],
  ['kling-v3', 'motion_control', HD, SILENT, { ...MOTION, character_orientation: 'image' }],
  ['kling-v3', 'motion_control', HD, SILENT, { ...MOTION, character_orientation: 'video', prompt: PROMPT }],
  ['kling-v3-turbo', 'text_to_video', HD, SOUND, { ...FROM_TEXT, seconds: 15 }],
  ['kling-v3-turbo', 'image_to_video', HD, SOUND, { ...FROM_FRAME, seconds: 3 }],
  ['kling-o3', 'text_to_video', UP_TO_4K, EITHER, { ...FROM_TEXT, seconds: 3 }],
  ['kling-o3', 'image_to_video', UP_TO_4K, EITHER, { ...FROM_FRAME, seconds: 3 }],
  ['kling-o3', 'reference_to_video', UP_TO_4K, EITHER, { ...FROM_PICTURES, seconds: 3 }],
  ['kling-o3', 'reference_to_video', UP_TO_4K, SILENT, { ...FEATURE, seconds: 5 }],
  ['kling-o3', 'video_edit', UP_TO_4K, SILENT, EDIT],
  ['kling-o1', 'text_to_video', HD, SILENT, { ...FROM_TEXT, seconds: 5 }],
  ['kling-o1', 'image_to_video', HD, SILENT, { ...FROM_FRAME, seconds: 5 }],
  ['kling-o1', 'reference_to_video', HD, SILENT, { ...FROM_PICTURES, seconds: 4 }],
  ['kling-o1', 'reference_to_video', HD, SILENT, { ...FEATURE, seconds: 5 }],
  ['kling-o1', 'video_edit', HD, SILENT, { ...EDIT, reference_images: [PICTURE_URL], keep_original_sound: true }],
  ['kling-v2-6', 'text_to_video', HD, SILENT, { ...FROM_TEXT, seconds: 5 }],
  ['kling-v2-6', 'text_to_video', FULL_HD, SOUND, { ...FROM_TEXT, seconds: 10 }],
  ['kling-v2-6', 'image_to_video', HD, SILENT, { ...FROM_FRAME, seconds: 5 }],
  ['kling-v2-6', 'image_to_video', FULL_HD, SOUND, { ...FROM_FRAME, seconds: 5 }],
  ['kling-v2-6', 'image_to_video', FULL_HD, SOUND, { ...FROM_FRAME, seconds: 5, voice_list: ['voice-1'] }],
  ['kling-v2-6', 'motion_control', HD, SILENT, MOTION],
  ['kling-v2-5-turbo', 'text_to_video', HD, SILENT, { ...FROM_TEXT, seconds: 5 }],
  ['kling-v2-5-turbo', 'image_to_video', HD, SILENT, { ...FROM_FRAME, seconds: 10 }],
  ['kling-v2-1', 'image_to_video', HD, SILENT, { ...FROM_FRAME, seconds: 5 }],
  ['kling-v2-1-master', 'text_to_video', FULL_HD, SILENT, { ...FROM_TEXT, seconds: 5 }],
  ['kling-v2-1-master', 'image_to_video', FULL_HD, SILENT, { ...FROM_FRAME, seconds: 10 }],
  ['kling-v1-6', 'text_to_video', HD, SILENT, { ...FROM_TEXT, seconds: 5, cfg_scale: 0.5 }],
  ['kling-v1-6', 'image_to_video', HD, SILENT, { ...FROM_FRAME, seconds: 10, negative_prompt: 'blur' }],
  ['kling-v1-6', 'reference_to_video', HD, SILENT, { ...FROM_PICTURES, seconds: 5 }],
  ['kling-v1-5', 'image_to_video', HD, SILENT, { ...FROM_FRAME, seconds: 5 }],
  [
    'kling-v1-5',
    'image_to_video',
    FULL_HD,
    SILENT,
    { ...FROM_FRAME, seconds: 5, camera_control: { type: 'simple', config: { zoom: 5 } } },
  ],
  ['kling-v1-5', 'image_to_video', FULL_HD, SILENT, { ...FROM_FRAME, seconds: 5, static_mask: FIRST_FRAME }],
];

export const sold: readonly Sold[] = ROWS.flatMap(([model, task, resolutions, sounds, fields]) =>
  resolutions.flatMap((resolution) => sounds.map((audio) => ({ model, task, resolution, audio, fields }))),
);

/**
 * What fal sells of Kling, from the endpoint ids and input types of its own client (fal-ai/fal-js, 2026-08-02) and from
 * its model pages (2026). Elements are sold too, as pictures: no request here can carry them.
 */
import {
  DANCES,
  EDITED,
  each,
  FIRST_FRAME,
  MOVES_LIKE,
  PICTURE_URL,
  SILENT_HD,
  SOUNDING_HD,
  SOURCE_VIDEO,
  type Sold,
  type Tier,
  UP_TO_4K,
} from '../sold.ts';

const STANDARD: readonly Tier[] = [['720p', false]];
const PRO: readonly Tier[] = [['1080p', false]];
const PRO_BOTH: readonly Tier[] = [...PRO, ['1080p', true]];

const v4: readonly Sold[] = [
  ...each(SOUNDING_HD, {
    model: 'kling-v4',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat', seconds: 3, aspect_ratio: '21:9' },
  }),
  ...each(SOUNDING_HD, {
    model: 'kling-v4',
    task: 'image_to_video',
    fields: { prompt: 'she turns', seconds: 4, input_reference: FIRST_FRAME, image_tail: PICTURE_URL },
  }),
  ...each([['720p', true]], {
    model: 'kling-v4',
    task: 'text_to_video',
    fields: {
      multi_prompt: [
        { prompt: 'rain', duration: 1 },
        { prompt: 'sun', duration: 29 },
      ],
    },
  }),
];

const v3: readonly Sold[] = [
  ...each(UP_TO_4K, {
    model: 'kling-v3',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat', seconds: 3, aspect_ratio: '9:16', negative_prompt: 'text', cfg_scale: 0.7 },
  }),
  ...each(UP_TO_4K, {
    model: 'kling-v3',
    task: 'image_to_video',
    fields: { prompt: 'she turns', seconds: 3, input_reference: FIRST_FRAME, image_tail: PICTURE_URL, cfg_scale: 0 },
  }),
  ...each(STANDARD, {
    model: 'kling-v3',
    task: 'image_to_video',
    fields: {
      input_reference: PICTURE_URL,
      multi_prompt: [
        { prompt: 'door opens', duration: 2 },
        { prompt: 'he walks in', duration: 3 },
      ],
    },
  }),
  ...each(PRO, {
    model: 'kling-v3',
    task: 'text_to_video',
    fields: { prompt: 'a story in three shots', seconds: 15, multi_shot: true, shot_type: 'intelligence' },
  }),
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
  ...each(SOUNDING_HD, {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat', seconds: 4, aspect_ratio: '1:1' },
  }),
  ...each(SOUNDING_HD, {
    model: 'kling-v3-turbo',
    task: 'image_to_video',
    fields: { prompt: 'it drifts', seconds: 3, input_reference: FIRST_FRAME },
  }),
  ...each([['720p', true]], {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    fields: { multi_prompt: Array.from({ length: 6 }, () => ({ prompt: 'rain', duration: 1 })) },
  }),
];

const o3: readonly Sold[] = [
  ...each(UP_TO_4K, {
    model: 'kling-o3',
    task: 'text_to_video',
    fields: { prompt: 'by the sea', seconds: 3 },
  }),
  ...each(UP_TO_4K, {
    model: 'kling-o3',
    task: 'image_to_video',
    fields: { prompt: 'she smiles', seconds: 3, input_reference: FIRST_FRAME, image_tail: PICTURE_URL },
  }),
  ...each(UP_TO_4K, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: 'in the style of @image_1',
      seconds: 3,
      aspect_ratio: '1:1',
      reference_images: Array.from({ length: 7 }, () => PICTURE_URL),
    },
  }),
  ...each(STANDARD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: 'as in <<<image_2>>>',
      seconds: 15,
      input_reference: FIRST_FRAME,
      image_tail: PICTURE_URL,
      reference_images: [PICTURE_URL, FIRST_FRAME],
    },
  }),
  ...each(PRO, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      seconds: 4,
      reference_images: [PICTURE_URL],
      multi_prompt: [
        { prompt: '@image_1 sleeps', duration: 1 },
        { prompt: '@image_1 wakes', duration: 3 },
      ],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: 'the motion of @video_1 in a snowy street',
      seconds: 10,
      video_url: SOURCE_VIDEO,
      video_use: 'feature',
      reference_images: [PICTURE_URL, PICTURE_URL, PICTURE_URL, PICTURE_URL],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'video_edit',
    fields: { prompt: 'warm grade', video_url: SOURCE_VIDEO, keep_original_sound: false },
  }),
];

const o1: readonly Sold[] = [
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'image_to_video',
    fields: { prompt: 'the cat walks', seconds: 5, input_reference: FIRST_FRAME },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'image_to_video',
    fields: { prompt: 'from @image_1 to @image_2', seconds: 3, input_reference: FIRST_FRAME, image_tail: PICTURE_URL },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'reference_to_video',
    fields: { prompt: '@Image1 at night', seconds: 10, reference_images: [PICTURE_URL, FIRST_FRAME] },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'reference_to_video',
    fields: { prompt: 'the next shot', seconds: 3, video_url: SOURCE_VIDEO, video_use: 'feature' },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o1',
    task: 'video_edit',
    fields: EDITED,
  }),
];

/** Only pro, but for motion control. */
const v26: readonly Sold[] = [
  ...each(PRO_BOTH, {
    model: 'kling-v2-6',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat', seconds: 5, negative_prompt: 'text', cfg_scale: 1 },
  }),
  ...each(PRO_BOTH, {
    model: 'kling-v2-6',
    task: 'image_to_video',
    fields: { prompt: 'she turns', seconds: 10, input_reference: FIRST_FRAME, negative_prompt: 'text' },
  }),
  ...each([['1080p', true]], {
    model: 'kling-v2-6',
    task: 'image_to_video',
    fields: {
      prompt: '<<<voice_1>>> she says, @voice_2 he answers',
      seconds: 5,
      input_reference: PICTURE_URL,
      image_tail: PICTURE_URL,
      voice_list: ['v-1', 'v-2'],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-v2-6',
    task: 'motion_control',
    fields: MOVES_LIKE,
  }),
  ...each(SILENT_HD, {
    model: 'kling-v2-6',
    task: 'motion_control',
    fields: { input_reference: PICTURE_URL, video_url: SOURCE_VIDEO, character_orientation: 'video' },
  }),
];

const fromText = { prompt: 'a paper boat', seconds: 5, aspect_ratio: '9:16', negative_prompt: 'text', cfg_scale: 0.5 };
const fromImage = { prompt: 'she turns', seconds: 5, input_reference: FIRST_FRAME };
const fromTwo = { ...fromImage, image_tail: PICTURE_URL, negative_prompt: 'text', cfg_scale: 0.3 };

const older: readonly Sold[] = [
  ...each(PRO, { model: 'kling-v2-5-turbo', task: 'text_to_video', fields: fromText }),
  ...each(SILENT_HD, { model: 'kling-v2-5-turbo', task: 'image_to_video', fields: fromImage }),
  ...each(PRO, { model: 'kling-v2-5-turbo', task: 'image_to_video', fields: fromTwo }),
  ...each(SILENT_HD, { model: 'kling-v2-1', task: 'image_to_video', fields: fromImage }),
  ...each(PRO, { model: 'kling-v2-1', task: 'image_to_video', fields: fromTwo }),
  ...each(PRO, { model: 'kling-v2-1-master', task: 'text_to_video', fields: fromText }),
  ...each(PRO, { model: 'kling-v2-1-master', task: 'image_to_video', fields: fromImage }),
  ...each(SILENT_HD, { model: 'kling-v1-6', task: 'text_to_video', fields: fromText }),
  ...each(SILENT_HD, { model: 'kling-v1-6', task: 'image_to_video', fields: fromImage }),
  ...each(PRO, { model: 'kling-v1-6', task: 'image_to_video', fields: fromTwo }),
  ...each(SILENT_HD, {
    model: 'kling-v1-6',
    task: 'reference_to_video',
    fields: {
      prompt: 'the cat in the hat',
      seconds: 10,
      reference_images: [PICTURE_URL, PICTURE_URL, PICTURE_URL, FIRST_FRAME],
      negative_prompt: 'text',
    },
  }),
  ...each(PRO, { model: 'kling-v1-5', task: 'text_to_video', fields: fromText }),
  ...each(PRO, { model: 'kling-v1-5', task: 'image_to_video', fields: fromTwo }),
  ...each(PRO, {
    model: 'kling-v1-5',
    task: 'image_to_video',
    fields: {
      ...fromImage,
      static_mask: PICTURE_URL,
      dynamic_masks: [
        {
          mask: PICTURE_URL,
          trajectories: [
            { x: 10, y: 20 },
            { x: 30, y: 40 },
          ],
        },
      ],
    },
  }),
];

export const sold: readonly Sold[] = [...v4, ...v3, ...o3, ...o1, ...v26, ...older];

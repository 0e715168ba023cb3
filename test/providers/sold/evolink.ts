/**
 * What EvoLink sells, from its model pages and its public price rules of 2026-10-10: 13 of its 14 ids. The other one,
 * `kling-custom-element`, makes no video.
 */
import {
  EDITED,
  each,
  FIRST_FRAME,
  MOVES_LIKE,
  PICTURE_URL,
  SILENT_HD,
  SOUNDING_HD,
  SOURCE_VIDEO,
  type Sold,
  UP_TO_4K,
} from '../sold.ts';

export const sold: readonly Sold[] = [
  ...each(UP_TO_4K, {
    model: 'kling-v3',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat', seconds: 3, aspect_ratio: '9:16', negative_prompt: 'text' },
  }),
  ...each(UP_TO_4K, {
    model: 'kling-v3',
    task: 'image_to_video',
    fields: { prompt: 'she turns', seconds: 4, input_reference: FIRST_FRAME, image_tail: PICTURE_URL },
  }),
  {
    model: 'kling-v3',
    task: 'image_to_video',
    resolution: '720p',
    audio: true,
    fields: {
      seconds: 5,
      input_reference: PICTURE_URL,
      multi_shot: true,
      multi_prompt: [
        { prompt: 'door opens', duration: 2 },
        { prompt: '@element_1 walks in', duration: 3 },
      ],
      element_list: [{ element_id: 'e-1' }],
      watermark: true,
    },
  },
  {
    model: 'kling-v3',
    task: 'text_to_video',
    resolution: '1080p',
    audio: false,
    fields: { prompt: 'a story in three shots', seconds: 15, multi_shot: true, shot_type: 'intelligence' },
  },
  ...each(SILENT_HD, {
    model: 'kling-v3',
    task: 'motion_control',
    fields: MOVES_LIKE,
  }),
  ...each(SILENT_HD, {
    model: 'kling-v3',
    task: 'motion_control',
    fields: {
      prompt: 'she dances',
      input_reference: PICTURE_URL,
      video_url: SOURCE_VIDEO,
      character_orientation: 'video',
      element_list: ['e-1'],
      keep_original_sound: false,
    },
  }),
  ...each(SOUNDING_HD, {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    fields: { prompt: 'a paper boat in a gutter stream', seconds: 3, aspect_ratio: '9:16' },
  }),
  ...each(SOUNDING_HD, {
    model: 'kling-v3-turbo',
    task: 'image_to_video',
    fields: { prompt: 'it drifts', seconds: 4, input_reference: FIRST_FRAME },
  }),
  {
    model: 'kling-v3-turbo',
    task: 'text_to_video',
    resolution: '720p',
    audio: true,
    fields: {
      multi_shot: true,
      multi_prompt: [
        { prompt: 'rain', duration: 1 },
        { prompt: 'sun', duration: 2 },
      ],
    },
  },
  ...each(UP_TO_4K, {
    model: 'kling-o3',
    task: 'text_to_video',
    fields: { prompt: '@element_1 by the sea', seconds: 3, element_list: ['e-1'] },
  }),
  ...each(UP_TO_4K, {
    model: 'kling-o3',
    task: 'image_to_video',
    fields: { prompt: 'she smiles', seconds: 5, input_reference: FIRST_FRAME, image_tail: FIRST_FRAME },
  }),
  ...each(UP_TO_4K, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: { prompt: 'in the style of @image_1', seconds: 15, reference_images: [PICTURE_URL, FIRST_FRAME] },
  }),
  {
    model: 'kling-o3',
    task: 'reference_to_video',
    resolution: '720p',
    audio: false,
    fields: {
      prompt: 'as in @image_1, with @element_3',
      seconds: 3,
      input_reference: PICTURE_URL,
      reference_images: [PICTURE_URL, PICTURE_URL, PICTURE_URL],
      element_list: ['e-1', 'e-2', 'e-3'],
    },
  },
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'reference_to_video',
    fields: {
      prompt: 'same motion as @video_1, snowy street',
      seconds: 10,
      video_url: SOURCE_VIDEO,
      video_use: 'feature',
      reference_images: [PICTURE_URL, PICTURE_URL, PICTURE_URL],
      element_list: ['e-1'],
    },
  }),
  ...each(SILENT_HD, {
    model: 'kling-o3',
    task: 'video_edit',
    fields: { prompt: 'warm grade', video_url: SOURCE_VIDEO, keep_original_sound: false },
  }),
  {
    model: 'kling-o1',
    task: 'image_to_video',
    resolution: '720p',
    audio: false,
    fields: { prompt: 'the cat walks', seconds: 5, input_reference: FIRST_FRAME },
  },
  {
    model: 'kling-o1',
    task: 'image_to_video',
    resolution: '720p',
    audio: false,
    fields: { prompt: 'the cat walks', seconds: 10, input_reference: PICTURE_URL, image_tail: PICTURE_URL },
  },
  {
    model: 'kling-o1',
    task: 'video_edit',
    resolution: '720p',
    audio: false,
    fields: EDITED,
  },
  {
    model: 'kling-o1-fast',
    task: 'video_edit',
    resolution: '720p',
    audio: false,
    fields: EDITED,
  },
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

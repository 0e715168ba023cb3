/**
 * The bodies of the legacy generation: `model_name` in the body, seconds as text, sound as `on` and `off`.
 * Source: kling.ai/document-api, legacy video endpoints, mirrored 2026-09-20; capability table of betasecond/KlingDemo.
 */
import type { Resolution } from '../../src/ground/models.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Json, Submission } from '../contract.ts';
import { inBrackets, writeReferences } from '../prompt.ts';
import { readUpstream } from './handle.ts';

type Body = { readonly [field: string]: Json | undefined };

const MODE = { '720p': 'std', '1080p': 'pro', '4k': '4k' } as const satisfies Record<Resolution, string>;
/** Models whose requests name `sound`; older ones have none, and O1 takes none. */
const WITH_SOUND: readonly string[] = ['kling-v2-6', 'kling-v3', 'kling-v3-omni'];

/** The body of a submission to the endpoint that its `upstream` names. */
export function legacyBody(submission: Submission): Json {
  const { path, model } = readUpstream(submission.upstream);
  const named = model === '' ? {} : { model_name: model };
  return { ...named, ...inputOf(path, model, submission), ...sharedOf(submission) };
}

function inputOf(path: string, model: string, submission: Submission): Body {
  const { request, media } = submission;
  switch (path) {
    case '/v1/videos/text2video':
      return { ...wordsOf(request), ...formOf(request, model), aspect_ratio: request.aspectRatio ?? '16:9' };
    case '/v1/videos/image2video':
      return {
        image: media.firstFrame,
        ...(media.lastFrame !== undefined && { image_tail: media.lastFrame }),
        ...wordsOf(request),
        ...formOf(request, model),
        ...elementsOf(request),
        ...masksOf(submission),
      };
    case '/v1/videos/multi-image2video':
      return {
        image_list: media.references.map((image) => ({ image })),
        ...wordsOf(request),
        ...formOf(request, model),
        aspect_ratio: request.aspectRatio ?? '16:9',
      };
    case '/v1/videos/omni-video':
      return omniInput(submission, model);
    case '/v1/videos/motion-control':
      return motionInput(submission);
    default:
      return { video_id: media.extendedVideoId, ...wordsOf(request), ...cfgScaleOf(request) };
  }
}

const promptOf = (prompt: string): string => writeReferences(prompt, inBrackets);

function wordsOf({ prompt, negativePrompt }: VideoRequest): Body {
  return {
    ...(prompt !== '' && { prompt: promptOf(prompt) }),
    ...(negativePrompt !== undefined && { negative_prompt: negativePrompt }),
  };
}

/** `mode` is always said: its default differs from endpoint to endpoint. */
function formOf(request: VideoRequest, model: string): Body {
  return {
    mode: MODE[request.resolution],
    ...(request.seconds !== null && { duration: String(request.seconds) }),
    ...(WITH_SOUND.includes(model) && { sound: request.audio || request.voices.length > 0 ? 'on' : 'off' }),
    ...cfgScaleOf(request),
    ...(request.camera && { camera_control: cameraOf(request.camera) }),
    ...(request.multiShot && shotsOf(request.multiShot)),
    ...(request.voices.length > 0 && { voice_list: request.voices.map(({ id }) => ({ voice_id: id })) }),
  };
}

const cfgScaleOf = ({ cfgScale }: VideoRequest): Body => (cfgScale === undefined ? {} : { cfg_scale: cfgScale });

const cameraOf = ({ type, config }: NonNullable<VideoRequest['camera']>): Json => ({ type, ...(config && { config }) });

function shotsOf({ type, shots }: NonNullable<VideoRequest['multiShot']>): Body {
  if (type === 'intelligence') return { multi_shot: true, shot_type: 'intelligence' };
  return {
    multi_shot: true,
    shot_type: 'customize',
    multi_prompt: shots.map(({ prompt, seconds }, index) => ({
      index: index + 1,
      prompt: promptOf(prompt),
      duration: String(seconds),
    })),
  };
}

/** Element ids are longs on this generation; one that JSON numbers cannot carry goes as text. */
function elementsOf({ elements }: VideoRequest): Body {
  const idOf = (id: string): Json => (/^\d+$/.test(id) && Number.isSafeInteger(Number(id)) ? Number(id) : id);
  return elements.length === 0 ? {} : { element_list: elements.map(({ id }) => ({ element_id: idOf(id) })) };
}

function masksOf({ media: { staticMask, dynamicMasks } }: Submission): Body {
  return {
    ...(staticMask !== undefined && { static_mask: staticMask }),
    ...(dynamicMasks.length > 0 && {
      dynamic_masks: dynamicMasks.map(({ mask, trajectory }) => ({
        mask,
        trajectories: trajectory.map(({ x, y }) => ({ x, y })),
      })),
    }),
  };
}

/** Images are numbered in the order of the list: references first, so that `<<<image_1>>>` is the first of them. */
function omniInput({ request, media }: Submission, model: string): Body {
  const images: Json[] = [
    ...media.references.map((image_url) => ({ image_url })),
    ...(media.firstFrame === undefined ? [] : [{ image_url: media.firstFrame, type: 'first_frame' }]),
    ...(media.lastFrame === undefined ? [] : [{ image_url: media.lastFrame, type: 'end_frame' }]),
  ];
  const keepsSound = request.keepOriginalSound === true ? 'yes' : 'no';
  return {
    ...wordsOf(request),
    ...formOf(request, model),
    ...(media.firstFrame === undefined && media.video === undefined && { aspect_ratio: request.aspectRatio ?? '16:9' }),
    ...(images.length > 0 && { image_list: images }),
    ...elementsOf(request),
    ...(media.video !== undefined && {
      video_list: [{ video_url: media.video, refer_type: 'base', keep_original_sound: keepsSound }],
    }),
  };
}

function motionInput({ request, media }: Submission): Body {
  return {
    image_url: media.firstFrame,
    video_url: media.video,
    ...wordsOf(request),
    character_orientation: request.characterOrientation ?? 'video',
    mode: MODE[request.resolution],
    keep_original_sound: request.keepOriginalSound === false ? 'no' : 'yes',
    ...elementsOf(request),
  };
}

function sharedOf({ attemptId, request, webhookUrl }: Submission): Body {
  return {
    external_task_id: attemptId,
    ...(webhookUrl !== undefined && { callback_url: webhookUrl }),
    watermark_info: { enabled: request.watermark },
  };
}

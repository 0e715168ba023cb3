/**
 * What a create carries: `input`, one function per family. Source: piapi.ai/docs/kling-api (create-task, kling-3-api,
 * kling-3-omni-api, kling-o1-api, kling-motion-control-api, kling-elements, 2025-12 to 2026-02) and the quickstart of 4.0
 * (piapi.ai/blogs, 2026-10).
 */
import { present } from '../../src/ground/assert.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Json, Submission } from '../contract.ts';
import { type ReferenceKind, withAt, writeReferences } from '../prompt.ts';

type Fields = { readonly [field: string]: Json };
type Write = (submission: Submission) => Fields;

/** By task type and version. */
const INPUT: Readonly<Record<string, Write>> = {
  'text_to_video 4.0': plain,
  'video_generation 3.0': v3,
  'video_generation 3.0-turbo': (submission) => ({ ...plain(submission), ...framesOf(submission) }),
  'omni_video_generation 3.0': (submission) => ({ ...omni(submission), ...soundOf(submission.request) }),
  'omni_video_generation o1': omni,
  'motion_control 3.0': motion,
  'motion_control 2.6': motion,
  'video_generation 2.6': (submission) => ({ ...older(submission), ...soundOf(submission.request) }),
  'video_generation 2.5': older,
  'video_generation 2.1': older,
  'video_generation 2.1-master': older,
  'video_generation 1.6': older,
  'video_generation 1.5': older,
  extend_video: extension,
};

/** The one version without tiers. */
const WITHOUT_MODE = '2.1-master';

/**
 * The body of a create. `service_mode` is sent: without it the account's workspace setting decides whose seats are
 * used. A hook is registered with its secret or not at all. Throws an AssertionError for a capability that is not ours.
 */
export function bodyOf(submission: Submission): Json {
  const { upstream, request, webhookUrl, webhookSecret } = submission;
  const [model, taskType, version] = upstream.split(' ');
  const kind = version === undefined ? taskType : `${taskType} ${version}`;
  const write = present(INPUT[kind ?? ''], `an input for ${JSON.stringify(upstream)}`);
  return {
    model,
    task_type: taskType,
    input: {
      ...(version !== undefined && { version }),
      ...(version !== undefined && taskType !== 'omni_video_generation' && version !== WITHOUT_MODE && modeOf(request)),
      ...write(submission),
    },
    config: {
      service_mode: 'public',
      ...(webhookUrl !== undefined &&
        webhookSecret !== undefined && { webhook_config: { endpoint: webhookUrl, secret: webhookSecret } }),
    },
  };
}

const modeOf = ({ resolution }: VideoRequest): Fields => ({ mode: resolution === '720p' ? 'std' : 'pro' });

/** What every order from text or frames has. A frame gives the picture its shape, so its request has no ratio. */
function plain({ request }: Submission): Fields {
  return { ...promptOf(request.prompt), ...lengthOf(request), ...ratioOf(request) };
}

function v3(submission: Submission): Fields {
  const { request } = submission;
  return {
    ...promptOrShots(request),
    ...ratioOf(request),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...framesOf(submission),
    ...soundOf(request),
    ...(request.multiShot?.type === 'intelligence' && { prefer_multi_shots: true }),
  };
}

function omni({ request, media }: Submission): Fields {
  const { firstFrame, lastFrame, references, video } = media;
  const frames = [firstFrame, lastFrame].filter((frame) => frame !== undefined);
  const images = [...frames, ...references];
  return {
    ...(request.multiShot ? promptOrShots(request) : { ...promptOf(told(request)), ...lengthOf(request) }),
    resolution: request.resolution,
    ...ratioOf(request),
    ...(images.length > 0 && { images }),
    ...(video !== undefined && { video }),
  };
}

/**
 * The prompt, after the sentence that says what images and video are for. Omni has no field for a first or last frame
 * nor for the use of a video: the model is told in words (kling-3-omni-api: "cite as @image_1"; public clients of 2026
 * write the same sentence).
 */
function told({ prompt, firstFrame, lastFrame, video }: VideoRequest): string {
  if (video?.use === 'edit') return /@video|<<<video_1>>>/i.test(prompt) ? prompt : `Edit @video: ${prompt}`;
  if (firstFrame === undefined) return prompt;
  const last = lastFrame === undefined ? '' : ' and @image_2 as the last frame';
  return `Use @image_1 as the first frame${last}. ${prompt}`;
}

function motion({ request, media }: Submission): Fields {
  return {
    ...promptOf(request.prompt),
    image_url: present(media.firstFrame, 'an image of the character'),
    video_url: present(media.video, 'a source video'),
    motion_direction: request.characterOrientation ?? 'video',
    ...(request.keepOriginalSound !== undefined && { keep_original_sound: request.keepOriginalSound }),
  };
}

function older(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    ...plain(submission),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...(request.cfgScale !== undefined && { cfg_scale: request.cfgScale }),
    ...framesOf(submission),
    ...(request.camera && { camera_control: cameraOf(request.camera) }),
    ...(media.references.length > 0 && { elements: media.references.map((url) => ({ image_url: url })) }),
  };
}

/** An extension inherits version, tier and shape from the task that it goes on from. */
function extension({ request, media }: Submission): Fields {
  return {
    ...promptOf(request.prompt),
    origin_task_id: present(media.extendedVideoId, 'the task that is extended'),
  };
}

/** Kling's own form, which PiAPI passes on. */
function cameraOf({ type, config = {} }: NonNullable<VideoRequest['camera']>): Fields {
  if (type !== 'simple') return { type };
  const { horizontal, vertical, pan, tilt, roll, zoom } = config;
  return { type, config: { horizontal, vertical, pan, tilt, roll, zoom } };
}

/** `@image_1`; there is one video at most, and it has no number. */
const write = (kind: ReferenceKind, number: number): string => (kind === 'video' ? '@video' : withAt(kind, number));

const textOf = (prompt: string): string => writeReferences(prompt, write);

const promptOf = (prompt: string): Fields => (prompt === '' ? {} : { prompt: textOf(prompt) });

/** Shots replace prompt and length, which would be ignored. One shot is a prompt: a shot lasts at most 14 seconds. */
function promptOrShots(request: VideoRequest): Fields {
  const shots = request.multiShot?.type === 'customize' ? request.multiShot.shots : [];
  const [first] = shots;
  if (!first) return { ...promptOf(request.prompt), ...lengthOf(request) };
  if (shots.length === 1) return { ...promptOf(first.prompt), ...lengthOf(request) };
  return { multi_shots: shots.map(({ prompt, seconds }) => ({ prompt: textOf(prompt), duration: seconds })) };
}

const lengthOf = ({ seconds }: VideoRequest): Fields => (seconds === null ? {} : { duration: seconds });

const ratioOf = ({ aspectRatio }: VideoRequest): Fields => (aspectRatio === null ? {} : { aspect_ratio: aspectRatio });

/** Said outright: left out it is off today, and that is nobody's promise. */
const soundOf = ({ audio }: VideoRequest): Fields => ({ enable_audio: audio });

function framesOf({ media }: Submission): Fields {
  return {
    ...(media.firstFrame !== undefined && { image_url: media.firstFrame }),
    ...(media.lastFrame !== undefined && { image_tail_url: media.lastFrame }),
  };
}

/**
 * What a submission carries, one function per family of endpoints: the body is the model's input itself. Source: the
 * input types of fal-ai/fal-js (libs/client, endpoints.ts, 2026-08-02) and the model pages of fal.ai (2026).
 */
import { present } from '../../src/ground/assert.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Json, Submission } from '../contract.ts';
import { inBrackets, withCapital, writeReferences } from '../prompt.ts';

type Fields = { readonly [field: string]: Json };
type Write = (submission: Submission) => Fields;

/** By model and kind; the tier, a word of its own in the endpoint id, changes no field. */
const FIELDS: Readonly<Record<string, Write>> = {
  'v4/text-to-video': (submission) => ({ ...v4(submission), ...ratioOf(submission.request) }),
  'v4/image-to-video': (submission) => ({ ...v4(submission), ...framesFrom('start_image_url', submission) }),
  'v3/text-to-video': (submission) => ({ ...v3(submission), ...ratioOf(submission.request) }),
  'v3/image-to-video': (submission) => ({ ...v3(submission), ...framesFrom('start_image_url', submission) }),
  'v3/motion-control': motion,
  'v3/turbo/text-to-video': (submission) => ({ ...turbo(submission), ...ratioOf(submission.request) }),
  'v3/turbo/image-to-video': (submission) => ({ ...turbo(submission), ...framesFrom('image_url', submission) }),
  'o3/text-to-video': (submission) => ({ ...o3(submission), ...ratioOf(submission.request) }),
  'o3/image-to-video': (submission) => ({ ...o3(submission), ...framesFrom('image_url', submission) }),
  'o3/reference-to-video': (submission) => ({
    ...o3(submission),
    ...framesFrom('start_image_url', submission),
    ...referencesOf(submission),
    ...ratioOf(submission.request),
  }),
  'o3/video-to-video/reference': fromVideo,
  'o3/video-to-video/edit': fromVideo,
  'o1/image-to-video': (submission) => ({ ...o1(submission), ...framesFrom('start_image_url', submission) }),
  'o1/reference-to-video': (submission) => ({
    ...o1(submission),
    ...referencesOf(submission),
    ...ratioOf(submission.request),
  }),
  'o1/video-to-video/reference': fromVideo,
  'o1/video-to-video/edit': fromVideo,
  'v2.6/text-to-video': (submission) => ({
    ...plain(submission),
    ...ratioOf(submission.request),
    generate_audio: submission.request.audio,
  }),
  'v2.6/image-to-video': (submission) => ({
    ...plain(submission),
    ...framesFrom('start_image_url', submission),
    ...voicesOf(submission.request),
    generate_audio: submission.request.audio,
  }),
  'v2.6/motion-control': motion,
  'v2.5-turbo/text-to-video': older,
  'v2.5-turbo/image-to-video': older,
  'v2.1/text-to-video': older,
  'v2.1/image-to-video': older,
  'v1.6/text-to-video': older,
  'v1.6/image-to-video': older,
  'v1.6/elements': (submission) => ({
    ...plain(submission),
    input_image_urls: submission.media.references,
    ...ratioOf(submission.request),
  }),
  'v1.5/text-to-video': older,
  'v1.5/image-to-video': (submission) => ({ ...older(submission), ...masksOf(submission) }),
};

const ENDPOINT = /^(?:fal-ai\/kling-video|kling)\/(v3\/turbo|[^/]+)\/(?:(?:standard|pro|4k|master)\/)?(.+)$/;

/** The body of a submission. Throws an AssertionError for an endpoint that is not ours. */
export function bodyOf(submission: Submission): Json {
  const [, model, kind] = ENDPOINT.exec(submission.upstream) ?? [];
  const write = present(FIELDS[`${model}/${kind}`], `a body for the endpoint ${JSON.stringify(submission.upstream)}`);
  return write(submission);
}

/** The one family whose lengths are numbers. */
function v4({ request }: Submission): Fields {
  return {
    ...(request.multiShot
      ? {
          multi_prompt: request.multiShot.shots.map(({ prompt, seconds }) => ({
            prompt: textOf(prompt),
            duration: seconds,
          })),
        }
      : { prompt: textOf(request.prompt) }),
    ...(request.seconds !== null && { duration: request.seconds }),
    resolution: request.resolution,
  };
}

function v3({ request }: Submission): Fields {
  return {
    ...promptOrShots(request),
    ...(request.multiShot && { shot_type: request.multiShot.type === 'customize' ? 'customize' : 'intelligent' }),
    ...lengthOf(request),
    ...refinementsOf(request),
    generate_audio: request.audio,
  };
}

/** Turbo always sounds and has no field for it. */
const turbo = ({ request }: Submission): Fields => ({ ...promptOrShots(request), ...lengthOf(request) });

function o3({ request }: Submission): Fields {
  return {
    ...promptOrShots(request),
    ...(request.multiShot && { shot_type: 'customize' }),
    ...lengthOf(request),
    generate_audio: request.audio,
  };
}

const o1 = ({ request }: Submission): Fields => ({ prompt: textOf(request.prompt), ...lengthOf(request) });

/** A source video that is edited or referred to. An edit is as long as its video, so its request has no length. */
function fromVideo(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    prompt: textOf(request.prompt),
    video_url: present(media.video, 'a source video'),
    ...referencesOf(submission),
    ...lengthOf(request),
    ...(request.keepOriginalSound !== undefined && { keep_audio: request.keepOriginalSound }),
  };
}

function motion({ request, media }: Submission): Fields {
  return {
    ...(request.prompt !== '' && { prompt: textOf(request.prompt) }),
    image_url: present(media.firstFrame, 'an image of the character'),
    video_url: present(media.video, 'a source video'),
    character_orientation: request.characterOrientation ?? 'video',
    ...(request.keepOriginalSound !== undefined && { keep_original_sound: request.keepOriginalSound }),
  };
}

/** Up to 2.5 the last frame is the tail. A frame gives the picture its shape, so its request has no ratio. */
function older(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    ...plain(submission),
    ...(media.firstFrame !== undefined && { image_url: media.firstFrame }),
    ...(media.lastFrame !== undefined && { tail_image_url: media.lastFrame }),
    ...ratioOf(request),
  };
}

const plain = ({ request }: Submission): Fields => ({
  prompt: textOf(request.prompt),
  ...lengthOf(request),
  ...refinementsOf(request),
});

/** `@Image1`, `@Video1`; but a voice is `<<<voice_1>>>`, which is how the types of 2.6 write it. */
const textOf = (prompt: string): string =>
  writeReferences(prompt, (kind, number) => (kind === 'voice' ? inBrackets : withCapital)(kind, number));

/** Either a prompt or shots, never both: with shots, the prompt of the whole would be overridden. */
function promptOrShots({ prompt, multiShot }: VideoRequest): Fields {
  const shots = multiShot?.shots ?? [];
  if (shots.length === 0) return { prompt: textOf(prompt) };
  return { multi_prompt: shots.map((shot) => ({ prompt: textOf(shot.prompt), duration: String(shot.seconds) })) };
}

/** Before 4.0 a length is text. */
const lengthOf = ({ seconds }: VideoRequest): Fields => (seconds === null ? {} : { duration: String(seconds) });

const ratioOf = ({ aspectRatio }: VideoRequest): Fields => (aspectRatio === null ? {} : { aspect_ratio: aspectRatio });

function refinementsOf({ negativePrompt, cfgScale }: VideoRequest): Fields {
  return {
    ...(negativePrompt !== undefined && { negative_prompt: negativePrompt }),
    ...(cfgScale !== undefined && { cfg_scale: cfgScale }),
  };
}

/** The name of the first frame differs from family to family; from 2.6 on, the last one is `end_image_url`. */
function framesFrom(first: 'start_image_url' | 'image_url', { media }: Submission): Fields {
  return {
    ...(media.firstFrame !== undefined && { [first]: media.firstFrame }),
    ...(media.lastFrame !== undefined && { end_image_url: media.lastFrame }),
  };
}

const referencesOf = ({ media }: Submission): Fields =>
  media.references.length === 0 ? {} : { image_urls: media.references };

const voicesOf = ({ voices }: VideoRequest): Fields =>
  voices.length === 0 ? {} : { voice_ids: voices.map(({ id }) => id) };

function masksOf({ media }: Submission): Fields {
  return {
    ...(media.staticMask !== undefined && { static_mask_url: media.staticMask }),
    ...(media.dynamicMasks.length > 0 && {
      dynamic_masks: media.dynamicMasks.map(({ mask, trajectory }) => ({
        mask_url: mask,
        trajectories: trajectory.map(({ x, y }) => ({ x, y })),
      })),
    }),
  };
}

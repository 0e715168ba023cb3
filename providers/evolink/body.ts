/** What a create carries, one function per family of EvoLink's pages (docs.evolink.ai, OpenAPI bundle of about 2026-10). */
import { present } from '../../src/ground/assert.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Json, Submission } from '../contract.ts';
import { inBrackets, writeReferences } from '../prompt.ts';

type Fields = { readonly [field: string]: Json };
type Write = (submission: Submission) => Fields;

/** The fields of each model id: no field is sent that the page of that id does not name. */
const FIELDS: Readonly<Record<string, Write>> = {
  'kling-v3-text-to-video': (submission) => ({ ...v3(submission), ...ratioOf(submission.request) }),
  'kling-v3-image-to-video': (submission) => ({ ...v3(submission), ...framesOf(submission) }),
  'kling-v3-turbo-text-to-video': (submission) => ({ ...turbo(submission), ...ratioOf(submission.request) }),
  'kling-v3-turbo-image-to-video': (submission) => ({ ...turbo(submission), ...framesOf(submission) }),
  'kling-o3-text-to-video': (submission) => ({ ...o3(submission), ...ratioOf(submission.request) }),
  'kling-o3-image-to-video': (submission) => ({
    ...o3(submission),
    ...framesOf(submission),
    ...referencesOf(submission),
    ...ratioOf(submission.request),
  }),
  'kling-o3-reference-to-video': (submission) => ({
    ...o3FromVideo(submission),
    ...lengthOf(submission.request),
    ...ratioOf(submission.request),
  }),
  'kling-o3-video-edit': o3FromVideo,
  'kling-o1-image-to-video': o1FromImages,
  'kling-o1-video-edit': o1FromVideo,
  'kling-o1-video-edit-fast': o1FromVideo,
  'kling-v3-motion-control': motion,
  'kling-v2.6-motion-control': motion,
};

/** The body of a submission. Throws an AssertionError for a model id that is not ours. */
export function bodyOf(submission: Submission): Json {
  const { upstream, webhookUrl } = submission;
  const write = present(FIELDS[upstream], `a body for the model ${JSON.stringify(upstream)}`);
  return {
    model: upstream,
    ...write(submission),
    ...(webhookUrl !== undefined && isCallable(webhookUrl) && { callback_url: webhookUrl }),
  };
}

const CALLBACK_CHARACTERS_MAX = 2_048;

/**
 * EvoLink calls https only, and refuses the whole request for any other address (callbacks page of
 * Evolink-AI/Seedance-2.0-Gateway-Service, 2026): then it is left out, and polling finds the end. Plain http on
 * loopback is the sandbox's.
 */
function isCallable(address: string): boolean {
  return (
    address.length <= CALLBACK_CHARACTERS_MAX && /^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost)[:/])/.test(address)
  );
}

function v3(submission: Submission): Fields {
  const { request } = submission;
  return {
    ...promptOf(request),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...lengthOf(request),
    quality: request.resolution,
    sound: request.audio ? 'on' : 'off',
    model_params: { ...shotsOf(request), ...elementsOf(request), ...watermarkOf(request) },
  };
}

/** Turbo has no `sound` and no `model_params`: its shots are written into the prompt. */
function turbo({ request }: Submission): Fields {
  const shots = request.multiShot?.shots ?? [];
  const written = shots.map(({ prompt, seconds }, index) => `镜头 ${index + 1}, ${seconds}, ${prompt};`).join(' ');
  return {
    ...promptOf({ ...request, prompt: written || request.prompt }),
    ...lengthOf(request),
    quality: request.resolution,
  };
}

function o3({ request }: Submission): Fields {
  return {
    prompt: textOf(request.prompt),
    ...lengthOf(request),
    quality: request.resolution,
    sound: request.audio ? 'on' : 'off',
    model_params: { ...shotsOf(request), ...elementsOf(request), ...watermarkOf(request) },
  };
}

function o3FromVideo(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    ...promptOf(request),
    video_url: present(media.video, 'a source video'),
    ...(request.keepOriginalSound !== undefined && { keep_original_sound: request.keepOriginalSound }),
    ...referencesOf(submission),
    quality: request.resolution,
    model_params: { ...elementsOf(request), ...watermarkOf(request) },
  };
}

/** One image is the first frame, two are the first and the last. */
function o1FromImages({ request, media }: Submission): Fields {
  const { firstFrame, lastFrame } = media;
  return {
    prompt: textOf(request.prompt),
    image_urls: [present(firstFrame, 'a first frame'), ...(lastFrame === undefined ? [] : [lastFrame])],
    ...lengthOf(request),
  };
}

function o1FromVideo(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    prompt: textOf(request.prompt),
    video_urls: [present(media.video, 'a source video')],
    ...referencesOf(submission),
    ...(request.keepOriginalSound !== undefined && { keep_original_sound: request.keepOriginalSound }),
  };
}

/** Here the sound of the source is `keep_sound`, inside `model_params`; O1 and O3 call it `keep_original_sound`. */
function motion({ request, media }: Submission): Fields {
  return {
    ...promptOf(request),
    image_urls: [present(media.firstFrame, 'an image of the character')],
    video_urls: [present(media.video, 'a source video')],
    quality: request.resolution,
    model_params: {
      character_orientation: request.characterOrientation ?? 'video',
      ...(request.keepOriginalSound !== undefined && { keep_sound: request.keepOriginalSound }),
      ...elementsOf(request),
      ...watermarkOf(request),
    },
  };
}

const textOf = (prompt: string): string => writeReferences(prompt, inBrackets);

/** Where a prompt may be left out, an empty one is. With shots of its own the request has none to give. */
function promptOf(request: VideoRequest): Fields {
  const optional = request.task !== 'text_to_video';
  return optional && request.prompt === '' ? {} : { prompt: textOf(request.prompt) };
}

const lengthOf = ({ seconds }: VideoRequest): Fields => (seconds === null ? {} : { duration: seconds });

const ratioOf = ({ aspectRatio }: VideoRequest): Fields => (aspectRatio === null ? {} : { aspect_ratio: aspectRatio });

function framesOf({ media }: Submission): Fields {
  return {
    ...(media.firstFrame !== undefined && { image_start: media.firstFrame }),
    ...(media.lastFrame !== undefined && { image_end: media.lastFrame }),
  };
}

const referencesOf = ({ media }: Submission): Fields =>
  media.references.length === 0 ? {} : { image_urls: media.references };

/** Shots are numbered from 1, and their lengths are text. */
function shotsOf({ multiShot }: VideoRequest): Fields {
  if (!multiShot) return { multi_shot: false };
  const shots = multiShot.shots.map(({ prompt, seconds }, index) => ({
    index: index + 1,
    prompt: textOf(prompt),
    duration: String(seconds),
  }));
  return { multi_shot: true, shot_type: multiShot.type, ...(shots.length > 0 && { multi_prompt: shots }) };
}

const elementsOf = ({ elements }: VideoRequest): Fields =>
  elements.length === 0 ? {} : { element_list: elements.map(({ id }) => ({ element_id: id })) };

const watermarkOf = ({ watermark }: VideoRequest): Fields => ({ watermark_info: { enabled: watermark } });

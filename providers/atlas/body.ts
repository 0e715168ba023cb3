/** What a create carries, one function per family: flat fields next to `model` (vendor's public nodes of 2026-03-20). */
import { present } from '../../src/ground/assert.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Json, Submission } from '../contract.ts';
import { inBrackets, writeReferences } from '../prompt.ts';

type Fields = { readonly [field: string]: Json };
type Write = (submission: Submission) => Fields;

/** The fields of each family of ids: no field is sent that its sources do not name. First match counts. */
const FAMILIES: readonly (readonly [ids: RegExp, write: Write])[] = [
  [/^kwaivgi\/kling-v3\.0-(std|pro|4k)\/text-to-video$/, (it) => ({ ...v3(it), ...ratioOf(it.request) })],
  [/^kwaivgi\/kling-v3\.0-(std|pro|4k)\/image-to-video$/, (it) => ({ ...v3(it), ...framesOf(it, 'end_image') })],
  [/^kwaivgi\/kling-v3\.0-turbo\/text-to-video$/, (it) => ({ ...lengthOf(it.request), ...ratioOf(it.request) })],
  [/^kwaivgi\/kling-v3\.0-turbo\/image-to-video$/, (it) => ({ ...lengthOf(it.request), ...framesOf(it, 'end_image') })],
  [/^kwaivgi\/kling-(v3\.0|v2\.6)-(std|pro)\/motion-control$/, motion],
  [/^kwaivgi\/kling-video-o3-(std|pro)\/text-to-video$/, (it) => ({ ...o3(it), ...ratioOf(it.request) })],
  [/^kwaivgi\/kling-video-o3-4k\/text-to-video$/, (it) => ({ ...o3(it), ...shotsOf(it.request) })],
  // Here, and only here, sound is called `generate_audio`.
  [
    /^kwaivgi\/kling-video-o3-(std|pro)\/image-to-video$/,
    (it) => ({ ...lengthOf(it.request), generate_audio: it.request.audio, ...framesOf(it, 'end_image') }),
  ],
  [
    /^kwaivgi\/kling-video-o3-4k\/image-to-video$/,
    (it) => ({ ...o3(it), ...shotsOf(it.request), ...framesOf(it, 'end_image') }),
  ],
  [/^kwaivgi\/kling-video-o3-(std|pro)\/reference-to-video$/, o3References],
  [/^kwaivgi\/kling-video-o3-(std|pro)\/video-edit$/, sourceOf],
  [/^kwaivgi\/kling-video-o1\/text-to-video$/, (it) => ({ ...lengthOf(it.request), ...ratioOf(it.request) })],
  [/^kwaivgi\/kling-video-o1\/image-to-video$/, (it) => framesOf(it, null)],
  [/^kwaivgi\/kling-v2\.6-pro\/text-to-video$/, (it) => ({ ...v3(it), ...ratioOf(it.request) })],
  [/^kwaivgi\/kling-v2\.6-pro\/image-to-video$/, (it) => ({ ...v3(it), ...framesOf(it, 'end_image') })],
  [
    /^kwaivgi\/kling-(v2\.5-turbo-pro\/text-to-video|v2\.1-t2v-master|v1\.6-t2v-standard)$/,
    (it) => ({ ...guided(it), ...ratioOf(it.request) }),
  ],
  [/^kwaivgi\/kling-v2\.5-turbo-pro\/image-to-video$/, (it) => ({ ...guided(it), ...framesOf(it, 'last_image') })],
  [
    /^kwaivgi\/kling-v1\.6-multi-i2v-(standard|pro)$/,
    (it) => ({ ...guided(it), ...imagesOf(it), ...ratioOf(it.request) }),
  ],
  [
    /^kwaivgi\/kling-v(2\.1|1\.6)-i2v-(standard|pro|master)(\/start-end-frame)?$/,
    (it) => ({ ...guided(it), ...framesOf(it, 'end_image') }),
  ],
];

/** The body of a submission, and of its quote. Throws an AssertionError for a model id that is not ours. */
export function bodyOf(submission: Submission): Json {
  const { request, upstream, webhookUrl } = submission;
  const family = FAMILIES.find(([ids]) => ids.test(upstream));
  const [, write] = present(family, `a body for the model ${JSON.stringify(upstream)}`);
  return {
    model: upstream,
    ...promptOf(request),
    ...write(submission),
    ...(webhookUrl !== undefined && isCallable(webhookUrl) && { webhook_url: webhookUrl }),
  };
}

const WEBHOOK_CHARACTERS_MAX = 1_024;

/**
 * Atlas calls https only and refuses the whole request for any other address (atlascloud.ai/docs, webhooks, 2026): then
 * it is left out, and polling finds the end. Plain http on loopback is the sandbox's.
 */
function isCallable(address: string): boolean {
  return (
    address.length <= WEBHOOK_CHARACTERS_MAX && /^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost)[:/])/.test(address)
  );
}

/** Also 2.6. `sound` is always sent: 2.6 would make it, and charge double, when nothing is said. */
function v3({ request }: Submission): Fields {
  return {
    ...lengthOf(request),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...(request.cfgScale !== undefined && { cfg_scale: request.cfgScale }),
    sound: request.audio,
    ...shotsOf(request),
  };
}

const o3 = ({ request }: Submission): Fields => ({ ...lengthOf(request), sound: request.audio });

/** With a video, `keep_original_sound` decides about its sound; `sound` is about what would be made. */
function o3References(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    ...lengthOf(request),
    ...ratioOf(request),
    ...imagesOf(submission),
    sound: request.audio,
    ...(media.video !== undefined && sourceOf({ ...submission, media: { ...media, references: [] } })),
  };
}

/** The source video, the images beside it, and whether its sound stays: the default is not the same on every page. */
function sourceOf(submission: Submission): Fields {
  const { request, media } = submission;
  return {
    video: present(media.video, 'a source video'),
    ...imagesOf(submission),
    keep_original_sound: request.keepOriginalSound ?? true,
  };
}

function motion({ request, media }: Submission): Fields {
  return {
    image: present(media.firstFrame, 'an image of the character'),
    video: present(media.video, 'a source video'),
    character_orientation: request.characterOrientation ?? 'video',
    keep_original_sound: request.keepOriginalSound ?? true,
  };
}

/** 2.5 and older call the scale `guidance_scale`. */
function guided({ request }: Submission): Fields {
  return {
    ...lengthOf(request),
    ...(request.negativePrompt !== undefined && { negative_prompt: request.negativePrompt }),
    ...(request.cfgScale !== undefined && { guidance_scale: request.cfgScale }),
  };
}

/** Kling's own way to name media in a prompt: Atlas documents none and hands the prompt on. */
const textOf = (prompt: string): string => writeReferences(prompt, inBrackets);

/** A prompt is required but for motion control; where the shots say it all, the first of them is repeated. */
function promptOf(request: VideoRequest): Fields {
  const prompt = request.prompt || (request.multiShot?.shots[0]?.prompt ?? '');
  return prompt === '' && request.task === 'motion_control' ? {} : { prompt: textOf(prompt) };
}

const lengthOf = ({ seconds }: VideoRequest): Fields => (seconds === null ? {} : { duration: seconds });

const ratioOf = ({ aspectRatio }: VideoRequest): Fields => (aspectRatio === null ? {} : { aspect_ratio: aspectRatio });

const imagesOf = ({ media }: Submission): Fields => (media.references.length === 0 ? {} : { images: media.references });

/** The first frame, and the last under its name on this page. */
function framesOf({ media }: Submission, last: 'end_image' | 'last_image' | null): Fields {
  return {
    image: present(media.firstFrame, 'a first frame'),
    ...(last !== null && media.lastFrame !== undefined && { [last]: media.lastFrame }),
  };
}

function shotsOf({ multiShot }: VideoRequest): Fields {
  if (!multiShot) return {};
  const shots = multiShot.shots.map(({ prompt, seconds }) => ({ prompt: textOf(prompt), duration: seconds }));
  return { multi_shot: true, shot_type: multiShot.type, ...(shots.length > 0 && { multi_prompt: shots }) };
}

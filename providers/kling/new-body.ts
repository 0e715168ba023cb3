/**
 * The bodies of the new generation: the model is in the path, inputs are `contents`, the rest is `settings`.
 * Source: kling.ai/document-api, text to video, image to video, omni video, motion control; mirrored 2026-09-20.
 */
import type { VideoRequest } from '../../src/ground/video-request.ts';
import type { Json, Submission } from '../contract.ts';
import { withAt, writeReferences } from '../prompt.ts';

/** Endpoints whose settings name no `audio`: turbo 3.0 always has sound, turbo 2.5 never. */
const WITHOUT_AUDIO: readonly string[] = [
  '/text-to-video/kling-3.0-turbo',
  '/image-to-video/kling-3.0-turbo',
  '/text-to-video/kling-2.5-turbo',
  '/image-to-video/kling-2.5-turbo',
];
/** Endpoints with `multi_shot`, whose default is true. */
const WITH_MULTI_SHOT: readonly string[] = [
  '/text-to-video/kling-3.0',
  '/image-to-video/kling-3.0',
  '/omni-video/kling-3.0-omni',
];

/** The body of a submission, whatever the endpoint. */
export function newBody(submission: Submission): Json {
  const { request, upstream } = submission;
  const common = { settings: settingsOf(request, upstream), options: optionsOf(submission) };
  if (upstream.startsWith('/text-to-video/')) return { prompt: promptOf(request), ...common };
  if (upstream.startsWith('/motion-control/')) return { contents: motionContents(submission), ...common };
  const isOmni = upstream.startsWith('/omni-video/');
  return { contents: isOmni ? omniContents(submission) : frameContents(submission), ...common };
}

/**
 * The prompt with its references as `@image_1`. Shots of one's own are written into it: `shot n, seconds, words;`, after
 * what is said about all of them.
 */
function promptOf({ prompt, multiShot }: VideoRequest): string {
  const shots =
    multiShot?.type === 'customize'
      ? multiShot.shots.map((shot, index) => `shot ${index + 1}, ${shot.seconds}, ${shot.prompt};`)
      : [];
  return writeReferences([prompt, ...shots].filter(Boolean).join(' '), withAt);
}

const promptContents = (request: VideoRequest): Json[] => {
  const text = promptOf(request);
  return text === '' ? [] : [{ type: 'prompt', text }];
};

const elementContents = ({ elements }: VideoRequest): Json[] =>
  elements.map(({ id }, index) => ({ type: 'element', element_id: id, id: `element_${index + 1}` }));

function frameContents({ request, media }: Submission): Json[] {
  return [
    ...promptContents(request),
    ...(media.firstFrame === undefined ? [] : [{ type: 'first_frame', url: media.firstFrame }]),
    ...(media.lastFrame === undefined ? [] : [{ type: 'last_frame', url: media.lastFrame }]),
    ...elementContents(request),
    ...request.voices.map(({ id }, index) => ({ type: 'voice', voice_id: id, id: `voice_${index + 1}` })),
  ];
}

/** Every image has a name here; references come first, so that `@image_1` is the first of them. */
function omniContents({ request, media }: Submission): Json[] {
  const { references, firstFrame, lastFrame, video } = media;
  const nameOf = (number: number): string => `image_${number}`;
  return [
    ...promptContents(request),
    ...(firstFrame === undefined ? [] : [{ type: 'first_frame', url: firstFrame, id: nameOf(references.length + 1) }]),
    ...(lastFrame === undefined ? [] : [{ type: 'last_frame', url: lastFrame, id: nameOf(references.length + 2) }]),
    ...references.map((url, index) => ({ type: 'refer_image', url, id: nameOf(index + 1) })),
    ...(video === undefined
      ? []
      : [{ type: request.video?.use === 'edit' ? 'base_video' : 'feature_video', url: video, id: 'video_1' }]),
    ...elementContents(request),
  ];
}

function motionContents({ request, media }: Submission): Json[] {
  return [
    ...promptContents(request),
    { type: 'image', url: media.firstFrame },
    { type: 'video', url: media.video },
    ...elementContents(request),
  ];
}

/** `multi_shot` is always said where it exists, because its default is true. */
function settingsOf(request: VideoRequest, upstream: string): Json {
  const shapeIsGiven = request.firstFrame !== undefined || request.video !== undefined;
  return {
    ...(WITH_MULTI_SHOT.includes(upstream) && { multi_shot: multiShotOf(request) }),
    ...(!WITHOUT_AUDIO.includes(upstream) && { audio: audioOf(request) }),
    resolution: request.resolution,
    ...(!shapeIsGiven && { aspect_ratio: request.aspectRatio ?? '16:9' }),
    ...(request.seconds !== null && { duration: request.seconds }),
    ...(request.task === 'motion_control' && { character_orientation: request.characterOrientation ?? 'video' }),
  };
}

/** A video that is referred to takes nothing but true, one that is edited nothing but false. */
const multiShotOf = ({ video, multiShot }: VideoRequest): boolean =>
  video?.use === 'feature' || (video === undefined && multiShot !== undefined);

/** Voices speak only where there is sound. The movement's own sound is kept unless told otherwise, as documented. */
function audioOf({ audio, voices, video, keepOriginalSound }: VideoRequest): string {
  switch (video?.use) {
    case 'motion':
      return keepOriginalSound === false ? 'off' : 'original';
    case 'edit':
      return keepOriginalSound === true ? 'original' : 'off';
    case 'feature':
      return 'off';
    case undefined:
      return audio || voices.length > 0 ? 'native' : 'off';
  }
}

function optionsOf({ attemptId, request, webhookUrl }: Submission): Json {
  return {
    external_task_id: attemptId,
    ...(webhookUrl !== undefined && { callback_url: webhookUrl }),
    watermark_info: { enabled: request.watermark },
  };
}

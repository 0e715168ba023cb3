/**
 * The new generation of official Kling: what each endpoint takes, and what it orders (kling.ai/document-api, text to
 * video, image to video, omni video, motion control; mirrored 2026-09-20).
 */
import { z } from 'zod';
import { aspectRatio, common, image, type Ordered, SOURCE_SECONDS, shapeOf, webUrl } from './kling-fields.ts';

const SHOTS_MAX = 6;
const WORDS_MAX = 512;

const options = z.strictObject(common).optional();
const hd = z.enum(['720p', '1080p']).default('720p');
const upTo4k = z.enum(['720p', '1080p', '4k']).default('720p');
const from3to = (max: number) => z.number().int().min(3).max(max).default(5);
const fiveOrTen = z.union([z.literal(5), z.literal(10)]).default(5);
const native = z.enum(['native', 'off']).default('off');
const kept = z.enum(['original', 'off']);

/** Contents by their type; `id` is the name under which a prompt refers to one. */
const named = z.string().regex(/^[A-Za-z]\w*$/);
const content = {
  prompt: (max: number) => z.strictObject({ type: z.literal('prompt'), text: z.string().min(1).max(max) }),
  first_frame: z.strictObject({ type: z.literal('first_frame'), url: image }),
  last_frame: z.strictObject({ type: z.literal('last_frame'), url: image }),
  omni_first: z.strictObject({ type: z.literal('first_frame'), url: image, id: named.optional() }),
  omni_last: z.strictObject({ type: z.literal('last_frame'), url: image, id: named.optional() }),
  refer_image: z.strictObject({ type: z.literal('refer_image'), url: image, id: named.optional() }),
  image: z.strictObject({ type: z.literal('image'), url: image }),
  video: z.strictObject({ type: z.literal('video'), url: webUrl }),
  feature_video: z.strictObject({ type: z.literal('feature_video'), url: webUrl, id: named.optional() }),
  base_video: z.strictObject({ type: z.literal('base_video'), url: webUrl, id: named.optional() }),
  element: z.strictObject({ type: z.literal('element'), element_id: z.string().min(1), id: named }),
  voice: z.strictObject({ type: z.literal('voice'), voice_id: z.string().min(1), id: named }),
};

interface Settings {
  readonly resolution: '720p' | '1080p' | '4k';
  readonly aspect_ratio?: string | undefined;
  readonly duration?: number | undefined;
  readonly audio?: string | undefined;
  readonly multi_shot?: boolean | undefined;
}
interface Content {
  readonly type: string;
  readonly url?: string | undefined;
  readonly id?: string | undefined;
  readonly text?: string | undefined;
}
interface Body {
  readonly prompt?: string | undefined;
  readonly contents?: readonly Content[] | undefined;
  readonly settings: Settings;
  readonly options?: z.infer<typeof options>;
}

const countOf = (body: Body, ...types: string[]): number =>
  (body.contents ?? []).filter(({ type }) => types.includes(type)).length;
const textOf = (body: Body): string => body.prompt ?? body.contents?.find(({ type }) => type === 'prompt')?.text ?? '';

/** Rules that hold wherever the contents allow them to be broken; the first broken one is told. */
function commonFault(body: Body): string | null {
  const ids = (body.contents ?? []).flatMap(({ id }) => id ?? []);
  if (new Set(ids).size < ids.length) return 'contents: ids must be unique';
  for (const type of ['prompt', 'first_frame', 'last_frame', 'image', 'video']) {
    if (countOf(body, type) > 1) return `contents: at most one ${type}`;
  }
  if (countOf(body, 'last_frame') > countOf(body, 'first_frame')) return 'contents: last_frame needs first_frame';
  return shotFault(textOf(body), body.settings);
}

/** `shot n, m, words;` written into the prompt: lengths add up to the duration. */
function shotFault(prompt: string, { duration }: Settings): string | null {
  const shots = [...prompt.matchAll(/\bshot (\d+), (\d+), ([^;]*);/g)];
  if (shots.length === 0) return null;
  if (shots.length > SHOTS_MAX) return `prompt: at most ${SHOTS_MAX} shots`;
  if (shots.some(([, , , words = '']) => words.length > WORDS_MAX)) return `prompt: at most ${WORDS_MAX} words a shot`;
  const sum = shots.reduce((seconds, [, , length]) => seconds + Number(length), 0);
  return sum === duration ? null : `prompt: the shots last ${sum} s, the duration is ${duration}`;
}

const imageFault = (body: Body): string | null => {
  if (countOf(body, 'first_frame') === 0) return 'contents: first_frame is required';
  return countOf(body, 'element') > 3 ? 'contents: at most 3 elements' : null;
};

const fault26 = (body: Body): string | null => {
  const { audio, resolution } = body.settings;
  if (audio === 'native' && resolution !== '1080p') return 'settings.audio: native needs 1080p';
  if (countOf(body, 'last_frame') > 0 && resolution !== '1080p') return 'contents: last_frame needs 1080p';
  if (countOf(body, 'voice') > 2) return 'contents: at most 2 voices';
  return countOf(body, 'voice') > 0 && audio !== 'native' ? 'contents: voice needs native audio' : null;
};

const fault25 = (body: Body): string | null =>
  countOf(body, 'last_frame') > 0 && body.settings.resolution !== '1080p' ? 'contents: last_frame needs 1080p' : null;

const motionFault = (body: Body): string | null => {
  if (countOf(body, 'image') === 0 || countOf(body, 'video') === 0) return 'contents: image and video are required';
  return countOf(body, 'element') > 1 ? 'contents: at most 1 element' : null;
};

/** The combinations of images, elements and videos that the omni endpoints allow. */
function omniFault(body: Body): string | null {
  const { audio, aspect_ratio: ratio, multi_shot: multiShot } = body.settings;
  const count = (...types: string[]) => countOf(body, ...types);
  const videos = count('feature_video', 'base_video');
  const frames = count('first_frame', 'last_frame');
  if (videos > 1) return 'contents: at most one video';
  if (videos + count('first_frame') === 0 && ratio === undefined) return 'settings.aspect_ratio is required';
  if (count('feature_video') > 0 && audio !== 'off') return 'settings.audio must be off with feature_video';
  if (count('feature_video') > 0 && multiShot === false) return 'settings.multi_shot may only be true';
  if (count('base_video') > 0 && frames > 0) return 'contents: no frames with base_video';
  if (count('base_video') > 0 && (multiShot === true || audio === 'native')) return 'settings: not with base_video';
  if (videos === 0 && audio === 'original') return 'settings.audio: original needs a video';
  if (frames > 0 && count('element') > 3) return 'contents: at most 3 elements with frames';
  const most = videos > 0 ? 4 : 7;
  const together = count('refer_image', 'element', 'first_frame', 'last_frame');
  return together > most ? `contents: at most ${most} images and elements` : null;
}

function o1Fault(body: Body): string | null {
  const count = (...types: string[]) => countOf(body, ...types);
  const { duration = 5 } = body.settings;
  if (count('last_frame') > 0 && count('refer_image', 'element', 'feature_video') > 0) {
    return 'contents: first and last frame exclude everything else';
  }
  const sole = count('refer_image', 'element', 'feature_video', 'base_video', 'last_frame') === 0;
  return sole && duration !== 5 && duration !== 10 ? 'settings.duration must be 5 or 10' : omniFault(body);
}

interface Endpoint {
  readonly model: string;
  readonly schema: z.ZodType<Body>;
}

const endpoint = (model: string, schema: z.ZodType<Body>, ...faults: ((body: Body) => string | null)[]): Endpoint => ({
  model,
  schema: schema.superRefine((body, context) => {
    for (const find of [commonFault, ...faults]) {
      const message = find(body);
      if (message !== null) return context.addIssue({ code: 'custom', message });
    }
  }),
});

const ofText = <S extends z.ZodType<Settings>>(promptMax: number, settings: S) =>
  z.strictObject({ prompt: z.string().min(1).max(promptMax), settings: settings.prefault({} as never), options });
const ofContents = <C extends z.ZodType<Content>, S extends z.ZodType<Settings>>(item: C, settings: S) =>
  z.strictObject({ contents: z.array(item).nonempty(), settings: settings.prefault({} as never), options });

const wide = { aspect_ratio: aspectRatio.default('16:9') };
const multiShot = { multi_shot: z.boolean().default(true) };
const settings3 = z.strictObject({ ...multiShot, audio: native, resolution: upTo4k, duration: from3to(15) });
const turbo = z.strictObject({ resolution: hd, duration: from3to(15) });
const settings26 = z.strictObject({ audio: native, resolution: hd, duration: fiveOrTen });
const settings25 = z.strictObject({ resolution: hd, duration: fiveOrTen });
const motion = z.strictObject({
  character_orientation: z.enum(['image', 'video']),
  audio: kept.default('original'),
  resolution: hd,
});
const frames = (promptMax: number) => [content.prompt(promptMax), content.first_frame] as const;
const omniContents = (promptMax: number) =>
  z.discriminatedUnion('type', [
    content.prompt(promptMax),
    content.omni_first,
    content.omni_last,
    content.refer_image,
    content.feature_video,
    content.base_video,
    content.element,
  ]);
const union = z.discriminatedUnion;

/** Every create endpoint of this generation that makes video. */
export const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  '/text-to-video/kling-3.0-turbo': endpoint('kling-3.0-turbo', ofText(3_072, turbo.extend(wide))),
  '/text-to-video/kling-3.0': endpoint('kling-3.0', ofText(3_072, settings3.extend(wide))),
  '/text-to-video/kling-2.6': endpoint('kling-2.6', ofText(2_500, settings26.extend(wide)), fault26),
  '/text-to-video/kling-2.5-turbo': endpoint('kling-2.5-turbo', ofText(2_500, settings25.extend(wide))),
  '/image-to-video/kling-3.0-turbo': endpoint(
    'kling-3.0-turbo',
    ofContents(union('type', [...frames(2_500)]), turbo),
    imageFault,
  ),
  '/image-to-video/kling-3.0': endpoint(
    'kling-3.0',
    ofContents(union('type', [...frames(3_072), content.last_frame, content.element]), settings3),
    imageFault,
  ),
  '/image-to-video/kling-2.6': endpoint(
    'kling-2.6',
    ofContents(union('type', [...frames(2_500), content.last_frame, content.voice]), settings26),
    imageFault,
    fault26,
  ),
  '/image-to-video/kling-2.5-turbo': endpoint(
    'kling-2.5-turbo',
    ofContents(union('type', [...frames(2_500), content.last_frame]), settings25),
    imageFault,
    fault25,
  ),
  '/omni-video/kling-3.0-omni': endpoint(
    'kling-3.0-omni',
    ofContents(
      omniContents(3_072),
      settings3.extend({
        audio: z.enum(['native', 'original', 'off']).default('off'),
        aspect_ratio: aspectRatio.optional(),
      }),
    ),
    omniFault,
  ),
  '/omni-video/kling-o1': endpoint(
    'kling-o1',
    ofContents(
      omniContents(2_500),
      z.strictObject({
        audio: kept.default('off'),
        resolution: hd,
        aspect_ratio: aspectRatio.optional(),
        duration: from3to(10),
      }),
    ),
    o1Fault,
  ),
  '/motion-control/kling-3.0': endpoint(
    'kling-3.0',
    ofContents(union('type', [content.prompt(2_500), content.image, content.video, content.element]), motion),
    motionFault,
  ),
  '/motion-control/kling-2.6': endpoint(
    'kling-2.6',
    ofContents(union('type', [content.prompt(2_500), content.image, content.video]), motion),
    motionFault,
  ),
};

/** What the checked body orders. */
export function orderedBy({ model }: Endpoint, body: Body): Ordered {
  const { settings, contents = [], options: given = {} } = body;
  const follows = countOf(body, 'video', 'base_video') > 0;
  const audio = settings.audio ?? (model === 'kling-3.0-turbo' ? 'native' : 'off');
  const frame = contents.find(({ type }) => type === 'first_frame' || type === 'image')?.url;
  const hasVideo = follows || countOf(body, 'feature_video') > 0;
  return {
    model,
    clip: {
      resolution: settings.resolution,
      aspectRatio: settings.aspect_ratio ?? shapeOf(frame),
      seconds: follows ? SOURCE_SECONDS : (settings.duration ?? 5),
      audio: audio !== 'off',
    },
    chargedAs:
      countOf(body, 'video') > 0
        ? 'motion'
        : hasVideo
          ? 'video'
          : countOf(body, 'voice') > 0
            ? 'voice'
            : audio === 'native'
              ? 'audio'
              : 'silent',
    common: given,
  };
}

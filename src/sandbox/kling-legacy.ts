/**
 * The legacy generation of official Kling: what each endpoint takes, and what it orders (kling.ai/document-api, legacy
 * video endpoints, mirrored 2026-09-20; which model does what: capability table of betasecond/KlingDemo, APIDoc.md).
 */
import type { z } from 'zod';
import type { ClipOrder } from './clip.ts';
import { type common, type Ordered, SOURCE_SECONDS, shapeOf } from './kling-fields.ts';
import {
  extendSchema,
  type fields,
  imageSchema,
  type mode,
  motionSchema,
  omniSchema,
  severalSchema,
  textSchema,
} from './kling-legacy-fields.ts';

const RESOLUTION = { std: '720p', pro: '1080p', '4k': '4k' } as const;
/** What the price list and the limits call a model that both generations make; older ones go by their own name. */
const VERSION: Readonly<Record<string, string>> = {
  'kling-v3': 'kling-3.0',
  'kling-v3-omni': 'kling-3.0-omni',
  'kling-video-o1': 'kling-o1',
  'kling-v2-6': 'kling-2.6',
  'kling-v2-5-turbo': 'kling-2.5-turbo',
};
const versionOf = (model: string): string => VERSION[model] ?? model;

const OF_TEXT = ['kling-v1-6', 'kling-v2-1-master', 'kling-v2-5-turbo', 'kling-v2-6', 'kling-v3'];
const OF_IMAGE = [...OF_TEXT, 'kling-v1-5', 'kling-v2-1'];
const WITH_SOUND = ['kling-v2-6', 'kling-v3'];
const WITH_CFG_SCALE = ['kling-v1-5', 'kling-v1-6'];
const WITH_LAST_FRAME = ['kling-v1-5', 'kling-v1-6', 'kling-v2-1', 'kling-v2-5-turbo', 'kling-v2-6', 'kling-v3'];

type Image = z.infer<typeof imageSchema>;
type Form = Pick<Image, Exclude<keyof typeof fields, keyof typeof common>>;

/** What a model cannot do, told by its first broken rule; null when the form is in order. */
function formFault(body: Form, models: readonly string[]): string | null {
  const { model_name: model, mode: wanted, duration, sound, voice_list: voices } = body;
  if (!models.includes(model)) return `model_name: ${model} is not supported`;
  if (wanted === '4k' && model !== 'kling-v3') return 'mode: 4k needs kling-v3';
  if (model !== 'kling-v3' && duration !== '5' && duration !== '10') return 'duration must be 5 or 10';
  if (sound !== undefined && !WITH_SOUND.includes(model)) return 'sound is not supported by this model';
  if (model === 'kling-v2-6' && sound === 'on' && wanted !== 'pro') return 'sound: on needs mode pro';
  if (voices !== undefined && sound !== 'on') return 'voice_list needs sound';
  if (body.cfg_scale !== undefined && !WITH_CFG_SCALE.includes(model)) return 'cfg_scale is not supported';
  return shotsFault(body, model === 'kling-v3');
}

function shotsFault(
  body: Pick<Form, 'multi_shot' | 'shot_type' | 'multi_prompt' | 'prompt' | 'duration'>,
  supported: boolean,
): string | null {
  const { multi_shot: wanted = false, shot_type: type, multi_prompt: list, prompt = '', duration } = body;
  if (!wanted) return (type ?? list) ? 'shot_type and multi_prompt need multi_shot' : null;
  if (!supported) return 'multi_shot is not supported by this model';
  if (type === undefined) return 'shot_type is required';
  if (type === 'intelligence') return prompt === '' ? 'prompt is required' : null;
  const sum = (list ?? []).reduce((total, shot) => total + Number(shot.duration), 0);
  return sum === Number(duration) ? null : `multi_prompt: the shots last ${sum} s, not ${duration}`;
}

function textFault(body: z.infer<typeof textSchema>): string | null {
  if (body.camera_control) return 'camera_control is not supported by this model';
  if (!body.prompt && !body.multi_prompt) return 'prompt is required';
  return formFault(body, OF_TEXT);
}

function imageFault(body: Image): string | null {
  const { model_name: model, mode: wanted, image_tail: tail, camera_control: move, duration } = body;
  const masked = body.static_mask !== undefined || body.dynamic_masks !== undefined;
  if (body.image === undefined) return 'image is required';
  if ([tail !== undefined, masked, move !== undefined].filter(Boolean).length > 1) {
    return 'image_tail, masks and camera_control exclude each other';
  }
  if (tail !== undefined && !WITH_LAST_FRAME.includes(model)) return 'image_tail is not supported by this model';
  if (tail !== undefined && model !== 'kling-v3' && wanted !== 'pro') return 'image_tail needs mode pro';
  if (tail !== undefined && model === 'kling-v2-6' && body.sound === 'on') return 'image_tail excludes sound';
  const withBrush = model === 'kling-v1-5' && wanted === 'pro' && duration === '5';
  if ((masked || move !== undefined) && !withBrush) return 'masks and camera_control need kling-v1-5, pro, 5 s';
  if (move !== undefined && move.type !== 'simple') return 'camera_control.type must be simple';
  if (move !== undefined && Object.values(move.config ?? {}).filter((value) => value !== 0).length !== 1) {
    return 'camera_control.config needs one value';
  }
  if (body.element_list && (model !== 'kling-v3' || body.element_list.length > 3)) return 'element_list';
  if (body.element_list && body.voice_list) return 'element_list excludes voice_list';
  return formFault(body, OF_IMAGE);
}

function omniFault(body: z.infer<typeof omniSchema>): string | null {
  const { model_name: model, image_list: images, video_list: videos, duration, sound } = body;
  const isO1 = model === 'kling-video-o1';
  const ofType = (type: string) => images.filter((item) => item.type === type).length;
  const [video] = videos;
  if (isO1 && (body.mode === '4k' || Number(duration) > 10)) return 'mode and duration: beyond kling-video-o1';
  if (sound === 'on' && (video || isO1)) return 'sound must be off';
  if (ofType('first_frame') > 1 || ofType('end_frame') > ofType('first_frame')) return 'image_list: frames';
  if (ofType('end_frame') > 0 && images.length > 2) return 'image_list: no end_frame with more than 2 images';
  if (video?.refer_type === 'base' && ofType('first_frame') > 0) return 'image_list: no frames with a base video';
  if (ofType('first_frame') === 0 && video?.refer_type !== 'base' && body.aspect_ratio === undefined) {
    return 'aspect_ratio is required';
  }
  const most = video ? 4 : 7;
  if (images.length + (body.element_list?.length ?? 0) > most) return `at most ${most} images and elements`;
  if (!body.prompt && !body.multi_prompt) return 'prompt is required';
  return shotsFault(body, !isO1 && !video);
}

type Chargeable = Pick<Form, 'sound' | 'voice_list'>;
const soundOf = ({ sound, voice_list: voices }: Chargeable) => (voices ? 'voice' : sound === 'on' ? 'audio' : 'silent');

/** An endpoint: its schema with its rules, and what a body orders; an extension needs its source for that. */
export interface LegacyEndpoint {
  readonly schema: z.ZodType<unknown>;
  ordered(body: unknown, sourceOf: (videoId: string) => Ordered | null): Ordered | null;
}

function endpoint<S extends z.ZodType>(
  schema: S,
  faultOf: (body: z.infer<S>) => string | null,
  ordered: (body: z.infer<S>, sourceOf: (videoId: string) => Ordered | null) => Ordered | null,
): LegacyEndpoint {
  const ruled = schema.superRefine((body, context) => {
    const message = faultOf(body);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
  return { schema: ruled, ordered: (body, sourceOf) => ordered(ruled.parse(body), sourceOf) };
}

interface Clip {
  readonly mode: z.infer<typeof mode>;
  readonly duration?: string;
}
const clipOf = (body: Clip, aspect: string, audio: boolean): ClipOrder => ({
  resolution: RESOLUTION[body.mode],
  aspectRatio: aspect,
  seconds: Number(body.duration ?? SOURCE_SECONDS),
  audio,
});
/** The master model makes 1080p, whatever `mode` says. */
const ofMaster = <B extends Clip & { model_name: string }>(body: B): B =>
  body.model_name === 'kling-v2-1-master' ? { ...body, mode: 'pro' } : body;

/** V2.1 by the price page only. */
const EXTENDED = ['kling-v1-5', 'kling-v1-6', 'kling-v2-1'];
const EXTENSION_SECONDS = 5;
const LENGTH_MAX_SECONDS = 180;

/** Every create endpoint of this generation that the gateway's models need. */
export const LEGACY_ENDPOINTS: Readonly<Record<string, LegacyEndpoint>> = {
  '/v1/videos/text2video': endpoint(textSchema, textFault, (body) => ({
    model: versionOf(body.model_name),
    clip: clipOf(ofMaster(body), body.aspect_ratio, body.sound === 'on'),
    chargedAs: soundOf(body),
    common: body,
  })),
  '/v1/videos/image2video': endpoint(imageSchema, imageFault, (body) => ({
    model: versionOf(body.model_name),
    clip: clipOf(ofMaster(body), shapeOf(body.image), body.sound === 'on'),
    chargedAs: soundOf(body),
    common: body,
  })),
  '/v1/videos/multi-image2video': endpoint(
    severalSchema,
    () => null,
    (body) => ({
      model: body.model_name,
      clip: clipOf(body, body.aspect_ratio, false),
      chargedAs: 'silent',
      common: body,
    }),
  ),
  '/v1/videos/omni-video': endpoint(omniSchema, omniFault, (body) => {
    const [video] = body.video_list;
    const edited = video?.refer_type === 'base' ? { ...body, duration: String(SOURCE_SECONDS) } : body;
    const frame = body.image_list.find(({ type }) => type === 'first_frame')?.image_url;
    const audio = body.sound === 'on' || video?.keep_original_sound === 'yes';
    return {
      model: versionOf(body.model_name),
      clip: clipOf(edited, body.aspect_ratio ?? shapeOf(frame), audio),
      chargedAs: video ? 'video' : soundOf(body),
      common: body,
    };
  }),
  '/v1/videos/motion-control': endpoint(
    motionSchema,
    ({ element_list: elements, model_name: model }) =>
      elements && (model !== 'kling-v3' || elements.length > 1) ? 'element_list' : null,
    (body) => ({
      model: versionOf(body.model_name),
      clip: clipOf({ mode: body.mode }, shapeOf(body.image_url), body.keep_original_sound === 'yes'),
      chargedAs: 'motion',
      common: body,
    }),
  ),
  '/v1/videos/video-extend': endpoint(
    extendSchema,
    () => null,
    (body, sourceOf) => {
      const source = sourceOf(body.video_id);
      if (!source || !EXTENDED.includes(source.model)) return null;
      if (body.cfg_scale !== undefined && !WITH_CFG_SCALE.includes(source.model)) return null;
      const length = source.clip.seconds + EXTENSION_SECONDS;
      return length > LENGTH_MAX_SECONDS
        ? null
        : { ...source, clip: { ...source.clip, seconds: length }, common: body };
    },
  ),
};

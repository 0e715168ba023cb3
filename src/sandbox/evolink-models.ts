/** What each model makes and costs: the public price rules of 2026-10-10 (GET /v1/catalog/pricing-rules). */
import type { ClipOrder } from './clip.ts';
import type { CreateRequest } from './evolink-requests.ts';

/** `output`: by the seconds ordered or delivered; `input`: by those of the source; `call`: by the task. */
interface Rule {
  readonly operation: string;
  readonly by: 'output' | 'input' | 'call';
  /** Units of 1/10,000 credit per second, or per call. */
  readonly rate: number;
  readonly minimumSeconds: number;
  readonly silent: Readonly<Record<string, number>>;
  readonly sounding?: Readonly<Record<string, number>>;
}

const ONE = { '720p': 1 };
const HD = { '720p': 1, '1080p': 1.334 };
const V3_SILENT = { '720p': 1, '1080p': 1.334, '4k': 5 };
const V3_SOUNDING = { '720p': 1.5, '1080p': 2, '4k': 5 };
const O3_SOUNDING = { '720p': 1.334, '1080p': 1.667, '4k': 5 };

const perSecond = (operation: string, rate: number, silent: Rule['silent'], sounding?: Rule['sounding']): Rule => ({
  operation,
  by: 'output',
  rate,
  minimumSeconds: 3,
  silent,
  ...(sounding && { sounding }),
});

export const RULES: Readonly<Record<CreateRequest['model'], Rule>> = {
  'kling-v3-text-to-video': perSecond('text_to_video', 54_000, V3_SILENT, V3_SOUNDING),
  'kling-v3-image-to-video': perSecond('image_to_video', 54_000, V3_SILENT, V3_SOUNDING),
  'kling-v3-turbo-text-to-video': perSecond('text_to_video', 72_000, { '720p': 1, '1080p': 1.25 }),
  'kling-v3-turbo-image-to-video': perSecond('image_to_video', 72_000, { '720p': 1, '1080p': 1.25 }),
  'kling-o3-text-to-video': perSecond('text_to_video', 54_000, V3_SILENT, O3_SOUNDING),
  'kling-o3-image-to-video': perSecond('image_to_video', 54_000, V3_SILENT, O3_SOUNDING),
  'kling-o3-reference-to-video': perSecond('reference_to_video', 81_000, HD),
  'kling-o3-video-edit': perSecond('video_edit', 81_000, HD),
  'kling-o1-image-to-video': { ...perSecond('image_to_video', 80_000, ONE), minimumSeconds: 5 },
  'kling-o1-video-edit': { ...perSecond('video_edit', 120_000, ONE), by: 'input' },
  'kling-o1-video-edit-fast': { ...perSecond('video_edit', 68_000, ONE), by: 'input', minimumSeconds: 6 },
  'kling-v3-motion-control': perSecond('motion_control', 81_648, HD),
  'kling-v2.6-motion-control': perSecond('motion_control', 45_000, { '720p': 1, '1080p': 1.6 }),
  'kling-custom-element': { ...perSecond('custom_element', 10, ONE), by: 'call' },
};

export const isModel = (name: string): name is CreateRequest['model'] => Object.hasOwn(RULES, name);

interface Priced {
  readonly quality: string;
  readonly sounding: boolean;
  readonly seconds: number;
}

/** Credits, to four decimals, half up: half seconds of an output count as whole, an input to the hundredth. */
export function creditsFor(model: CreateRequest['model'], { quality, sounding, seconds }: Priced): number {
  const rule = RULES[model];
  const multiplier = ((sounding && rule.sounding) || rule.silent)[quality] ?? 1;
  const counted = rule.by === 'input' ? Math.ceil(seconds * 100) / 100 : Math.floor(seconds + 0.5);
  const quantity = rule.by === 'call' ? 1 : Math.max(counted, rule.minimumSeconds);
  return Math.round(rule.rate * multiplier * quantity) / 10_000;
}

/** Nobody fetches a source video here: what follows one is as long as this. */
const SOURCE_SECONDS = 5;

/** The clip that was ordered. */
export function clipOf(value: CreateRequest): ClipOrder {
  return {
    resolution: 'quality' in value ? value.quality : '720p',
    aspectRatio: ('aspect_ratio' in value && value.aspect_ratio) || '16:9',
    seconds: 'duration' in value ? value.duration : SOURCE_SECONDS,
    audio: soundOf(value),
  };
}

/** Turbo always sounds; what follows a video keeps the sound of it unless told otherwise. */
function soundOf(value: CreateRequest): boolean {
  switch (value.model) {
    case 'kling-v3-turbo-text-to-video':
    case 'kling-v3-turbo-image-to-video':
      return true;
    case 'kling-v3-motion-control':
    case 'kling-v2.6-motion-control':
      return value.model_params.keep_sound;
    default:
      return 'sound' in value ? value.sound === 'on' : 'keep_original_sound' in value && value.keep_original_sound;
  }
}

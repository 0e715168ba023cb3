import { invalidValue } from '../ground/errors.ts';
import { ASPECT_RATIOS, type AspectRatio, type Model, type Resolution } from '../ground/models.ts';
import type { CreateFields } from './fields.ts';

/** OpenAI's default, so that an app written for it gets what it expects. */
const DEFAULT_SIZE = '720x1280';

export interface Frame {
  readonly resolution: Resolution;
  readonly aspectRatio: AspectRatio | null;
  readonly size: string;
}

const RESOLUTION_OF_MODE = { std: '720p', pro: '1080p', '4k': '4k' } as const;
const SHORT_SIDE = { '720p': 720, '1080p': 1_080, '4k': 2_160 } as const satisfies Record<Resolution, number>;

/**
 * Resolution and shape of the frame. What is said outright (`resolution`, `mode`, `aspect_ratio`) wins over `size`;
 * a
 * given image or video decides the shape by itself.
 */
export function frameOf(
  fields: CreateFields,
  model: Model,
  aliasResolution: Resolution | null,
  shapeIsGiven: boolean,
): Frame {
  const ofMode = fields.mode && RESOLUTION_OF_MODE[fields.mode];
  if (ofMode && fields.resolution && ofMode !== fields.resolution) {
    throw invalidValue('mode', `'mode' ${fields.mode} means ${ofMode}, but 'resolution' says ${fields.resolution}.`);
  }
  const parsedSize = fields.size === undefined ? null : parseSize(fields.size);
  const resolution =
    fields.resolution ?? ofMode ?? (parsedSize && resolutionOf(parsedSize)) ?? aliasResolution ?? '720p';
  const ratio = aspectRatioOf(fields, model, parsedSize);
  const size = parsedSize?.kind === 'pixels' ? (fields.size ?? '') : sizeOf(resolution, ratio);
  return { resolution, aspectRatio: shapeIsGiven ? null : ratio, size };
}

type ParsedSize =
  | { readonly kind: 'pixels'; readonly width: number; readonly height: number }
  | { readonly kind: 'ratio'; readonly ratio: number };

function parseSize(size: string): ParsedSize {
  const pixels = /^(\d{2,5})x(\d{2,5})$/i.exec(size);
  if (pixels) return { kind: 'pixels', width: Number(pixels[1]), height: Number(pixels[2]) };
  const ratio = /^(\d{1,3}):(\d{1,3})$/.exec(size);
  if (ratio && Number(ratio[2]) > 0) return { kind: 'ratio', ratio: Number(ratio[1]) / Number(ratio[2]) };
  throw invalidValue(
    'size',
    `Invalid value for 'size': expected a size such as '1280x720', got ${JSON.stringify(size.slice(0, 40))}.`,
  );
}

/** By the short side: up to 768 is 720p, up to 1100 is 1080p, above is 4k. A bare ratio says nothing. */
function resolutionOf(size: ParsedSize): Resolution | null {
  if (size.kind === 'ratio') return null;
  const short = Math.min(size.width, size.height);
  return short <= 768 ? '720p' : short <= 1_100 ? '1080p' : '4k';
}

function aspectRatioOf(fields: CreateFields, model: Model, size: ParsedSize | null): AspectRatio {
  const asked = fields.aspect_ratio;
  if (asked !== undefined) {
    const known = model.aspectRatios.find((ratio) => ratio === asked);
    if (known) return known;
    const able = model.aspectRatios.join(', ');
    throw invalidValue(
      'aspect_ratio',
      `Invalid value for 'aspect_ratio': ${model.id} makes ${able}, got '${asked.slice(0, 40)}'.`,
    );
  }
  const [width = 0, height = 0] = DEFAULT_SIZE.split('x').map(Number);
  const wanted = size === null ? width / height : size.kind === 'ratio' ? size.ratio : size.width / size.height;
  const distance = (ratio: AspectRatio): number => Math.abs(Math.log(ratioValue(ratio) / wanted));
  return [...model.aspectRatios].sort((a, b) => distance(a) - distance(b))[0] ?? ASPECT_RATIOS[0];
}

function ratioValue(ratio: AspectRatio): number {
  const [width = 1, height = 1] = ratio.split(':').map(Number);
  return width / height;
}

function sizeOf(resolution: Resolution, ratio: AspectRatio): string {
  const short = SHORT_SIDE[resolution];
  const value = ratioValue(ratio);
  const long = Math.round((short * Math.max(value, 1 / value)) / 2) * 2;
  return value >= 1 ? `${long}x${short}` : `${short}x${long}`;
}

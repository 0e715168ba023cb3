import type { Readable } from 'node:stream';
import type { MediaRules, SubmissionMedia } from '../../providers/contract.ts';
import { unreachable } from '../ground/assert.ts';
import { type Media, mediaOf, type VideoRequest } from '../ground/video-request.ts';

/** How a piece of media reaches a provider: its own address, or its bytes inside the request. */
type Way = 'address' | 'base64' | 'data_url';

function wayOf(rules: MediaRules, media: Media): Way | null {
  if (media.kind === 'url') return 'address';
  const fits = media.bytes <= (rules.inlineBytesMax ?? 0);
  return rules.inlineImage !== undefined && fits ? rules.inlineImage : null;
}

/** Why uploads of this request cannot reach a provider with these rules; null when they can. */
export function mediaRefusal(rules: MediaRules, request: VideoRequest): string | null {
  const stuck = mediaOf(request).find(({ media }) => wayOf(rules, media) === null);
  if (!stuck) return null;
  return `takes ${stuck.field} as an address only: send a URL instead of a file`;
}

/** The media of the request as the provider's wire takes them. `readUpload` gives the bytes of an upload. */
export async function resolveMedia(
  rules: MediaRules,
  request: VideoRequest,
  readUpload: (uploadId: string) => Readable,
): Promise<SubmissionMedia> {
  const resolve = (media: Media): Promise<string> => resolveOne(rules, media, readUpload);
  return {
    ...(request.firstFrame && { firstFrame: await resolve(request.firstFrame) }),
    ...(request.lastFrame && { lastFrame: await resolve(request.lastFrame) }),
    references: await Promise.all(request.references.map(resolve)),
    ...(request.video && { video: await resolve(request.video.media) }),
    ...(request.masks?.static && { staticMask: await resolve(request.masks.static) }),
    dynamicMasks: await Promise.all(
      (request.masks?.dynamic ?? []).map(async ({ mask, trajectory }) => ({ mask: await resolve(mask), trajectory })),
    ),
  };
}

async function resolveOne(
  rules: MediaRules,
  media: Media,
  readUpload: (uploadId: string) => Readable,
): Promise<string> {
  if (media.kind === 'url') return media.url;
  const way = wayOf(rules, media);
  if (way === null) throw new Error(`upload ${media.uploadId} has no way to this provider`);
  const chunks: Buffer[] = [];
  for await (const chunk of readUpload(media.uploadId)) chunks.push(chunk);
  const base64 = Buffer.concat(chunks).toString('base64');
  switch (way) {
    case 'base64':
    case 'address':
      return base64;
    case 'data_url':
      return `data:${media.contentType};base64,${base64}`;
    default:
      return unreachable(way);
  }
}

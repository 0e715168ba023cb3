import type { SubmissionMedia } from '../../providers/contract.ts';
import type { AnyProvider } from '../../providers/define.ts';
import { unreachable } from '../ground/assert.ts';
import { type Media, mediaOf, type VideoRequest } from '../ground/video-request.ts';

export type UploadMedia = Extract<Media, { kind: 'upload' }>;

/** Media that lie here and must be brought to a provider: an upload, or a video that was made before. */
export type OwnMedia = Exclude<Media, { kind: 'url' }>;

/** How media of ours reaches a provider, best way first. */
export type Way = 'inline' | 'link' | 'provider';

/**
 * The way for media of ours: inside the request where the wire takes bytes and they are few enough, else a link to this
 * gateway where it can be reached, else the provider's own keeping. Null when there is none.
 */
export function wayOf(
  provider: Pick<AnyProvider, 'media' | 'takesUploads'>,
  media: OwnMedia,
  linkable: boolean,
): Way | null {
  if (media.kind === 'saved') return linkable ? 'link' : null;
  const { inlineImage, inlineBytesMax = 0 } = provider.media;
  if (inlineImage !== undefined && media.bytes <= inlineBytesMax) return 'inline';
  if (linkable) return 'link';
  return provider.takesUploads ? 'provider' : null;
}

/** Why media of ours in this request cannot reach the provider; null when they can. */
export function mediaRefusal(
  provider: Pick<AnyProvider, 'media' | 'takesUploads'>,
  request: VideoRequest,
  linkable: boolean,
): string | null {
  const stuck = mediaOf(request).find(({ media }) => media.kind !== 'url' && wayOf(provider, media, linkable) === null);
  if (!stuck) return null;
  return `takes ${stuck.field} as an address only: send a URL, or set REELAY_PUBLIC_URL`;
}

/** What the ways need: the bytes of an upload, a link to it, or the address at which the provider has put it. */
export interface Ways {
  readonly linkable: boolean;
  readonly read: (upload: UploadMedia) => Promise<Buffer>;
  readonly link: (media: OwnMedia) => string;
  readonly store: (upload: UploadMedia, bytes: Buffer) => Promise<string>;
}

/** The media of the request as the provider's wire takes them. Throws what `store` throws. */
export async function resolveMedia(provider: AnyProvider, request: VideoRequest, ways: Ways): Promise<SubmissionMedia> {
  const resolve = (media: Media): Promise<string> => resolveOne(provider, media, ways);
  const { masks } = request;
  return {
    ...(request.firstFrame && { firstFrame: await resolve(request.firstFrame) }),
    ...(request.lastFrame && { lastFrame: await resolve(request.lastFrame) }),
    references: await Promise.all(request.references.map(resolve)),
    ...(request.video && { video: await resolve(request.video.media) }),
    ...(request.extends && { extendedVideoId: request.extends.providerVideoId }),
    ...(masks?.static && { staticMask: await resolve(masks.static) }),
    dynamicMasks: await Promise.all(
      (masks?.dynamic ?? []).map(async ({ mask, trajectory }) => ({ mask: await resolve(mask), trajectory })),
    ),
  };
}

async function resolveOne(provider: AnyProvider, media: Media, ways: Ways): Promise<string> {
  if (media.kind === 'url') return media.url;
  if (media.kind === 'saved') return ways.link(media);
  const way = wayOf(provider, media, ways.linkable);
  switch (way) {
    case 'inline': {
      const base64 = (await ways.read(media)).toString('base64');
      return provider.media.inlineImage === 'data_url' ? `data:${media.contentType};base64,${base64}` : base64;
    }
    case 'link':
      return ways.link(media);
    case 'provider':
      return await ways.store(media, await ways.read(media));
    case null:
      throw new Error(`the upload ${media.uploadId} has no way to ${provider.id}`);
    default:
      return unreachable(way);
  }
}

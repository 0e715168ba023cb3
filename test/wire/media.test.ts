/** Images and videos reach a provider in a way its wire takes: their address, or their bytes, exactly. */
import { describe, expect, it } from 'vitest';
import type { MediaRules } from '../../providers/contract.ts';
import type { AnyProvider } from '../../providers/define.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { present } from '../../src/ground/assert.ts';
import { type Media, type VideoRequest, videoRequestSchema } from '../../src/ground/video-request.ts';
import { mediaRefusal, resolveMedia, type UploadMedia, type Way, type Ways, wayOf } from '../../src/wire/media.ts';
import { makePng } from '../support/images.ts';

const png = makePng(32, 32);
const base64 = png.toString('base64');
const address = (name: string): Media => ({ kind: 'url', url: `https://cdn.example/${name}.png?sig=1` });
const upload = (uploadId: string, bytes = png.length): UploadMedia => ({
  kind: 'upload',
  uploadId,
  contentType: 'image/png',
  bytes,
  digest: 'digest',
});

const request = (media: Partial<VideoRequest>): VideoRequest => ({
  ...videoRequestSchema.parse({
    model: 'kling-v3',
    task: 'image_to_video',
    prompt: 'a red kite',
    seconds: 5,
    resolution: '720p',
    aspectRatio: null,
    audio: false,
  }),
  ...media,
});

/** A provider of ours that takes media by other rules. */
const taking = (media: MediaRules, takesUploads = false): AnyProvider => ({
  ...present(PROVIDERS[0], 'a provider'),
  media,
  takesUploads,
});
const ADDRESSES = taking({});
const BASE64 = taking({ inlineImage: 'base64', inlineBytesMax: 1_000_000 });
const DATA_URL = taking({ inlineImage: 'data_url', inlineBytesMax: 1_000_000 });
const KEEPING = taking({}, true);

/** Ways that write down what they were used for. */
function openWays(linkable: boolean): { readonly used: string[]; readonly ways: Ways } {
  const used: string[] = [];
  const note = <T>(what: string, value: T): T => {
    used.push(what);
    return value;
  };
  const ways: Ways = {
    linkable,
    read: async ({ uploadId }) => note(`read ${uploadId}`, png),
    link: (media) => {
      const id = media.kind === 'saved' ? media.videoId : media.uploadId;
      return note(`link ${id}`, `https://reelay.example/${id}`);
    },
    store: async ({ uploadId }, bytes) =>
      note(`store ${uploadId} ${bytes.equals(png)}`, `https://kept.example/${uploadId}`),
  };
  return { used, ways };
}

describe('media that are addresses', () => {
  const everywhere = request({
    firstFrame: address('first'),
    lastFrame: address('last'),
    references: [address('one'), address('two')],
    video: { media: address('source'), use: 'edit' },
    masks: { static: address('static'), dynamic: [{ mask: address('moving'), trajectory: [{ x: 1, y: 2 }] }] },
  });

  it.each([
    ['addresses', ADDRESSES],
    ['base64', BASE64],
    ['data URLs', DATA_URL],
    ['uploads', KEEPING],
  ])('are passed on as they are to a provider that takes %s', async (_, provider) => {
    const { used, ways } = openWays(true);
    expect(mediaRefusal(provider, everywhere, false)).toBeNull();
    expect(await resolveMedia(provider, everywhere, ways)).toEqual({
      firstFrame: 'https://cdn.example/first.png?sig=1',
      lastFrame: 'https://cdn.example/last.png?sig=1',
      references: ['https://cdn.example/one.png?sig=1', 'https://cdn.example/two.png?sig=1'],
      video: 'https://cdn.example/source.png?sig=1',
      staticMask: 'https://cdn.example/static.png?sig=1',
      dynamicMasks: [{ mask: 'https://cdn.example/moving.png?sig=1', trajectory: [{ x: 1, y: 2 }] }],
    });
    expect(used).toEqual([]);
  });

  it('and were not given are not there', async () => {
    expect(mediaRefusal(ADDRESSES, request({}), false)).toBeNull();
    const media = await resolveMedia(ADDRESSES, request({}), openWays(false).ways);
    expect(media).toEqual({ references: [], dynamicMasks: [] });
    expect(Object.keys(media).toSorted()).toEqual(['dynamicMasks', 'references']);
  });
});

describe('an upload', () => {
  const mixed = request({ firstFrame: upload('upl_1'), references: [address('one'), upload('upl_2')] });
  const written = (first: string, second: string) => ({
    firstFrame: first,
    references: ['https://cdn.example/one.png?sig=1', second],
    dynamicMasks: [],
  });

  it.each([
    ['base64', BASE64, base64],
    ['a data URL', DATA_URL, `data:image/png;base64,${base64}`],
  ])('is written as %s, byte for byte, where the wire takes that', async (_, provider, text) => {
    const { used, ways } = openWays(true);
    expect(await resolveMedia(provider, mixed, ways)).toEqual(written(text, text));
    expect(used).toEqual(['read upl_1', 'read upl_2']);
  });

  it('is linked to where this gateway can be reached, and its bytes stay here', async () => {
    const { used, ways } = openWays(true);
    const links = written('https://reelay.example/upl_1', 'https://reelay.example/upl_2');
    expect(await resolveMedia(ADDRESSES, mixed, ways)).toEqual(links);
    expect(used).toEqual(['link upl_1', 'link upl_2']);
  });

  it('is given into the provider’s own keeping where that is the only way', async () => {
    const { used, ways } = openWays(false);
    const kept = written('https://kept.example/upl_1', 'https://kept.example/upl_2');
    expect(await resolveMedia(KEEPING, mixed, ways)).toEqual(kept);
    expect(used).toEqual(['read upl_1', 'store upl_1 true', 'read upl_2', 'store upl_2 true']);
  });

  it.each<[provider: string, bytes: number, linkable: boolean, way: Way | null]>([
    ['inline', 1_000, true, 'inline'],
    ['inline', 1_000, false, 'inline'],
    ['inline', 1_001, true, 'link'],
    ['inline', 1_001, false, null],
    ['inline and keeping', 1_000, false, 'inline'],
    ['inline and keeping', 1_001, true, 'link'],
    ['inline and keeping', 1_001, false, 'provider'],
    ['keeping', 1, true, 'link'],
    ['keeping', 1, false, 'provider'],
    ['addresses only', 1, true, 'link'],
    ['addresses only', 1, false, null],
    ['inline without a limit', 1, false, null],
  ])('for a provider with %s goes, at %i bytes and linkable %s, the way %s', (takes, bytes, linkable, way) => {
    const limit = takes.includes('limit') ? {} : { inlineBytesMax: 1_000 };
    const rules: MediaRules = takes.startsWith('inline') ? { inlineImage: 'base64', ...limit } : {};
    const provider = taking(rules, takes.includes('keeping'));
    const image = upload('upl_1', bytes);
    expect(wayOf(provider, image, linkable)).toBe(way);
    expect(mediaRefusal(provider, request({ firstFrame: image }), linkable) === null).toBe(way !== null);
  });

  it.each<[field: string, media: Partial<VideoRequest>]>([
    ['input_reference', { firstFrame: upload('upl_1') }],
    ['image_tail', { firstFrame: address('first'), lastFrame: upload('upl_1') }],
    ['reference_images', { references: [address('one'), upload('upl_1')] }],
    ['video_url', { video: { media: upload('upl_1'), use: 'motion' } }],
    ['static_mask', { masks: { static: upload('upl_1'), dynamic: [] } }],
    ['dynamic_masks', { masks: { dynamic: [{ mask: upload('upl_1'), trajectory: [] }] } }],
  ])('as %s is refused by that name where only addresses are taken, with the way out', (field, media) => {
    expect(mediaRefusal(ADDRESSES, request(media), false)).toBe(
      `takes ${field} as an address only: send a URL, or set REELAY_PUBLIC_URL`,
    );
  });

  it('without a way is never read: asking for it is a bug and says so', async () => {
    const { used, ways } = openWays(false);
    await expect(resolveMedia(ADDRESSES, mixed, ways)).rejects.toThrow(/upload upl_1 has no way to kling/);
    expect(used).toEqual([]);
  });

  it.each(['read', 'store'] as const)('that cannot be %s stops the submission', async (step) => {
    const { ways } = openWays(false);
    const failing: Ways = { ...ways, [step]: () => Promise.reject(new Error('the disk is gone')) };
    await expect(resolveMedia(KEEPING, mixed, failing)).rejects.toThrow('the disk is gone');
  });
});

it.each(PROVIDERS.map(({ id, media }) => [id, media] as const))(
  '%s says how large an upload may be exactly when it takes one inside a request',
  (_, rules) => {
    expect(rules.inlineBytesMax !== undefined).toBe(rules.inlineImage !== undefined);
  },
);

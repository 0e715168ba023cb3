/** Images and videos reach a provider in a way its wire takes: their address, or their bytes, exactly. */
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { MediaRules } from '../../providers/contract.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { type Media, type VideoRequest, videoRequestSchema } from '../../src/ground/video-request.ts';
import { mediaRefusal, resolveMedia } from '../../src/wire/media.ts';
import { makePng } from '../support/images.ts';

const png = makePng(32, 32);
const address = (name: string): Media => ({ kind: 'url', url: `https://cdn.example/${name}.png?sig=1` });
const upload = (uploadId: string, bytes = png.length): Media => ({
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

const ADDRESSES: MediaRules = {};
const BASE64: MediaRules = { inlineImage: 'base64', inlineBytesMax: 1_000_000 };
const DATA_URL: MediaRules = { inlineImage: 'data_url', inlineBytesMax: 1_000_000 };

/** A store of uploads that gives each in two pieces, and remembers which were asked for. */
function store(...ids: string[]) {
  const read: string[] = [];
  const readUpload = (id: string): Readable => {
    if (!ids.includes(id)) throw new Error(`no upload ${id}`);
    read.push(id);
    return Readable.from([png.subarray(0, 10), png.subarray(10)]);
  };
  return { read, readUpload };
}

describe('media of a request', () => {
  it('that are addresses are passed on as they are, whatever a provider takes', async () => {
    const { readUpload, read } = store();
    const everywhere = request({
      firstFrame: address('first'),
      lastFrame: address('last'),
      references: [address('one'), address('two')],
      video: { media: address('source'), use: 'edit' },
    });
    for (const rules of [ADDRESSES, BASE64, DATA_URL]) {
      expect(mediaRefusal(rules, everywhere)).toBeNull();
      expect(await resolveMedia(rules, everywhere, readUpload)).toEqual({
        firstFrame: 'https://cdn.example/first.png?sig=1',
        lastFrame: 'https://cdn.example/last.png?sig=1',
        references: ['https://cdn.example/one.png?sig=1', 'https://cdn.example/two.png?sig=1'],
        video: 'https://cdn.example/source.png?sig=1',
      });
    }
    expect(read).toEqual([]);
  });

  it('that were not given are not there', async () => {
    expect(mediaRefusal(ADDRESSES, request({}))).toBeNull();
    expect(await resolveMedia(ADDRESSES, request({}), store().readUpload)).toEqual({ references: [] });
  });

  it.each([
    ['base64', BASE64, png.toString('base64')],
    ['a data URL', DATA_URL, `data:image/png;base64,${png.toString('base64')}`],
  ])('that were uploaded are written as %s, byte for byte', async (_, rules, written) => {
    const { readUpload } = store('upl_1', 'upl_2');
    const uploaded = request({ firstFrame: upload('upl_1'), references: [address('one'), upload('upl_2')] });
    expect(mediaRefusal(rules, uploaded)).toBeNull();
    expect(await resolveMedia(rules, uploaded, readUpload)).toEqual({
      firstFrame: written,
      references: ['https://cdn.example/one.png?sig=1', written],
    });
  });

  it('may be as large as the provider takes, and not a byte larger', () => {
    const rules: MediaRules = { inlineImage: 'base64', inlineBytesMax: 1_000 };
    expect(mediaRefusal(rules, request({ firstFrame: upload('upl_1', 1_000) }))).toBeNull();
    expect(mediaRefusal(rules, request({ firstFrame: upload('upl_1', 1_001) }))).toMatch(/input_reference/);
  });

  it('cannot be written into a request without a limit that says how large they may be', () => {
    expect(mediaRefusal({ inlineImage: 'base64' }, request({ firstFrame: upload('upl_1') }))).not.toBeNull();
  });

  it.each<[field: string, media: Partial<VideoRequest>]>([
    ['input_reference', { firstFrame: upload('upl_1') }],
    ['image_tail', { firstFrame: address('first'), lastFrame: upload('upl_1') }],
    ['reference_images', { references: [address('one'), upload('upl_1')] }],
    ['video_url', { video: { media: upload('upl_1'), use: 'motion' } }],
    ['static_mask', { masks: { static: upload('upl_1'), dynamic: [] } }],
    ['dynamic_masks', { masks: { dynamic: [{ mask: upload('upl_1'), trajectory: [] }] } }],
  ])('are refused by the name %s where only addresses are taken', async (field, media) => {
    expect(mediaRefusal(ADDRESSES, request(media))).toBe(
      `takes ${field} as an address only: send a URL instead of a file`,
    );
  });

  it('that no wire takes are never read: asking for them is a bug and says so', async () => {
    const { readUpload, read } = store('upl_1');
    await expect(resolveMedia(ADDRESSES, request({ firstFrame: upload('upl_1') }), readUpload)).rejects.toThrow(
      'upload upl_1 has no way to this provider',
    );
    expect(read).toEqual([]);
  });

  it('whose upload cannot be read stop the submission', async () => {
    const broken = (): Readable =>
      new Readable({
        read() {
          this.destroy(new Error('the disk is gone'));
        },
      });
    await expect(resolveMedia(BASE64, request({ firstFrame: upload('upl_1') }), broken)).rejects.toThrow(
      'disk is gone',
    );
  });
});

it.each(PROVIDERS.map(({ id, media }) => [id, media] as const))(
  '%s says how large an upload may be exactly when it takes one',
  (_, rules) => {
    expect(rules.inlineBytesMax !== undefined).toBe(rules.inlineImage !== undefined);
  },
);

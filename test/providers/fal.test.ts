/** fal's wire: the bodies as its types have them, written by hand; addresses, announcements, uploads, prices. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Delivery, ProviderResponse, Submission, SubmissionMedia } from '../../providers/contract.ts';
import { fal } from '../../providers/fal/index.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { chooseCapability } from '../../src/pricing/capability.ts';

const connection = fal.connect({ FAL_KEY: 'id:secret' });
const NOTHING: SubmissionMedia = { references: [], dynamicMasks: [] };
const NOW_MS = 1_795_000_000_000;

const requestOf = (fields: Partial<VideoRequest>): VideoRequest => ({
  model: 'kling-v3',
  task: 'text_to_video',
  prompt: 'a kite',
  seconds: 5,
  resolution: '720p',
  aspectRatio: fields.task === undefined || fields.task === 'text_to_video' ? '16:9' : null,
  audio: false,
  references: [],
  elements: [],
  voices: [],
  watermark: false,
  ...fields,
});

const URL_OF = (name: string) => ({ kind: 'url', url: `https://m.example/${name}` }) as const;
const IMAGE = 'https://m.example/image';
const LAST = 'https://m.example/last';
const VIDEO = 'https://m.example/video';

function submissionOf(fields: Partial<VideoRequest>, media: Partial<SubmissionMedia> = {}): Submission {
  const request = requestOf(fields);
  const chosen = chooseCapability(fal.capabilities, request, ['FAL_KEY']);
  if ('reason' in chosen) throw new Error(chosen.reason);
  return { attemptId: 'att_1', request, media: { ...NOTHING, ...media }, upstream: chosen.capability.upstream };
}

const wireOf = (fields: Partial<VideoRequest>, media: Partial<SubmissionMedia> = {}) => {
  const { path, body } = connection.submit.request(submissionOf(fields, media), NOW_MS);
  return { path, body };
};

const refusalOf = (fields: Partial<VideoRequest>): string => {
  const chosen = chooseCapability(fal.capabilities, requestOf(fields), ['FAL_KEY']);
  return 'reason' in chosen ? chosen.reason : `sold as ${chosen.capability.upstream}`;
};

const FRAMES = { firstFrame: URL_OF('image'), lastFrame: URL_OF('last') };
const FRAMES_SENT = { firstFrame: IMAGE, lastFrame: LAST };

describe('a body', () => {
  it.each<[string, Partial<VideoRequest>, Partial<SubmissionMedia>, string, unknown]>([
    [
      '4.0 from text',
      { model: 'kling-v4', audio: true, seconds: 30, resolution: '1080p', aspectRatio: '21:9' },
      {},
      '/kling/v4/text-to-video',
      { prompt: 'a kite', duration: 30, resolution: '1080p', aspect_ratio: '21:9' },
    ],
    [
      '4.0 from frames, in shots',
      {
        model: 'kling-v4',
        task: 'image_to_video',
        audio: true,
        seconds: 7,
        ...FRAMES,
        multiShot: {
          type: 'customize',
          shots: [
            { prompt: 'one', seconds: 3 },
            { prompt: 'two', seconds: 4 },
          ],
        },
      },
      FRAMES_SENT,
      '/kling/v4/image-to-video',
      {
        multi_prompt: [
          { prompt: 'one', duration: 3 },
          { prompt: 'two', duration: 4 },
        ],
        duration: 7,
        resolution: '720p',
        start_image_url: IMAGE,
        end_image_url: LAST,
      },
    ],
    [
      '3.0 from text',
      { negativePrompt: 'text', cfgScale: 0, audio: true, resolution: '4k' },
      {},
      '/fal-ai/kling-video/v3/4k/text-to-video',
      {
        prompt: 'a kite',
        duration: '5',
        aspect_ratio: '16:9',
        generate_audio: true,
        negative_prompt: 'text',
        cfg_scale: 0,
      },
    ],
    [
      '3.0 from frames, in shots',
      {
        task: 'image_to_video',
        seconds: 3,
        ...FRAMES,
        prompt: '',
        multiShot: {
          type: 'customize',
          shots: [
            { prompt: '@image_1 turns', seconds: 1 },
            { prompt: 'and goes', seconds: 2 },
          ],
        },
      },
      FRAMES_SENT,
      '/fal-ai/kling-video/v3/standard/image-to-video',
      {
        multi_prompt: [
          { prompt: '@Image1 turns', duration: '1' },
          { prompt: 'and goes', duration: '2' },
        ],
        shot_type: 'customize',
        duration: '3',
        generate_audio: false,
        start_image_url: IMAGE,
        end_image_url: LAST,
      },
    ],
    [
      '3.0 with shots of its own',
      { resolution: '1080p', multiShot: { type: 'intelligence', shots: [] } },
      {},
      '/fal-ai/kling-video/v3/pro/text-to-video',
      {
        prompt: 'a kite',
        shot_type: 'intelligent',
        duration: '5',
        aspect_ratio: '16:9',
        generate_audio: false,
      },
    ],
    [
      '3.0 motion control',
      {
        task: 'motion_control',
        prompt: '',
        seconds: null,
        characterOrientation: 'image',
        firstFrame: URL_OF('image'),
        video: { media: URL_OF('video'), use: 'motion' },
        keepOriginalSound: false,
      },
      { firstFrame: IMAGE, video: VIDEO },
      '/fal-ai/kling-video/v3/standard/motion-control',
      { image_url: IMAGE, video_url: VIDEO, character_orientation: 'image', keep_original_sound: false },
    ],
    [
      'turbo from an image',
      { model: 'kling-v3-turbo', task: 'image_to_video', audio: true, firstFrame: URL_OF('image') },
      { firstFrame: IMAGE },
      '/fal-ai/kling-video/v3/turbo/standard/image-to-video',
      { prompt: 'a kite', duration: '5', image_url: IMAGE },
    ],
    [
      'turbo from text',
      { model: 'kling-v3-turbo', audio: true, resolution: '1080p', aspectRatio: '1:1' },
      {},
      '/fal-ai/kling-video/v3/turbo/pro/text-to-video',
      { prompt: 'a kite', duration: '5', aspect_ratio: '1:1' },
    ],
    [
      'O3 from frames',
      { model: 'kling-o3', task: 'image_to_video', audio: true, ...FRAMES },
      FRAMES_SENT,
      '/fal-ai/kling-video/o3/standard/image-to-video',
      { prompt: 'a kite', duration: '5', generate_audio: true, image_url: IMAGE, end_image_url: LAST },
    ],
    [
      'O3 from references and frames',
      {
        model: 'kling-o3',
        task: 'reference_to_video',
        prompt: '<<<image_1>>> and @image2',
        ...FRAMES,
        references: [URL_OF('image'), URL_OF('last')],
      },
      { ...FRAMES_SENT, references: [IMAGE, LAST] },
      '/fal-ai/kling-video/o3/standard/reference-to-video',
      {
        prompt: '@Image1 and @Image2',
        duration: '5',
        generate_audio: false,
        start_image_url: IMAGE,
        end_image_url: LAST,
        image_urls: [IMAGE, LAST],
      },
    ],
    [
      'O3 after a video',
      {
        model: 'kling-o3',
        task: 'reference_to_video',
        prompt: 'as in @video_1',
        resolution: '1080p',
        video: { media: URL_OF('video'), use: 'feature' },
      },
      { video: VIDEO },
      '/fal-ai/kling-video/o3/pro/video-to-video/reference',
      { prompt: 'as in @Video1', video_url: VIDEO, duration: '5' },
    ],
    [
      'O3 edit',
      {
        model: 'kling-o3',
        task: 'video_edit',
        seconds: null,
        video: { media: URL_OF('video'), use: 'edit' },
        references: [URL_OF('image')],
        keepOriginalSound: true,
      },
      { video: VIDEO, references: [IMAGE] },
      '/fal-ai/kling-video/o3/standard/video-to-video/edit',
      { prompt: 'a kite', video_url: VIDEO, image_urls: [IMAGE], keep_audio: true },
    ],
    [
      'O1 pro from frames, whose id has no tier',
      { model: 'kling-o1', task: 'image_to_video', resolution: '1080p', ...FRAMES },
      FRAMES_SENT,
      '/fal-ai/kling-video/o1/image-to-video',
      { prompt: 'a kite', duration: '5', start_image_url: IMAGE, end_image_url: LAST },
    ],
    [
      'O1 from references',
      {
        model: 'kling-o1',
        task: 'reference_to_video',
        aspectRatio: '9:16',
        references: [URL_OF('image')],
      },
      { references: [IMAGE] },
      '/fal-ai/kling-video/o1/standard/reference-to-video',
      { prompt: 'a kite', duration: '5', image_urls: [IMAGE], aspect_ratio: '9:16' },
    ],
    [
      '2.6 with voices',
      {
        model: 'kling-v2-6',
        task: 'image_to_video',
        prompt: '@voice_1 hello',
        resolution: '1080p',
        audio: true,
        firstFrame: URL_OF('image'),
        voices: [{ id: 'v-1' }],
      },
      { firstFrame: IMAGE },
      '/fal-ai/kling-video/v2.6/pro/image-to-video',
      {
        prompt: '<<<voice_1>>> hello',
        duration: '5',
        start_image_url: IMAGE,
        voice_ids: ['v-1'],
        generate_audio: true,
      },
    ],
    [
      '2.5 turbo with a tail',
      { model: 'kling-v2-5-turbo', task: 'image_to_video', resolution: '1080p', ...FRAMES, cfgScale: 0.4 },
      FRAMES_SENT,
      '/fal-ai/kling-video/v2.5-turbo/pro/image-to-video',
      { prompt: 'a kite', duration: '5', image_url: IMAGE, tail_image_url: LAST, cfg_scale: 0.4 },
    ],
    [
      '1.6 from elements',
      { model: 'kling-v1-6', task: 'reference_to_video', aspectRatio: '1:1', references: [URL_OF('image')] },
      { references: [IMAGE] },
      '/fal-ai/kling-video/v1.6/standard/elements',
      { prompt: 'a kite', duration: '5', input_image_urls: [IMAGE], aspect_ratio: '1:1' },
    ],
    [
      '1.5 with masks',
      {
        model: 'kling-v1-5',
        task: 'image_to_video',
        resolution: '1080p',
        firstFrame: URL_OF('image'),
        masks: { static: URL_OF('last'), dynamic: [{ mask: URL_OF('last'), trajectory: [{ x: 1, y: 2 }] }] },
      },
      { firstFrame: IMAGE, staticMask: LAST, dynamicMasks: [{ mask: LAST, trajectory: [{ x: 1, y: 2 }] }] },
      '/fal-ai/kling-video/v1.5/pro/image-to-video',
      {
        prompt: 'a kite',
        duration: '5',
        image_url: IMAGE,
        static_mask_url: LAST,
        dynamic_masks: [{ mask_url: LAST, trajectories: [{ x: 1, y: 2 }] }],
      },
    ],
  ])('%s', (_what, fields, media, path, body) => {
    expect(wireOf(fields, media)).toEqual({ path, body });
  });

  it('is written for every endpoint that is sold', () => {
    const media = { ...FRAMES_SENT, video: VIDEO, references: [IMAGE] };
    for (const { upstream, model, task } of fal.capabilities) {
      const submission = {
        attemptId: 'att_1',
        request: requestOf({ model, task }),
        media: { ...NOTHING, ...media },
        upstream,
      };
      expect(connection.submit.request(submission, NOW_MS).path).toBe(`/${upstream}`);
    }
  });
});

describe('what fal cannot do is data', () => {
  it.each<[Partial<VideoRequest>, string]>([
    [{ model: 'kling-o1' }, 'does not sell text_to_video with kling-o1'],
    [{ model: 'kling-v2-1', resolution: '1080p' }, 'does not sell text_to_video with kling-v2-1'],
    [{ model: 'kling-v2-6' }, 'does not sell kling-v2-6 in 720p'],
    [{ model: 'kling-v1-5' }, 'does not sell kling-v1-5 in 720p'],
    [{ elements: [{ id: 'e-1' }] }, 'takes no elements here'],
    [{ prompt: '', multiShot: { type: 'intelligence', shots: [] } }, 'needs a prompt'],
    [{ watermark: true }, 'adds no watermark'],
    [{ camera: { type: 'down_back' } }, 'takes no camera_control here'],
    [{ model: 'kling-o3', negativePrompt: 'x' }, 'takes no negative_prompt here'],
    [{ model: 'kling-v4', audio: true, cfgScale: 1 }, 'takes no cfg_scale here'],
    [
      { model: 'kling-v2-1', task: 'image_to_video', firstFrame: URL_OF('a'), lastFrame: URL_OF('b') },
      'takes no last frame here',
    ],
    [
      { model: 'kling-v3-turbo', audio: true, prompt: 'x'.repeat(2_501) },
      'takes prompts of at most 2500 characters, not 2501',
    ],
    [
      {
        task: 'motion_control',
        seconds: null,
        characterOrientation: 'video',
        video: { media: URL_OF('video'), use: 'motion' },
      },
      'needs an image of the character',
    ],
  ])('%o: %s', (fields, reason) => {
    expect(refusalOf(fields)).toBe(reason);
  });
});

describe('a submission', () => {
  it('asks for no repeat and no other model at fal, and says where it may be called', () => {
    const submission = { ...submissionOf({}), webhookUrl: 'https://gw.example/hooks/fal/0a' };
    const { path, headers } = connection.submit.request(submission, NOW_MS);
    expect(path).toBe(
      '/fal-ai/kling-video/v3/standard/text-to-video?fal_webhook=https%3A%2F%2Fgw.example%2Fhooks%2Ffal%2F0a',
    );
    expect(headers).toEqual({
      authorization: 'Key id:secret',
      'x-fal-no-retry': '1',
      'x-app-fal-disable-fallback': 'true',
    });
  });

  it('names no webhook that fal would not call', () => {
    const submission = { ...submissionOf({}), webhookUrl: 'http://gw.example/hooks/fal/0a' };
    expect(connection.submit.request(submission, NOW_MS).path).not.toContain('?');
  });
});

const STATUS = {
  stage: 'status',
  statusPath: '/a/b/requests/1/status',
  responsePath: '/a/b/requests/1',
  cancelPath: '/c',
};
const answer = (fields: Partial<ProviderResponse>): ProviderResponse => ({
  origin: 'https://queue.fal.run',
  status: 200,
  headers: {},
  body: null,
  ...fields,
});

describe('a read', () => {
  it('goes to the address of its stage, and stops by PUT', () => {
    const wanted = { method: 'GET', path: STATUS.statusPath, headers: { authorization: 'Key id:secret' } };
    expect(connection.poll.request(STATUS, NOW_MS)).toEqual(wanted);
    expect(connection.poll.request({ ...STATUS, stage: 'result' }, NOW_MS).path).toBe(STATUS.responsePath);
    expect(connection.cancel?.request(STATUS, NOW_MS)).toMatchObject({ method: 'PUT', path: '/c' });
  });

  it('takes a completed request with an error of any shape for failed', () => {
    for (const error of ['boom', { a: 1 }, ['x'], 7]) {
      const body = { status: 'COMPLETED', error };
      expect(connection.poll.response(answer({ body }), STATUS)).toMatchObject({
        state: 'failure',
        kind: 'generation_failed',
        task: 'ended',
        charged: 'unknown',
      });
    }
  });

  it.each(['', 'NaN', '1e3', '-1', '5,04', '5.04 s'])('passes over billable units of %j', (units) => {
    const response = answer({
      body: { video: { url: 'https://v3b.fal.media/x.mp4' } },
      headers: { 'x-fal-billable-units': units },
    });
    const outcome = connection.poll.response(response, { ...STATUS, stage: 'result' });
    expect(outcome).toEqual({ state: 'finished', videoUrl: 'https://v3b.fal.media/x.mp4' });
  });

  it('does not take the names of an object for error types', () => {
    const body = { status: 'COMPLETED', error: 'x', error_type: 'constructor' };
    expect(connection.poll.response(answer({ body }), STATUS)).toMatchObject({ kind: 'generation_failed' });
  });
});

const pair = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');
const PUBLISHED = [other, pair].map(({ publicKey }) => publicKey.export({ format: 'jwk' }));
const BODY = JSON.stringify({ request_id: 'r-1', gateway_request_id: 'g-1', status: 'OK', payload: {}, error: null });

function deliveryOf(rawBody: string, atMs = NOW_MS, key = pair.privateKey): Delivery {
  const timestamp = String(Math.floor(atMs / 1_000));
  const digest = createHash('sha256').update(rawBody).digest('hex');
  const signature = sign(null, Buffer.from(['r-1', 'user', timestamp, digest].join('\n')), key).toString('hex');
  const headers = {
    'x-fal-webhook-request-id': 'r-1',
    'x-fal-webhook-user-id': 'user',
    'x-fal-webhook-timestamp': timestamp,
    'x-fal-webhook-signature': signature,
  };
  return { headers, rawBody };
}

describe('an announcement', () => {
  const verify = (delivery: Delivery, keys: readonly JsonWebKey[] = PUBLISHED) =>
    fal.hooks?.verify(delivery, { nowMs: NOW_MS, secrets: [], keys });

  it('that is genuine names its request, whichever key signed it', () => {
    expect(verify(deliveryOf(BODY))).toEqual({ deliveryId: 'r-1', taskId: 'r-1' });
    expect(verify(deliveryOf(BODY, NOW_MS, other.privateKey))).toEqual({ deliveryId: 'r-1', taskId: 'r-1' });
    expect(verify(deliveryOf(BODY, NOW_MS - 300_000))).not.toBeNull();
  });

  const genuine = deliveryOf(BODY);
  const withHeader = (name: string, value: string): Delivery => ({
    ...genuine,
    headers: { ...genuine.headers, [name]: value },
  });
  it.each<[string, Delivery]>([
    ['another body', { ...genuine, rawBody: BODY.replace('OK', 'NO') }],
    ['another user', withHeader('x-fal-webhook-user-id', 'mallory')],
    ['another request', withHeader('x-fal-webhook-request-id', 'r-2')],
    ['another time', withHeader('x-fal-webhook-timestamp', String(NOW_MS / 1_000 + 1))],
    ['a strange time', withHeader('x-fal-webhook-timestamp', 'now')],
    ['no signature', withHeader('x-fal-webhook-signature', '')],
    ['a short signature', withHeader('x-fal-webhook-signature', 'ab')],
    ['a key of nobody', deliveryOf(BODY, NOW_MS, generateKeyPairSync('ed25519').privateKey)],
    ['an old date', deliveryOf(BODY, NOW_MS - 301_000)],
    ['a date to come', deliveryOf(BODY, NOW_MS + 301_000)],
    ['no request id', deliveryOf('{}')],
    ['no JSON', deliveryOf('x')],
    ['no headers', { headers: {}, rawBody: BODY }],
  ])('with %s is refused', (_what, delivery) => {
    expect(verify(delivery)).toBeNull();
  });

  it('is refused without keys, and keys that are none are passed over', () => {
    expect(verify(genuine, [])).toBeNull();
    expect(verify(genuine, [{}, { x: 'AA' }, { kty: 'RSA' }])).toBeNull();
    expect(verify(genuine, [{}, { x: 'AA' }, ...PUBLISHED])).not.toBeNull();
  });

  it('finds a task whose answer was lost under the app id, not under the endpoint id', () => {
    const path = '/fal-ai/kling-video/requests/r-1';
    expect(fal.hooks?.adopt('r-1', 'fal-ai/kling-video/v3/pro/text-to-video')).toEqual({
      stage: 'status',
      statusPath: `${path}/status`,
      responsePath: path,
      cancelPath: `${path}/cancel`,
    });
    expect(fal.hooks?.adopt('r-1', 'kling/v4/text-to-video')).toMatchObject({ responsePath: '/kling/v4/requests/r-1' });
    expect(fal.hooks?.adopt('../../r', 'kling/v4/text-to-video')).toBeNull();
    expect(fal.hooks?.adopt('r-1', 'kling')).toBeNull();
  });
});

describe("the account's own questions", () => {
  it('go to the hosts they belong to', () => {
    const file = { fileName: 'a.png', contentType: 'image/png', base64: 'AA==' };
    expect(connection.upload?.request(file, NOW_MS)).toEqual({
      method: 'POST',
      host: 'rest',
      path: '/storage/upload/initiate?storage_type=fal-cdn-v3',
      headers: { authorization: 'Key id:secret' },
      body: { file_name: 'a.png', content_type: 'image/png' },
    });
    expect(connection.balance?.request({ fromMs: 0, toMs: 0 }, NOW_MS)).toMatchObject({
      host: 'platform',
      path: '/account/billing?expand=credits',
    });
    expect(connection.quote?.request(submissionOf({}), NOW_MS)).toMatchObject({
      method: 'GET',
      host: 'platform',
      path: '/models/pricing?endpoint_id=fal-ai%2Fkling-video%2Fv3%2Fstandard%2Ftext-to-video',
    });
    expect(fal.settings.hostVariables).toMatchObject({ rest: 'FAL_REST_URL', jwks: 'FAL_JWKS_URL' });
    // Nothing lets a caller look for a request by a mark of its own.
    expect(connection.find).toBeUndefined();
  });

  it('a clip that always sounds has a list price, one of unknown length has none', () => {
    const listed = (endpoint: string) =>
      answer({ body: { prices: [{ endpoint_id: endpoint, unit_price: 0.157, unit: 'seconds', currency: 'USD' }] } });
    const sounding = submissionOf({ model: 'kling-v4', audio: true, seconds: 3 });
    expect(connection.quote?.response(listed(sounding.upstream), sounding)).toEqual({ state: 'quoted', usd: '0.471' });
    const edit = submissionOf({
      model: 'kling-o3',
      task: 'video_edit',
      seconds: null,
      video: { media: URL_OF('video'), use: 'edit' },
    });
    expect(connection.quote?.response(listed(edit.upstream), edit)).toMatchObject({ kind: 'offer_refused' });
  });
});

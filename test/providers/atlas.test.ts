/**
 * Atlas's wire: the exact body of every family, written by hand from the vendor's public nodes and pages (2026), what its
 * data says it cannot do, its announcements, and its small exchanges. Answers are in `recorded/atlas`.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { atlas } from '../../providers/atlas/index.ts';
import type { Delivery, DeliveryProof, Submission } from '../../providers/contract.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { chooseCapability } from '../../src/pricing/capability.ts';
import { connectionOf } from './recorded.ts';

const connection = connectionOf('atlas');
const A = 'https://media.example.com/a.png';
const B = 'https://media.example.com/b.png';
const V = 'https://media.example.com/v.mp4';
const TASK = '3f0c9f0e4d1b4c7aa2b1f6f2a9d05e77';
const image = (url: string) => ({ kind: 'url', url }) as const;

function request(change: Partial<VideoRequest>): VideoRequest {
  return {
    model: 'kling-v3',
    task: 'text_to_video',
    prompt: 'a red kite',
    seconds: 5,
    resolution: '720p',
    aspectRatio: '16:9',
    audio: false,
    references: [],
    elements: [],
    voices: [],
    watermark: false,
    ...change,
  };
}

/** The submission as the gateway would make it: the capability that is chosen names the model id. */
function submission(change: Partial<VideoRequest>, media: Partial<Submission['media']> = {}): Submission {
  const wanted = request(change);
  const chosen = chooseCapability(atlas.capabilities, wanted, ['ATLASCLOUD_API_KEY']);
  if ('reason' in chosen) throw new Error(chosen.reason);
  return {
    attemptId: 'att_0VbYqoN60000000000000000000000000000',
    request: wanted,
    media: { references: [], dynamicMasks: [], ...media },
    upstream: chosen.capability.upstream,
  };
}

const reasonOf = (change: Partial<VideoRequest>): string | null => {
  const chosen = chooseCapability(atlas.capabilities, request(change), ['ATLASCLOUD_API_KEY']);
  return 'reason' in chosen ? chosen.reason : null;
};

const framed = { task: 'image_to_video', firstFrame: image(A), aspectRatio: null } as const;
const framedTwice = { ...framed, lastFrame: image(B) } as const;
const pictures = (count: number) => Array.from({ length: count }, () => image(A));
const source = (use: 'edit' | 'feature' | 'motion') =>
  ({ video: { media: image(V), use }, aspectRatio: null }) as const;
const oneFrame = { firstFrame: A };
const twoFrames = { firstFrame: A, lastFrame: B };
const twoShots = {
  type: 'customize',
  shots: [
    { prompt: 'door opens', seconds: 2 },
    { prompt: '@image_1 walks in', seconds: 3 },
  ],
} as const satisfies VideoRequest['multiShot'];

/** Every family: the request, its media as the wire takes them, and the whole body but for `model`'s prefix. */
const bodies: [what: string, Partial<VideoRequest>, Partial<Submission['media']>, Record<string, unknown>][] = [
  [
    '3.0 from text',
    { seconds: 8, resolution: '1080p', audio: true, negativePrompt: 'text', cfgScale: 0.3, aspectRatio: '9:16' },
    {},
    {
      model: 'v3.0-pro/text-to-video',
      prompt: 'a red kite',
      duration: 8,
      aspect_ratio: '9:16',
      cfg_scale: 0.3,
      sound: true,
      negative_prompt: 'text',
    },
  ],
  [
    '3.0 from two frames: the shape is theirs',
    framedTwice,
    twoFrames,
    { model: 'v3.0-std/image-to-video', prompt: 'a red kite', duration: 5, sound: false, image: A, end_image: B },
  ],
  [
    '3.0 in 4k, with shots of their own and no prompt but theirs',
    { resolution: '4k', prompt: '', multiShot: twoShots },
    {},
    {
      model: 'v3.0-4k/text-to-video',
      prompt: 'door opens',
      duration: 5,
      aspect_ratio: '16:9',
      sound: false,
      multi_shot: true,
      shot_type: 'customize',
      multi_prompt: [
        { prompt: 'door opens', duration: 2 },
        { prompt: '<<<image_1>>> walks in', duration: 3 },
      ],
    },
  ],
  [
    '3.0 in 4k, with shots that the model divides',
    { ...framed, resolution: '4k', multiShot: { type: 'intelligence', shots: [] } },
    oneFrame,
    {
      model: 'v3.0-4k/image-to-video',
      prompt: 'a red kite',
      duration: 5,
      sound: false,
      image: A,
      multi_shot: true,
      shot_type: 'intelligence',
    },
  ],
  [
    'motion control of 3.0',
    { ...source('motion'), task: 'motion_control', prompt: '', seconds: null, firstFrame: image(A) },
    { firstFrame: A, video: V },
    { model: 'v3.0-std/motion-control', image: A, video: V, character_orientation: 'video', keep_original_sound: true },
  ],
  [
    'motion control of 2.6, told in words, as in the image, without its sound',
    {
      ...source('motion'),
      model: 'kling-v2-6',
      task: 'motion_control',
      seconds: null,
      resolution: '1080p',
      firstFrame: image(A),
      characterOrientation: 'image',
      keepOriginalSound: false,
    },
    { firstFrame: A, video: V },
    {
      model: 'v2.6-pro/motion-control',
      prompt: 'a red kite',
      image: A,
      video: V,
      character_orientation: 'image',
      keep_original_sound: false,
    },
  ],
  [
    'turbo from text: no field for sound',
    { model: 'kling-v3-turbo', audio: true, seconds: 15, aspectRatio: '1:1' },
    {},
    { model: 'v3.0-turbo/text-to-video', prompt: 'a red kite', duration: 15, aspect_ratio: '1:1' },
  ],
  [
    'turbo from two frames',
    { ...framedTwice, model: 'kling-v3-turbo', audio: true },
    twoFrames,
    { model: 'v3.0-turbo/image-to-video', prompt: 'a red kite', duration: 5, image: A, end_image: B },
  ],
  [
    'O3 from text',
    { model: 'kling-o3', audio: true },
    {},
    { model: 'video-o3-std/text-to-video', prompt: 'a red kite', duration: 5, aspect_ratio: '16:9', sound: true },
  ],
  [
    'O3 in 4k from text: no ratio',
    { model: 'kling-o3', resolution: '4k' },
    {},
    { model: 'video-o3-4k/text-to-video', prompt: 'a red kite', duration: 5, sound: false },
  ],
  [
    'O3 from two frames: sound is called generate_audio',
    { ...framedTwice, model: 'kling-o3', resolution: '1080p', audio: true },
    twoFrames,
    {
      model: 'video-o3-pro/image-to-video',
      prompt: 'a red kite',
      duration: 5,
      generate_audio: true,
      image: A,
      end_image: B,
    },
  ],
  [
    'O3 in 4k from a frame: sound is called sound again',
    { ...framed, model: 'kling-o3', resolution: '4k', audio: true },
    oneFrame,
    { model: 'video-o3-4k/image-to-video', prompt: 'a red kite', duration: 5, sound: true, image: A },
  ],
  [
    'O3 from references, named in the prompt',
    {
      model: 'kling-o3',
      task: 'reference_to_video',
      prompt: '@Image1 meets @image_2',
      references: pictures(2),
      audio: true,
    },
    { references: [A, B] },
    {
      model: 'video-o3-std/reference-to-video',
      prompt: '<<<image_1>>> meets <<<image_2>>>',
      duration: 5,
      aspect_ratio: '16:9',
      images: [A, B],
      sound: true,
    },
  ],
  [
    'O3 from a video to refer to',
    {
      ...source('feature'),
      model: 'kling-o3',
      task: 'reference_to_video',
      prompt: 'as @video_1',
      resolution: '1080p',
      references: pictures(1),
    },
    { references: [A], video: V },
    {
      model: 'video-o3-pro/reference-to-video',
      prompt: 'as <<<video_1>>>',
      duration: 5,
      images: [A],
      sound: false,
      video: V,
      keep_original_sound: true,
    },
  ],
  [
    'an edit by O3: as long as its source',
    { ...source('edit'), model: 'kling-o3', task: 'video_edit', seconds: null, keepOriginalSound: false },
    { video: V },
    { model: 'video-o3-std/video-edit', prompt: 'a red kite', video: V, keep_original_sound: false },
  ],
  [
    'O1 from text',
    { model: 'kling-o1', seconds: 10 },
    {},
    { model: 'video-o1/text-to-video', prompt: 'a red kite', duration: 10, aspect_ratio: '16:9' },
  ],
  [
    'O1 from a frame: nothing else is known to be taken',
    { ...framed, model: 'kling-o1' },
    oneFrame,
    { model: 'video-o1/image-to-video', prompt: 'a red kite', image: A },
  ],
  [
    '2.6 from text: silence is said',
    { model: 'kling-v2-6', resolution: '1080p' },
    {},
    { model: 'v2.6-pro/text-to-video', prompt: 'a red kite', duration: 5, aspect_ratio: '16:9', sound: false },
  ],
  [
    '2.6 from two frames',
    { ...framedTwice, model: 'kling-v2-6', resolution: '1080p', audio: true, seconds: 10, cfgScale: 0 },
    twoFrames,
    {
      model: 'v2.6-pro/image-to-video',
      prompt: 'a red kite',
      duration: 10,
      cfg_scale: 0,
      sound: true,
      image: A,
      end_image: B,
    },
  ],
  [
    '2.5 from text: the scale is called guidance_scale',
    { model: 'kling-v2-5-turbo', resolution: '1080p', cfgScale: 0.7, negativePrompt: 'text' },
    {},
    {
      model: 'v2.5-turbo-pro/text-to-video',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      guidance_scale: 0.7,
      negative_prompt: 'text',
    },
  ],
  [
    '2.5 from two frames: the last is called last_image',
    { ...framedTwice, model: 'kling-v2-5-turbo', resolution: '1080p' },
    twoFrames,
    { model: 'v2.5-turbo-pro/image-to-video', prompt: 'a red kite', duration: 5, image: A, last_image: B },
  ],
  [
    '2.1 from a frame',
    { ...framed, model: 'kling-v2-1', negativePrompt: 'text' },
    oneFrame,
    { model: 'v2.1-i2v-standard', prompt: 'a red kite', duration: 5, negative_prompt: 'text', image: A },
  ],
  [
    '2.1 from two frames: an id of its own',
    { ...framedTwice, model: 'kling-v2-1', resolution: '1080p', cfgScale: 1 },
    twoFrames,
    {
      model: 'v2.1-i2v-pro/start-end-frame',
      prompt: 'a red kite',
      duration: 5,
      guidance_scale: 1,
      image: A,
      end_image: B,
    },
  ],
  [
    '2.1 master from text',
    { model: 'kling-v2-1-master', resolution: '1080p' },
    {},
    { model: 'v2.1-t2v-master', prompt: 'a red kite', duration: 5, aspect_ratio: '16:9' },
  ],
  [
    '2.1 master from a frame',
    { ...framed, model: 'kling-v2-1-master', resolution: '1080p', seconds: 10 },
    oneFrame,
    { model: 'v2.1-i2v-master', prompt: 'a red kite', duration: 10, image: A },
  ],
  [
    '1.6 from text',
    { model: 'kling-v1-6' },
    {},
    { model: 'v1.6-t2v-standard', prompt: 'a red kite', duration: 5, aspect_ratio: '16:9' },
  ],
  [
    '1.6 from a frame',
    { ...framed, model: 'kling-v1-6', resolution: '1080p' },
    oneFrame,
    { model: 'v1.6-i2v-pro', prompt: 'a red kite', duration: 5, image: A },
  ],
  [
    '1.6 from several images',
    { model: 'kling-v1-6', task: 'reference_to_video', references: pictures(2) },
    { references: [A, B] },
    { model: 'v1.6-multi-i2v-standard', prompt: 'a red kite', duration: 5, aspect_ratio: '16:9', images: [A, B] },
  ],
];

describe('a create', () => {
  it.each(bodies)('%s', (_what, change, media, { model, ...fields }) => {
    const made = connection.submit.request(submission(change, media), 0);
    expect(made.body).toEqual({ model: `kwaivgi/kling-${model}`, ...fields });
  });

  it('carries the key and an agent that the edge lets through', () => {
    expect(connection.submit.request(submission({}), 0)).toMatchObject({
      method: 'POST',
      path: '/api/v1/model/generateVideo',
      headers: { authorization: 'Bearer test-credential', 'user-agent': expect.stringMatching(/^Mozilla\/5\.0 /) },
    });
  });

  it('names a hook that can be called, and no other', () => {
    const hookOf = (webhookUrl: string): unknown =>
      (connection.submit.request({ ...submission({}), webhookUrl }, 0).body as Record<string, unknown>).webhook_url;
    const given = ['https://gw.example/hooks/atlas/1', 'http://127.0.0.1:8787/hooks/atlas/1'];
    expect(given.map(hookOf)).toEqual(given);
    expect(hookOf('http://gw.example/hooks/atlas/1')).toBeUndefined();
    expect(hookOf('http://127.0.0.1.example/hooks/atlas/1')).toBeUndefined();
    expect(hookOf(`https://gw.example/${'x'.repeat(1_024)}`)).toBeUndefined();
  });

  it('of a model that is not ours is a fault of ours', () => {
    expect(() => connection.submit.request({ ...submission({}), upstream: 'kwaivgi/kling-v4.0' }, 0)).toThrow(
      /kling-v4\.0/,
    );
  });
});

describe('what Atlas cannot do is known beforehand', () => {
  const reference = { model: 'kling-o3', task: 'reference_to_video' } as const;
  it.each([
    ['4.0', { model: 'kling-v4', audio: true }, /does not sell kling-v4/],
    ['elements', { elements: [{ id: 'e-1' }] }, /takes no elements/],
    ['voices', { voices: [{ id: 'v-1' }], audio: true }, /takes no voices/],
    ['a camera', { camera: { type: 'down_back' } }, /takes no camera_control/],
    ['a watermark', { watermark: true }, /adds no watermark/],
    ['shots below 4k', { multiShot: twoShots }, /takes no multi_shot/],
    ['shots of turbo', { model: 'kling-v3-turbo', audio: true, multiShot: twoShots }, /takes no multi_shot/],
    ['turbo in 1080p', { model: 'kling-v3-turbo', audio: true, resolution: '1080p' }, /in 1080p/],
    ['a long prompt', { prompt: 'x'.repeat(2_501) }, /at most 2500 characters, not 2501/],
    ['a portrait by O3 in 4k', { model: 'kling-o3', resolution: '4k', aspectRatio: '9:16' }, /does not offer 9:16/],
    ['a negative prompt for O3', { model: 'kling-o3', negativePrompt: 'text' }, /takes no negative_prompt/],
    ['eight references', { ...reference, references: pictures(8) }, /takes 7 reference images/],
    ['references in 4k', { ...reference, resolution: '4k', references: pictures(1) }, /in 4k/],
    ['a first frame beside references', { ...reference, references: pictures(1), firstFrame: image(A) }, /first frame/],
    ['sound beside a source video', { ...reference, ...source('feature'), audio: true }, /without sound only/],
    [
      'five images beside a video',
      { ...reference, ...source('feature'), references: pictures(5) },
      /takes 4 reference/,
    ],
    ['O1 from references', { model: 'kling-o1', task: 'reference_to_video', references: pictures(1) }, /does not sell/],
    ['O1 from a frame for 10 s', { ...framed, model: 'kling-o1', seconds: 10 }, /sells 5 seconds of it, not 10/],
    ['O1 in 1080p', { model: 'kling-o1', resolution: '1080p' }, /in 1080p/],
    ['2.6 in 720p', { model: 'kling-v2-6' }, /in 720p/],
    ['2.5 in 720p', { model: 'kling-v2-5-turbo' }, /in 720p/],
    ['2.1 from text', { model: 'kling-v2-1' }, /does not sell text_to_video/],
    ['a last frame for 2.1 in 720p', { ...framedTwice, model: 'kling-v2-1' }, /takes no last frame/],
    ['a scale for 1.6', { model: 'kling-v1-6', cfgScale: 0.5 }, /takes no cfg_scale/],
    ['1.6 from text in 1080p', { model: 'kling-v1-6', resolution: '1080p' }, /in 1080p/],
    ['extension', { model: 'kling-v2-1', task: 'extension' }, /does not sell extension/],
  ] satisfies [string, Partial<VideoRequest>, RegExp][])('%s', (_what, change, reason) => {
    expect(reasonOf(change)).toMatch(reason);
  });
});

describe('a read', () => {
  it('asks for the prediction by its id', () => {
    expect(connection.poll.request({ taskId: TASK }, 0)).toMatchObject({
      method: 'GET',
      path: `/api/v1/model/prediction/${TASK}`,
      headers: { authorization: 'Bearer test-credential' },
    });
  });

  it('that is flagged withholds the video, and nobody knows whether it was charged', () => {
    const data = { id: TASK, status: 'completed', outputs: [V], has_nsfw_contents: [false, true] };
    const response = { origin: 'https://api.atlascloud.ai', status: 200, headers: {}, body: { code: 200, data } };
    expect(connection.poll.response(response, { taskId: TASK })).toMatchObject({
      state: 'failure',
      kind: 'content_rejected',
      task: 'ended',
      charged: 'unknown',
    });
  });

  it('never takes an id that leads up the path', () => {
    for (const id of ['..', '.', '../balance', 'a/b', '', 'x'.repeat(129)]) {
      const response = { origin: '', status: 200, headers: {}, body: { code: 200, data: { id } } };
      expect(connection.submit.response(response, submission({}))).toMatchObject({ kind: 'protocol_error' });
      expect(atlas.hooks?.adopt(id, '')).toBeNull();
    }
  });
});

describe('a quote and a balance', () => {
  it('a quote has the body of the create', () => {
    const wanted = submission({ seconds: 3 });
    const asked = connection.quote?.request(wanted, 0);
    expect(asked).toMatchObject({ method: 'POST', path: '/api/v1/model/calculate' });
    expect(asked?.body).toEqual(connection.submit.request(wanted, 0).body);
  });

  it('a balance is read from the public address', () => {
    expect(connection.balance?.request({ fromMs: 0, toMs: 0 }, 0)).toMatchObject({
      method: 'GET',
      path: '/public/v1/balance',
    });
  });

  it('what Atlas does not offer is not there', () => {
    expect(Object.keys(connection).sort()).toEqual(['balance', 'poll', 'quote', 'submit']);
  });
});

describe('an announcement', () => {
  const NOW_MS = Date.parse('2026-11-20T09:20:00Z');
  const SECONDS = String(NOW_MS / 1_000);
  const pair = generateKeyPairSync('ed25519');
  const other = generateKeyPairSync('ed25519');
  const keys = [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k-2026-07' }];
  const proof: DeliveryProof = { nowMs: NOW_MS, secrets: [], keys };
  const body = JSON.stringify({
    session_id: TASK,
    event_type: 'video.task.terminal',
    status: 'OK',
    created_at: '2026-11-20T09:19:59Z',
    payload: { model: 'kwaivgi/kling-v3.0-std/text-to-video', status: 'completed', outputs: [V] },
    error: null,
  });

  function delivery(change: Record<string, string> = {}, rawBody = body, key = pair.privateKey): Delivery {
    const timestamp = change['x-atlascloud-webhook-timestamp'] ?? SECONDS;
    const signature = sign(null, Buffer.from(`${timestamp}.${rawBody}`), key).toString('base64url');
    return {
      rawBody,
      headers: {
        'x-atlascloud-webhook-id': TASK,
        'x-atlascloud-webhook-timestamp': timestamp,
        'x-atlascloud-webhook-key-id': 'k-2026-07',
        'x-atlascloud-webhook-signature-ed25519': signature,
        'x-atlascloud-webhook-signature': 'ab'.repeat(32),
        ...change,
      },
    };
  }

  const announced = { deliveryId: TASK, taskId: TASK };
  const seconds = (late: number) => ({ 'x-atlascloud-webhook-timestamp': String(NOW_MS / 1_000 + late) });

  it('is believed when it is signed by the published key, and is equal when it comes again', () => {
    expect(atlas.hooks?.verify(delivery(), proof)).toEqual(announced);
    expect(atlas.hooks?.verify(delivery(seconds(-299)), proof)).toEqual(announced);
    expect(atlas.hooks?.keys).toEqual({ host: 'api', path: '/api/v1/webhooks/jwks.json' });
    expect(atlas.hooks?.adopt(TASK, '')).toEqual({ taskId: TASK });
  });

  it('is believed with padding, and from the header that is to carry the signature later', () => {
    const { headers, rawBody } = delivery();
    const { 'x-atlascloud-webhook-signature-ed25519': signature = '', ...rest } = headers;
    const padded = { ...headers, 'x-atlascloud-webhook-signature-ed25519': `${signature}==` };
    expect(atlas.hooks?.verify({ headers: padded, rawBody }, proof)).toEqual(announced);
    const moved = { ...rest, 'x-atlascloud-webhook-signature': signature };
    expect(atlas.hooks?.verify({ headers: moved, rawBody }, proof)).toEqual(announced);
  });

  it.each([
    ['without any keys', delivery(), { ...proof, keys: [] }],
    ['with another key', delivery({}, body, other.privateKey), proof],
    ['with a key id that is not published', delivery({ 'x-atlascloud-webhook-key-id': 'k-1' }), proof],
    [
      'without a key id',
      { ...delivery(), headers: { ...delivery().headers, 'x-atlascloud-webhook-key-id': '' } },
      proof,
    ],
    ['with another body', { ...delivery(), rawBody: body.replace(TASK, 'f'.repeat(32)) }, proof],
    ['that is five minutes old', delivery(seconds(-301)), proof],
    ['that is from the future', delivery(seconds(301)), proof],
    ['with a time that is none', delivery({ 'x-atlascloud-webhook-timestamp': 'now' }), proof],
    ['with the older signature only', delivery({ 'x-atlascloud-webhook-signature-ed25519': '' }), proof],
    ['without a task', delivery({}, '{"status":"OK"}'), proof],
    ['with a task that leads up the path', delivery({}, '{"session_id":".."}'), proof],
    ['that is not JSON', delivery({}, 'OK'), proof],
    ['under a key that cannot be read', delivery(), { ...proof, keys: [{ ...keys[0], x: 'AA' }] }],
    ['under a key of another kind', delivery(), { ...proof, keys: keys.map((key) => ({ ...key, kty: 'RSA' })) }],
    ['without headers', { headers: {}, rawBody: body }, proof],
  ] satisfies [string, Delivery, DeliveryProof][])('%s is not believed', (_what, given, known) => {
    expect(atlas.hooks?.verify(given, known)).toBeNull();
  });
});

/**
 * EvoLink's wire: the exact body of every family, written by hand from its pages (docs.evolink.ai, 2026-10), what its
 * data says it cannot do, and its small exchanges. Answers are in `recorded/evolink`.
 */
import { describe, expect, it } from 'vitest';
import type { DeliveryProof, Submission } from '../../providers/contract.ts';
import { evolink } from '../../providers/evolink/index.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { chooseCapability } from '../../src/pricing/capability.ts';
import { connectionOf } from './recorded.ts';

const connection = connectionOf('evolink');
const A = 'https://media.example.com/a.png';
const B = 'https://media.example.com/b.png';
const V = 'https://media.example.com/v.mp4';
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
  const chosen = chooseCapability(evolink.capabilities, wanted, ['EVOLINK_API_KEY']);
  if ('reason' in chosen) throw new Error(chosen.reason);
  return {
    attemptId: 'att_0VbYqoN60000000000000000000000000000',
    request: wanted,
    media: { references: [], dynamicMasks: [], ...media },
    upstream: chosen.capability.upstream,
  };
}

const bodyOf = (change: Partial<VideoRequest>, media: Partial<Submission['media']> = {}): unknown =>
  connection.submit.request(submission(change, media), 0).body;

const reasonOf = (change: Partial<VideoRequest>): string | null => {
  const chosen = chooseCapability(evolink.capabilities, request(change), ['EVOLINK_API_KEY']);
  return 'reason' in chosen ? chosen.reason : null;
};

const frames = { firstFrame: image(A), aspectRatio: null } as const;
const elements = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `e-${index + 1}` }));
const pictures = (count: number) => Array.from({ length: count }, () => image(A));
const source = (use: 'edit' | 'feature' | 'motion') =>
  ({ video: { media: image(V), use }, aspectRatio: null }) as const;
const noWatermark = { watermark_info: { enabled: false } };

/** Every family: the request, its media as the wire takes them, and the whole body. */
const bodies: [what: string, Partial<VideoRequest>, Partial<Submission['media']>, object][] = [
  [
    '3.0 from text',
    { seconds: 8, resolution: '1080p', audio: true, negativePrompt: 'text' },
    {},
    {
      model: 'kling-v3-text-to-video',
      prompt: 'a red kite',
      negative_prompt: 'text',
      duration: 8,
      aspect_ratio: '16:9',
      quality: '1080p',
      sound: 'on',
      model_params: { multi_shot: false, ...noWatermark },
    },
  ],
  [
    '3.0 from two frames, without a prompt',
    { ...frames, task: 'image_to_video', prompt: '', lastFrame: image(B), elements: elements(1), watermark: true },
    { firstFrame: A, lastFrame: B },
    {
      model: 'kling-v3-image-to-video',
      image_start: A,
      image_end: B,
      duration: 5,
      quality: '720p',
      sound: 'off',
      model_params: {
        multi_shot: false,
        element_list: [{ element_id: 'e-1' }],
        watermark_info: { enabled: true },
      },
    },
  ],
  [
    'shots of their own',
    {
      prompt: '',
      multiShot: {
        type: 'customize',
        shots: [
          { prompt: 'door opens', seconds: 2 },
          { prompt: '@element_1 walks in', seconds: 3 },
        ],
      },
    },
    {},
    {
      model: 'kling-v3-text-to-video',
      prompt: '',
      duration: 5,
      aspect_ratio: '16:9',
      quality: '720p',
      sound: 'off',
      model_params: {
        multi_shot: true,
        shot_type: 'customize',
        multi_prompt: [
          { index: 1, prompt: 'door opens', duration: '2' },
          { index: 2, prompt: '<<<element_1>>> walks in', duration: '3' },
        ],
        ...noWatermark,
      },
    },
  ],
  [
    'shots that the model divides',
    { multiShot: { type: 'intelligence', shots: [] } },
    {},
    {
      model: 'kling-v3-text-to-video',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      quality: '720p',
      sound: 'off',
      model_params: { multi_shot: true, shot_type: 'intelligence', ...noWatermark },
    },
  ],
  [
    'turbo from text: no sound, no model_params',
    { model: 'kling-v3-turbo', audio: true, seconds: 3, aspectRatio: '9:16' },
    {},
    {
      model: 'kling-v3-turbo-text-to-video',
      prompt: 'a red kite',
      duration: 3,
      quality: '720p',
      aspect_ratio: '9:16',
    },
  ],
  [
    'turbo from a frame, with shots inside the prompt',
    {
      ...frames,
      model: 'kling-v3-turbo',
      task: 'image_to_video',
      audio: true,
      prompt: '',
      seconds: 3,
      resolution: '1080p',
      multiShot: {
        type: 'customize',
        shots: [
          { prompt: 'rain', seconds: 1 },
          { prompt: 'sun', seconds: 2 },
        ],
      },
    },
    { firstFrame: A },
    {
      model: 'kling-v3-turbo-image-to-video',
      image_start: A,
      prompt: '镜头 1, 1, rain; 镜头 2, 2, sun;',
      duration: 3,
      quality: '1080p',
    },
  ],
  [
    'O3 from text and elements',
    { model: 'kling-o3', resolution: '4k', audio: true, elements: elements(7) },
    {},
    {
      model: 'kling-o3-text-to-video',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      quality: '4k',
      sound: 'on',
      model_params: {
        multi_shot: false,
        element_list: [1, 2, 3, 4, 5, 6, 7].map((number) => ({ element_id: `e-${number}` })),
        ...noWatermark,
      },
    },
  ],
  [
    'O3 from two frames',
    { ...frames, model: 'kling-o3', task: 'image_to_video', lastFrame: image(B) },
    { firstFrame: A, lastFrame: B },
    {
      model: 'kling-o3-image-to-video',
      prompt: 'a red kite',
      image_start: A,
      image_end: B,
      duration: 5,
      quality: '720p',
      sound: 'off',
      model_params: { multi_shot: false, ...noWatermark },
    },
  ],
  [
    'O3 from references, named in any of the three ways',
    {
      model: 'kling-o3',
      task: 'reference_to_video',
      prompt: 'the style of @image_1, @Image2 and <<<image_1>>>',
      references: pictures(2),
      aspectRatio: '1:1',
      resolution: '1080p',
      audio: true,
    },
    { references: [A, B] },
    {
      model: 'kling-o3-image-to-video',
      prompt: 'the style of <<<image_1>>>, <<<image_2>>> and <<<image_1>>>',
      image_urls: [A, B],
      duration: 5,
      aspect_ratio: '1:1',
      quality: '1080p',
      sound: 'on',
      model_params: { multi_shot: false, ...noWatermark },
    },
  ],
  [
    'O3 as in a video',
    {
      ...source('feature'),
      model: 'kling-o3',
      task: 'reference_to_video',
      prompt: 'same motion as @video_1',
      references: pictures(1),
      seconds: 10,
      keepOriginalSound: false,
    },
    { video: V, references: [A] },
    {
      model: 'kling-o3-reference-to-video',
      prompt: 'same motion as <<<video_1>>>',
      video_url: V,
      keep_original_sound: false,
      image_urls: [A],
      duration: 10,
      quality: '720p',
      model_params: noWatermark,
    },
  ],
  [
    'O3 editing a video',
    { ...source('edit'), model: 'kling-o3', task: 'video_edit', seconds: null, resolution: '1080p' },
    { video: V },
    {
      model: 'kling-o3-video-edit',
      prompt: 'a red kite',
      video_url: V,
      quality: '1080p',
      model_params: noWatermark,
    },
  ],
  [
    'O1 from one frame',
    { ...frames, model: 'kling-o1', task: 'image_to_video' },
    { firstFrame: A },
    { model: 'kling-o1-image-to-video', prompt: 'a red kite', image_urls: [A], duration: 5 },
  ],
  [
    'O1 from two frames',
    { ...frames, model: 'kling-o1', task: 'image_to_video', seconds: 10, lastFrame: image(B) },
    { firstFrame: A, lastFrame: B },
    { model: 'kling-o1-image-to-video', prompt: 'a red kite', image_urls: [A, B], duration: 10 },
  ],
  [
    'O1 editing a video',
    {
      ...source('edit'),
      model: 'kling-o1',
      task: 'video_edit',
      seconds: null,
      references: pictures(1),
      keepOriginalSound: true,
    },
    { video: V, references: [A] },
    {
      model: 'kling-o1-video-edit',
      prompt: 'a red kite',
      video_urls: [V],
      image_urls: [A],
      keep_original_sound: true,
    },
  ],
  [
    '3.0 motion control: the sound is keep_sound, inside model_params',
    {
      ...source('motion'),
      ...frames,
      task: 'motion_control',
      prompt: '',
      seconds: null,
      characterOrientation: 'video',
      keepOriginalSound: true,
      elements: elements(1),
    },
    { firstFrame: A, video: V },
    {
      model: 'kling-v3-motion-control',
      image_urls: [A],
      video_urls: [V],
      quality: '720p',
      model_params: {
        character_orientation: 'video',
        keep_sound: true,
        element_list: [{ element_id: 'e-1' }],
        ...noWatermark,
      },
    },
  ],
  [
    '2.6 motion control',
    {
      ...source('motion'),
      ...frames,
      model: 'kling-v2-6',
      task: 'motion_control',
      seconds: null,
      resolution: '1080p',
      characterOrientation: 'image',
    },
    { firstFrame: A, video: V },
    {
      model: 'kling-v2.6-motion-control',
      prompt: 'a red kite',
      image_urls: [A],
      video_urls: [V],
      quality: '1080p',
      model_params: { character_orientation: 'image', ...noWatermark },
    },
  ],
];

describe('a submission', () => {
  it.each(bodies)('%s', (_what, change, media, body) => {
    expect(bodyOf(change, media)).toEqual(body);
  });

  it('goes to the one address, under the key of its attempt', () => {
    const { body: _, ...sent } = connection.submit.request(submission({}), 0);
    expect(sent).toEqual({
      method: 'POST',
      path: '/v1/videos/generations',
      headers: {
        authorization: 'Bearer test-credential',
        'idempotency-key': 'att_0VbYqoN60000000000000000000000000000',
      },
    });
  });

  it.each([
    ['https://gateway.example.com/hooks/evolink/0f', true],
    ['http://127.0.0.1:8787/hooks/evolink/0f', true],
    ['http://gateway.example.com/hooks/evolink/0f', false],
    [`https://gateway.example.com/${'x'.repeat(2_048)}`, false],
  ])('names an address to call only where EvoLink calls it: %s', (webhookUrl, named) => {
    const { body } = connection.submit.request({ ...submission({}), webhookUrl }, 0);
    expect((body as { callback_url?: string }).callback_url).toBe(named ? webhookUrl : undefined);
  });

  it('for a model id that is not ours is a fault of ours, and is never sent', () => {
    expect(() => connection.submit.request({ ...submission({}), upstream: 'kling-v9' }, 0)).toThrow(/kling-v9/);
  });
});

/** What is not sold is data: each with the reason that a caller reads. */
const refusals: [what: string, Partial<VideoRequest>, RegExp][] = [
  ['O1 from text', { model: 'kling-o1' }, /does not sell text_to_video/],
  ['2.6 from text', { model: 'kling-v2-6' }, /does not sell text_to_video/],
  ['4.0', { model: 'kling-v4', audio: true }, /does not sell kling-v4/],
  ['turbo in 4k', { model: 'kling-v3-turbo', audio: true, resolution: '4k' }, /in 4k/],
  ['O1 in 1080p', { ...frames, model: 'kling-o1', task: 'image_to_video', resolution: '1080p' }, /in 1080p/],
  ['O1 of 7 seconds', { ...frames, model: 'kling-o1', task: 'image_to_video', seconds: 7 }, /5 or 10 seconds/],
  [
    '11 seconds as in a video',
    { ...source('feature'), model: 'kling-o3', task: 'reference_to_video', seconds: 11 },
    /3 to 10 seconds/,
  ],
  [
    'sound as in a video',
    { ...source('feature'), model: 'kling-o3', task: 'reference_to_video', audio: true },
    /without sound/,
  ],
  ['O3 with a negative prompt', { model: 'kling-o3', negativePrompt: 'text' }, /no negative_prompt/],
  [
    'O3 that divides its own shots',
    { model: 'kling-o3', multiShot: { type: 'intelligence', shots: [] } },
    /multi_shot/,
  ],
  ['eight references', { model: 'kling-o3', task: 'reference_to_video', references: pictures(8) }, /reference images/],
  [
    'five images and three elements',
    { model: 'kling-o3', task: 'reference_to_video', references: pictures(5), elements: elements(3) },
    /elements|reference images/,
  ],
  [
    'a last frame among references',
    { ...frames, model: 'kling-o3', task: 'reference_to_video', references: pictures(1), lastFrame: image(B) },
    /no last frame/,
  ],
  ['3.0 from text with an element', { elements: elements(1) }, /no elements/],
  ['voices', { voices: [{ id: 'v-1' }] }, /no voices/],
  ['cfg_scale', { cfgScale: 0.5 }, /no cfg_scale/],
  ['a camera', { camera: { type: 'down_back' } }, /no camera_control/],
  ['a watermark on turbo', { model: 'kling-v3-turbo', audio: true, watermark: true }, /no watermark/],
  ['a prompt of 2,501 characters', { prompt: 'x'.repeat(2_501) }, /at most 2500 characters/],
  [
    'a shot of 513 characters',
    { multiShot: { type: 'customize', shots: [{ prompt: 'x'.repeat(513), seconds: 5 }] } },
    /shots of at most 512 characters/,
  ],
  [
    'motion without a character',
    { ...source('motion'), task: 'motion_control', seconds: null, characterOrientation: 'video' },
    /image of the character/,
  ],
  [
    'an element on a character that faces as in its image',
    {
      ...source('motion'),
      ...frames,
      task: 'motion_control',
      seconds: null,
      characterOrientation: 'image',
      elements: elements(1),
    },
    /elements|character_orientation/,
  ],
];

describe('what is not sold', () => {
  it.each(refusals)('%s', (_what, change, reason) => {
    expect(reasonOf(change)).toMatch(reason);
  });

  it.each([
    [{ references: pictures(7) }],
    [{ references: pictures(4), elements: elements(3) }],
    [{ references: pictures(1), elements: elements(6) }],
    [{ ...frames, references: pictures(6) }],
    [{ ...frames, references: pictures(3), elements: elements(3) }],
    [{ ...source('feature'), elements: elements(4) }],
    [{ ...source('feature'), references: pictures(4) }],
  ])('begins only where the shared limit ends: %#', (change) => {
    expect(reasonOf({ model: 'kling-o3', task: 'reference_to_video', ...change })).toBeNull();
  });

  it('no shots of turbo outgrow its prompt', () => {
    const shots = Array.from({ length: 6 }, () => ({ prompt: 'x'.repeat(400), seconds: 2 }));
    const change = {
      model: 'kling-v3-turbo',
      audio: true,
      seconds: 12,
      multiShot: { type: 'customize', shots },
    } as const;
    expect((bodyOf(change) as { prompt: string }).prompt.length).toBeLessThanOrEqual(2_500);
  });
});

const proof: DeliveryProof = { nowMs: 0, secrets: [], keys: [] };
const announce = (body: unknown) =>
  evolink.hooks?.verify({ headers: {}, rawBody: typeof body === 'string' ? body : JSON.stringify(body) }, proof);

describe('an announcement', () => {
  const id = 'task-unified-1794700800-k3v9q2xa';

  it('names its task, and the same end twice is one delivery', () => {
    const first = announce({ id, status: 'completed', results: ['https://media.example/k3v9.mp4'] });
    expect(first).toEqual({ deliveryId: `${id} completed`, taskId: id });
    expect(announce({ id, status: 'completed', results: [] })).toEqual(first);
    expect(announce({ id, status: 'failed' })?.deliveryId).not.toBe(first?.deliveryId);
  });

  it.each([
    ['not JSON', '<html>'],
    ['nothing', ''],
    ['no object', '[]'],
    ['no status', { id }],
    ['a path in place of an id', { id: 'task-unified-/../../v1/credits', status: 'completed' }],
    ["another's id", { id: 'task-1', status: 'completed' }],
  ])('that is %s is refused', (_what, body) => {
    expect(announce(body)).toBeNull();
  });

  it('gives a handle to poll by, for ids of its own form only', () => {
    expect(evolink.hooks?.adopt(id, 'kling-v3-text-to-video')).toEqual({ taskId: id });
    expect(evolink.hooks?.adopt('../v1/credits', 'kling-v3-text-to-video')).toBeNull();
    expect(evolink.hooks?.proof).toBe('path');
  });
});

describe('the small exchanges', () => {
  it('an upload goes to the files host as a data URL, under a name that overwrites itself', () => {
    const file = { fileName: 'k3v9.png', contentType: 'image/png', base64: 'iVBORw0KGgo=' };
    expect(connection.upload?.request(file, 0)).toEqual({
      method: 'POST',
      host: 'files',
      path: '/api/v1/files/upload/base64',
      headers: { authorization: 'Bearer test-credential' },
      body: { base64_data: 'data:image/png;base64,iVBORw0KGgo=', file_name: 'k3v9.png' },
    });
    expect(evolink.settings.hosts.files).toBe('https://files-api.evolink.ai');
    expect(evolink.settings.hostVariables).toEqual({ files: 'EVOLINK_FILES_URL' });
  });

  it.each([
    ['3.0', {}, {}, 'text_to_video', { duration_seconds: 5, quality: '720p', sound: 'off' }],
    ['turbo', { model: 'kling-v3-turbo', audio: true }, {}, 'text_to_video', { duration_seconds: 5, quality: '720p' }],
    [
      'O1',
      { ...frames, model: 'kling-o1', task: 'image_to_video' },
      { firstFrame: A },
      'image_to_video',
      { duration_seconds: '5' },
    ],
    [
      'references',
      { model: 'kling-o3', task: 'reference_to_video', references: pictures(1), audio: true },
      { references: [A] },
      'image_to_video',
      { duration_seconds: 5, quality: '720p', sound: 'on' },
    ],
    [
      'motion control',
      { ...source('motion'), ...frames, task: 'motion_control', seconds: null },
      { firstFrame: A, video: V },
      'motion_control',
      { quality: '720p' },
    ],
  ] as const)(
    'a quote asks by the parameters that the rules of %s declare',
    (_what, change, media, operation, parameters) => {
      const asked = submission(change, media);
      expect(connection.quote?.request(asked, 0)).toMatchObject({
        method: 'POST',
        path: '/v1/agent-estimates',
        body: { model_id: asked.upstream, operation, parameters, expected_usage: {} },
      });
    },
  );

  it('a balance is asked of the account, a task by its id', () => {
    expect(connection.balance?.request({ fromMs: 0, toMs: 1 }, 0)).toMatchObject({
      method: 'GET',
      path: '/v1/credits',
    });
    expect(connection.poll.request({ taskId: 'task-unified-1/..' }, 0).path).toBe('/v1/tasks/task-unified-1%2F..');
  });

  it('there is no cancelling and no looking up, because EvoLink has none', () => {
    expect([connection.cancel, connection.find]).toEqual([undefined, undefined]);
  });
});

/**
 * PiAPI's wire: the exact body of every family, written by hand from its pages (piapi.ai/docs/kling-api, 2025-12 to
 * 2026-02; 4.0: piapi.ai/blogs, 2026-10), what its data says it cannot do, its hooks and its small exchanges. Answers are
 * in `recorded/piapi`.
 */
import { describe, expect, it } from 'vitest';
import type { DeliveryProof, Submission } from '../../providers/contract.ts';
import { piapi } from '../../providers/piapi/index.ts';
import type { VideoRequest } from '../../src/ground/video-request.ts';
import { chooseCapability } from '../../src/pricing/capability.ts';
import { connectionOf } from './recorded.ts';

const connection = connectionOf('piapi');
const A = 'https://media.example.com/a.png';
const B = 'https://media.example.com/b.png';
const V = 'https://media.example.com/v.mp4';
const TASK = '0b7f6a52-4a5e-4f0e-9d0f-9b1d7a3c2e10';
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

/** The media of the request, every one as its address; `extended` is the task that is extended. */
function mediaOf({ firstFrame, lastFrame, references, video }: VideoRequest, extended?: string): Submission['media'] {
  const url = (media: { kind: string; url?: string } | undefined): string | undefined => media?.url;
  return {
    ...(firstFrame && { firstFrame: url(firstFrame) ?? '' }),
    ...(lastFrame && { lastFrame: url(lastFrame) ?? '' }),
    references: references.map((reference) => url(reference) ?? ''),
    ...(video && { video: url(video.media) ?? '' }),
    ...(extended !== undefined && { extendedVideoId: extended }),
    dynamicMasks: [],
  };
}

/** The submission as the gateway would make it: the capability that is chosen names what is asked for. */
function submission(change: Partial<VideoRequest>, more: Partial<Submission> = {}, extended?: string): Submission {
  const wanted = request(change);
  const chosen = chooseCapability(piapi.capabilities, wanted, ['PIAPI_API_KEY']);
  if ('reason' in chosen) throw new Error(chosen.reason);
  return {
    attemptId: 'att_0VbYqoN60000000000000000000000000000',
    request: wanted,
    media: mediaOf(wanted, extended),
    upstream: chosen.capability.upstream,
    ...more,
  };
}

const bodyOf = (change: Partial<VideoRequest>, extended?: string): unknown =>
  connection.submit.request(submission(change, {}, extended), 0).body;

const reasonOf = (change: Partial<VideoRequest>): string | null => {
  const chosen = chooseCapability(piapi.capabilities, request(change), ['PIAPI_API_KEY']);
  return 'reason' in chosen ? chosen.reason : null;
};

const created = (taskType: string, input: unknown) => ({
  model: 'kling',
  task_type: taskType,
  input,
  config: { service_mode: 'public' },
});

const fromImage = { task: 'image_to_video', firstFrame: image(A), aspectRatio: null } as const;
const fromFrames = { ...fromImage, lastFrame: image(B) } as const;
const references: Partial<VideoRequest> = { task: 'reference_to_video', references: [image(A), image(B)] };
const source = (use: 'edit' | 'feature' | 'motion') =>
  ({ video: { media: image(V), use }, aspectRatio: null }) as const;
const unmoved = { task: 'motion_control', seconds: null, ...source('motion') } as const;
const moved = { ...unmoved, firstFrame: image(A) } as const;
const shots = (...seconds: number[]) =>
  ({
    type: 'customize',
    shots: seconds.map((each, index) => ({ prompt: `shot ${index + 1}`, seconds: each })),
  }) as const;

/** What is ordered, the task type, and the input that PiAPI documents for it. */
const BODIES: readonly (readonly [what: string, Partial<VideoRequest>, taskType: string, input: unknown])[] = [
  [
    '4.0 from text',
    { model: 'kling-v4', seconds: 30, resolution: '1080p', audio: true },
    'text_to_video',
    { version: '4.0', mode: 'pro', prompt: 'a red kite', duration: 30, aspect_ratio: '16:9' },
  ],
  [
    '3.0 from text, as its page shows it',
    { prompt: 'rain on a tin roof, close-up' },
    'video_generation',
    {
      version: '3.0',
      mode: 'std',
      prompt: 'rain on a tin roof, close-up',
      duration: 5,
      aspect_ratio: '16:9',
      enable_audio: false,
    },
  ],
  [
    '3.0 from two frames with sound',
    { ...fromFrames, resolution: '1080p', audio: true, negativePrompt: 'text' },
    'video_generation',
    {
      version: '3.0',
      mode: 'pro',
      prompt: 'a red kite',
      duration: 5,
      negative_prompt: 'text',
      image_url: A,
      image_tail_url: B,
      enable_audio: true,
    },
  ],
  [
    '3.0 in shots, which replace prompt and length',
    { multiShot: shots(2, 3), prompt: 'ignored' },
    'video_generation',
    {
      version: '3.0',
      mode: 'std',
      multi_shots: [
        { prompt: 'shot 1', duration: 2 },
        { prompt: 'shot 2', duration: 3 },
      ],
      aspect_ratio: '16:9',
      enable_audio: false,
    },
  ],
  [
    '3.0 in one shot of 15 seconds, which is a prompt',
    { multiShot: shots(15), seconds: 15, prompt: '' },
    'video_generation',
    { version: '3.0', mode: 'std', prompt: 'shot 1', duration: 15, aspect_ratio: '16:9', enable_audio: false },
  ],
  [
    '3.0 in shots that the model plans',
    { multiShot: { type: 'intelligence', shots: [] }, seconds: 12 },
    'video_generation',
    {
      version: '3.0',
      mode: 'std',
      prompt: 'a red kite',
      duration: 12,
      aspect_ratio: '16:9',
      enable_audio: false,
      prefer_multi_shots: true,
    },
  ],
  [
    '3.0 turbo from an image',
    { ...fromImage, model: 'kling-v3-turbo', audio: true },
    'video_generation',
    { version: '3.0-turbo', mode: 'std', prompt: 'a red kite', duration: 5, image_url: A },
  ],
  [
    '3.0 Omni from text with sound',
    { model: 'kling-o3', audio: true, resolution: '1080p' },
    'omni_video_generation',
    {
      version: '3.0',
      prompt: 'a red kite',
      duration: 5,
      resolution: '1080p',
      aspect_ratio: '16:9',
      enable_audio: true,
    },
  ],
  [
    '3.0 Omni from two frames, which the prompt names',
    { ...fromFrames, model: 'kling-o3' },
    'omni_video_generation',
    {
      version: '3.0',
      prompt: 'Use @image_1 as the first frame and @image_2 as the last frame. a red kite',
      duration: 5,
      resolution: '720p',
      images: [A, B],
      enable_audio: false,
    },
  ],
  [
    '3.0 Omni from references, named its way',
    { ...references, model: 'kling-o3', prompt: '<<<image_1>>> meets @Image2' },
    'omni_video_generation',
    {
      version: '3.0',
      prompt: '@image_1 meets @image_2',
      duration: 5,
      resolution: '720p',
      aspect_ratio: '16:9',
      images: [A, B],
      enable_audio: false,
    },
  ],
  [
    '3.0 Omni from references in shots',
    { ...references, model: 'kling-o3', multiShot: shots(2, 3) },
    'omni_video_generation',
    {
      version: '3.0',
      multi_shots: [
        { prompt: 'shot 1', duration: 2 },
        { prompt: 'shot 2', duration: 3 },
      ],
      resolution: '720p',
      aspect_ratio: '16:9',
      images: [A, B],
      enable_audio: false,
    },
  ],
  [
    '3.0 Omni from a video',
    { ...references, model: 'kling-o3', ...source('feature'), prompt: 'moving like @video_1', seconds: 8 },
    'omni_video_generation',
    {
      version: '3.0',
      prompt: 'moving like @video',
      duration: 8,
      resolution: '720p',
      images: [A, B],
      video: V,
      enable_audio: false,
    },
  ],
  [
    'an edit by 3.0 Omni, whose length is the source video',
    { model: 'kling-o3', task: 'video_edit', seconds: null, ...source('edit'), prompt: 'in winter' },
    'omni_video_generation',
    { version: '3.0', prompt: 'Edit @video: in winter', resolution: '720p', video: V, enable_audio: false },
  ],
  [
    'an edit by O1 whose prompt names the video already',
    { model: 'kling-o1', task: 'video_edit', seconds: null, ...source('edit'), prompt: 'make <<<video_1>>> a drawing' },
    'omni_video_generation',
    { version: 'o1', prompt: 'make @video a drawing', resolution: '720p', video: V },
  ],
  [
    'O1 from a first frame',
    { ...fromImage, model: 'kling-o1', seconds: 10, resolution: '1080p' },
    'omni_video_generation',
    {
      version: 'o1',
      prompt: 'Use @image_1 as the first frame. a red kite',
      duration: 10,
      resolution: '1080p',
      images: [A],
    },
  ],
  [
    'motion control of 2.6 without a prompt',
    { ...moved, model: 'kling-v2-6', prompt: '', characterOrientation: 'image', keepOriginalSound: false },
    'motion_control',
    {
      version: '2.6',
      mode: 'std',
      image_url: A,
      video_url: V,
      motion_direction: 'image',
      keep_original_sound: false,
    },
  ],
  [
    'motion control of 3.0',
    { ...moved, resolution: '1080p', characterOrientation: 'video' },
    'motion_control',
    { version: '3.0', mode: 'pro', prompt: 'a red kite', image_url: A, video_url: V, motion_direction: 'video' },
  ],
  [
    '2.6 with sound',
    { model: 'kling-v2-6', audio: true, resolution: '1080p', cfgScale: 0.7 },
    'video_generation',
    {
      version: '2.6',
      mode: 'pro',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      cfg_scale: 0.7,
      enable_audio: true,
    },
  ],
  [
    '2.5 from two frames',
    { ...fromFrames, model: 'kling-v2-5-turbo', seconds: 10 },
    'video_generation',
    { version: '2.5', mode: 'std', prompt: 'a red kite', duration: 10, image_url: A, image_tail_url: B },
  ],
  [
    '2.1 from an image',
    { ...fromImage, model: 'kling-v2-1' },
    'video_generation',
    { version: '2.1', mode: 'std', prompt: 'a red kite', duration: 5, image_url: A },
  ],
  [
    '2.1 master, which has no mode',
    { model: 'kling-v2-1-master', resolution: '1080p' },
    'video_generation',
    { version: '2.1-master', prompt: 'a red kite', duration: 5, aspect_ratio: '16:9' },
  ],
  [
    '1.6 with a camera move',
    { model: 'kling-v1-6', camera: { type: 'simple', config: { zoom: -5 } }, negativePrompt: 'text' },
    'video_generation',
    {
      version: '1.6',
      mode: 'std',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      negative_prompt: 'text',
      camera_control: { type: 'simple', config: { zoom: -5 } },
    },
  ],
  [
    '1.6 from elements',
    { ...references, model: 'kling-v1-6', resolution: '1080p' },
    'video_generation',
    {
      version: '1.6',
      mode: 'pro',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      elements: [{ image_url: A }, { image_url: B }],
    },
  ],
  [
    '1.5 with a camera move without numbers',
    { model: 'kling-v1-5', camera: { type: 'forward_up' } },
    'video_generation',
    {
      version: '1.5',
      mode: 'std',
      prompt: 'a red kite',
      duration: 5,
      aspect_ratio: '16:9',
      camera_control: { type: 'forward_up' },
    },
  ],
];

describe('a create', () => {
  it.each(BODIES)('of %s', (_what, change, taskType, input) => {
    expect(JSON.parse(JSON.stringify(bodyOf(change)))).toEqual(created(taskType, input));
  });

  it('of an extension names the task that it goes on from, and nothing that it inherits', () => {
    const extended = { videoId: 'video_1', account: 'piapi', providerVideoId: TASK };
    expect(bodyOf({ model: 'kling-v1-6', task: 'extension', extends: extended, aspectRatio: null }, TASK)).toEqual(
      created('extend_video', { prompt: 'a red kite', origin_task_id: TASK }),
    );
  });

  it('registers its hook inside config, with a secret or not at all', () => {
    const configOf = (more: Partial<Submission>) =>
      (connection.submit.request(submission({}, more), 0).body as { config: unknown }).config;
    const webhookUrl = 'https://gw.example/hooks/piapi/t';
    expect(configOf({ webhookUrl, webhookSecret: 'w' })).toEqual({
      service_mode: 'public',
      webhook_config: { endpoint: webhookUrl, secret: 'w' },
    });
    expect(configOf({ webhookUrl })).toEqual({ service_mode: 'public' });
  });

  it('carries the key in its own header', () => {
    const { headers, method, path } = connection.submit.request(submission({}), 0);
    expect({ headers, method, path }).toEqual({
      headers: { 'x-api-key': 'test-credential' },
      method: 'POST',
      path: '/api/v1/task',
    });
  });
});

describe('what PiAPI cannot do is known before it is asked', () => {
  it.each<[string, Partial<VideoRequest>, string]>([
    ['4k', { resolution: '4k' }, 'does not sell kling-v3 in 4k'],
    [
      '4.0 from an image',
      { ...fromImage, model: 'kling-v4', audio: true },
      'does not sell image_to_video with kling-v4',
    ],
    ['4.0 in 21:9', { model: 'kling-v4', audio: true, aspectRatio: '21:9' }, 'does not offer 21:9'],
    ['2.1 from text', { model: 'kling-v2-1' }, 'does not sell text_to_video with kling-v2-1'],
    ['2.6 standard with sound', { model: 'kling-v2-6', audio: true }, 'sells this kling-v2-6 without sound only'],
    ['O1 in 7 seconds', { ...references, model: 'kling-o1', seconds: 7 }, 'sells 5 or 10 seconds of it, not 7'],
    [
      'a long clip from a video',
      { ...references, model: 'kling-o3', ...source('feature'), seconds: 11 },
      'sells 3 to 10 seconds of it, not 11',
    ],
    ['a last frame for 1.5', { ...fromFrames, model: 'kling-v1-5' }, 'takes no last frame here'],
    ['a camera move for 3.0', { camera: { type: 'forward_up' } }, 'takes no camera_control here'],
    ['cfg_scale for 3.0', { cfgScale: 0.5 }, 'takes no cfg_scale here'],
    ['a watermark', { watermark: true }, 'adds no watermark'],
    ['a voice', { voices: [{ id: 'v' }] }, 'takes no voices here'],
    ['an element by its id', { elements: [{ id: 'e' }] }, 'takes no elements here'],
    [
      'five references',
      { ...references, model: 'kling-o3', references: Array.from({ length: 5 }, () => image(A)) },
      'takes 4 reference images here',
    ],
    [
      'sound over a source video',
      { model: 'kling-o3', task: 'video_edit', seconds: null, ...source('edit'), audio: true },
      'sells this kling-o3 without sound only',
    ],
    ['a long prompt', { prompt: 'x'.repeat(2_501) }, 'takes prompts of at most 2500 characters, not 2501'],
    [
      'shots from a first frame by 3.0 Omni',
      { ...fromImage, model: 'kling-o3', multiShot: shots(2, 3) },
      'takes no multi_shot (customize) here',
    ],
    ['motion without a character', unmoved, 'needs an image of the character'],
  ])('%s', (_what, change, reason) => {
    expect(reasonOf(change)).toBe(reason);
  });

  it('leaves room in the prompt for the sentence that names frames or the edited video', () => {
    const longest = 'x'.repeat(2_430);
    const sent = bodyOf({ ...fromFrames, model: 'kling-o3', prompt: longest }) as { input: { prompt: string } };
    expect(sent.input.prompt.length).toBeLessThanOrEqual(2_500);
    expect(reasonOf({ ...fromFrames, model: 'kling-o3', prompt: `${longest}x` })).toMatch('at most 2430 characters');
  });
});

const NOW_MS = 1_794_993_760_000;
const proof = (...secrets: string[]): DeliveryProof => ({ nowMs: NOW_MS, secrets, keys: [] });
const delivery = (change: { secret?: string; timestamp?: unknown; task_id?: unknown; status?: unknown } = {}) => {
  const { secret = 'w-secret', timestamp = 1_794_993_751, task_id = TASK, status = 'completed' } = change;
  const rawBody = JSON.stringify({ timestamp, data: { task_id, status, output: { video: A } } });
  return { headers: { 'x-webhook-secret': secret }, rawBody };
};
const verify = (...given: Parameters<NonNullable<typeof piapi.hooks>['verify']>) => piapi.hooks?.verify(...given);

describe('an announcement', () => {
  it('is known by its task and status', () => {
    expect(verify(delivery(), proof('w-secret'))).toEqual({ deliveryId: `${TASK} completed`, taskId: TASK });
    expect(verify(delivery({ status: 'Processing' }), proof('other', 'w-secret'))).toEqual({
      deliveryId: `${TASK} processing`,
      taskId: TASK,
    });
    expect(verify(delivery(), proof('w-secret'))).toEqual(verify(delivery(), proof('w-secret')));
  });

  it.each([
    ['with another secret', delivery({ secret: 'forged' }), proof('w-secret')],
    ['without a secret', { ...delivery(), headers: {} }, proof('w-secret')],
    ['with an empty secret where none is known', delivery({ secret: '' }), proof('')],
    ['where no secret is known', delivery(), proof()],
    ['that is stale', delivery({ timestamp: 1_794_993_400 }), proof('w-secret')],
    ['from the future', delivery({ timestamp: 1_794_994_100 }), proof('w-secret')],
    ['without a time', delivery({ timestamp: 'now' }), proof('w-secret')],
    ['of no task', delivery({ task_id: '' }), proof('w-secret')],
    ['that is not JSON', { ...delivery(), rawBody: '{' }, proof('w-secret')],
  ])('%s is refused', (_what, given, known) => {
    expect(verify(given, known)).toBeNull();
  });

  it('is enough to read the task that it names', () => {
    const handle = piapi.hooks?.adopt(TASK, 'kling video_generation 3.0') ?? null;
    expect(connection.poll.request(handle, 0)).toEqual({
      method: 'GET',
      path: `/api/v1/task/${TASK}`,
      headers: { 'x-api-key': 'test-credential' },
    });
    expect(connection.poll.request({ taskId: '../account/info' }, 0).path).toBe('/api/v1/task/..%2Faccount%2Finfo');
  });
});

describe('the small exchanges', () => {
  it('cancel deletes the task', () => {
    expect(connection.cancel?.request({ taskId: TASK }, 0)).toMatchObject({
      method: 'DELETE',
      path: `/api/v1/task/${TASK}`,
    });
  });

  it('an upload goes to its own host', () => {
    const file = { fileName: 'a.png', contentType: 'image/png', base64: 'iVBORw0KGgo=' };
    expect(connection.upload?.request(file, 0)).toEqual({
      method: 'POST',
      host: 'upload',
      path: '/api/ephemeral_resource',
      headers: { 'x-api-key': 'test-credential' },
      body: { file_name: 'a.png', file_data: 'iVBORw0KGgo=' },
    });
  });

  it('the balance is that of the account', () => {
    expect(connection.balance?.request({ fromMs: 0, toMs: 1 }, 0).path).toBe('/account/info');
  });

  it('there is no tag to look for and no price to ask for', () => {
    expect(connection.find).toBeUndefined();
    expect(connection.quote).toBeUndefined();
  });
});

describe('what operators are told', () => {
  const echoed = {
    code: 200,
    data: {
      status: 'paused',
      config: { webhook_config: { secret: 'w-secret' } },
      input: { prompt: 'a private thing' },
      output: { video: '' },
    },
    message: 'success',
  };

  it.each(['poll', 'submit', 'cancel'] as const)(
    'of an answer to %s is never the prompt nor the secret',
    (exchange) => {
      const response = { origin: 'https://api.piapi.ai', status: 200, headers: {}, body: echoed };
      const input = exchange === 'submit' ? submission({}) : { taskId: TASK };
      const outcome = JSON.stringify(connection[exchange]?.response(response, input as never));
      expect(outcome).toContain('protocol_error');
      expect(outcome).not.toMatch(/w-secret|private thing/);
    },
  );
});

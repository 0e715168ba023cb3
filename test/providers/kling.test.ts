/**
 * Official Kling's own promises: which generation an order goes to, what exactly is written there, and where it is read.
 * Bodies are written by hand from kling.ai/document-api (mirrored 2026-09-20).
 */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Submission, SubmissionMedia } from '../../providers/contract.ts';
import { kling } from '../../providers/kling/index.ts';
import type { Media, VideoRequest } from '../../src/ground/video-request.ts';
import { chooseCapability } from '../../src/pricing/capability.ts';

const NOW_MS = 1_794_700_800_000;
const TAG = 'att_1';
const HOOK = 'https://gw.example/hooks/kling/token';
const API_KEY = { KLING_API_KEY: 'api-key-kling-1' };
const KEY_PAIR = { KLING_ACCESS_KEY: 'access', KLING_SECRET_KEY: 'secret' };

const url = (name: string): Media => ({ kind: 'url', url: `https://cdn.example/${name}` });
const at = (name: string): string => `https://cdn.example/${name}`;

const request = (change: Partial<VideoRequest>): VideoRequest => ({
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
});

/** What the media of a request of addresses look like on the wire. */
function mediaOf({
  firstFrame,
  lastFrame,
  references,
  video,
  masks,
  extends: extended,
}: VideoRequest): SubmissionMedia {
  const address = (media: Media): string => (media.kind === 'url' ? media.url : media.kind);
  return {
    ...(firstFrame && { firstFrame: address(firstFrame) }),
    ...(lastFrame && { lastFrame: address(lastFrame) }),
    references: references.map(address),
    ...(video && { video: address(video.media) }),
    ...(masks?.static && { staticMask: address(masks.static) }),
    dynamicMasks: (masks?.dynamic ?? []).map(({ mask, trajectory }) => ({ mask: address(mask), trajectory })),
    ...(extended && { extendedVideoId: extended.providerVideoId }),
  };
}

/** The exchange that an account with these credentials would begin, or why it would not. */
function ordered(change: Partial<VideoRequest>, credentials: Record<string, string> = API_KEY, more: object = {}) {
  const wanted = request(change);
  const chosen = chooseCapability(kling.capabilities, wanted, Object.keys(credentials));
  if ('reason' in chosen) return chosen.reason;
  const { upstream } = chosen.capability;
  const submission: Submission = { attemptId: TAG, request: wanted, media: mediaOf(wanted), upstream, ...more };
  const { path, body } = kling.connect(credentials).submit.request(submission, NOW_MS);
  return { path, body };
}

const OPTIONS = { external_task_id: TAG, watermark_info: { enabled: false } };
const IMAGE = { task: 'image_to_video', firstFrame: url('a.png'), aspectRatio: null } as const;
const REFERENCES = { task: 'reference_to_video' as const, references: [url('1.png'), url('2.png')] };
const videoOf = (use: 'edit' | 'feature' | 'motion') => ({ video: { media: url('in.mp4'), use }, aspectRatio: null });
const SHOTS = {
  multiShot: {
    type: 'customize' as const,
    shots: [
      { prompt: 'a <<<image_1>>> rises', seconds: 2 },
      { prompt: 'it falls', seconds: 3 },
    ],
  },
};

describe('the new generation', () => {
  it('takes a text with all its options', () => {
    const change = { resolution: '1080p', audio: true, seconds: 8, watermark: true } as const;
    expect(ordered(change, API_KEY, { webhookUrl: HOOK })).toEqual({
      path: '/text-to-video/kling-3.0',
      body: {
        prompt: 'a red kite',
        settings: { multi_shot: false, audio: 'native', resolution: '1080p', aspect_ratio: '16:9', duration: 8 },
        options: { external_task_id: TAG, callback_url: HOOK, watermark_info: { enabled: true } },
      },
    });
  });

  it('has no sound switch and no shots switch in turbo', () => {
    const change = { model: 'kling-v3-turbo', audio: true, seconds: 3, aspectRatio: '9:16' };
    expect(ordered(change)).toEqual({
      path: '/text-to-video/kling-3.0-turbo',
      body: {
        prompt: 'a red kite',
        settings: { resolution: '720p', aspect_ratio: '9:16', duration: 3 },
        options: OPTIONS,
      },
    });
  });

  it('takes frames and elements, and names them in the prompt', () => {
    const change = { ...IMAGE, prompt: '<<<element_1>>> waves', lastFrame: url('b.png'), elements: [{ id: '160' }] };
    expect(ordered(change)).toEqual({
      path: '/image-to-video/kling-3.0',
      body: {
        contents: [
          { type: 'prompt', text: '@element_1 waves' },
          { type: 'first_frame', url: at('a.png') },
          { type: 'last_frame', url: at('b.png') },
          { type: 'element', element_id: '160', id: 'element_1' },
        ],
        settings: { multi_shot: false, audio: 'off', resolution: '720p', duration: 5 },
        options: OPTIONS,
      },
    });
  });

  it('has shots written into the prompt', () => {
    expect(ordered({ ...SHOTS, prompt: 'a kite.' })).toMatchObject({
      body: {
        prompt: 'a kite. shot 1, 2, a @image_1 rises; shot 2, 3, it falls;',
        settings: { multi_shot: true, duration: 5 },
      },
    });
    expect(ordered({ model: 'kling-v3-turbo', audio: true, ...SHOTS, prompt: '' })).toMatchObject({
      path: '/text-to-video/kling-3.0-turbo',
      body: { prompt: 'shot 1, 2, a @image_1 rises; shot 2, 3, it falls;' },
    });
  });

  it('takes references in their order, a first frame after them', () => {
    const change = { ...REFERENCES, model: 'kling-o3', firstFrame: url('a.png'), aspectRatio: null, audio: true };
    expect(ordered(change)).toEqual({
      path: '/omni-video/kling-3.0-omni',
      body: {
        contents: [
          { type: 'prompt', text: 'a red kite' },
          { type: 'first_frame', url: at('a.png'), id: 'image_3' },
          { type: 'refer_image', url: at('1.png'), id: 'image_1' },
          { type: 'refer_image', url: at('2.png'), id: 'image_2' },
        ],
        settings: { multi_shot: false, audio: 'native', resolution: '720p', duration: 5 },
        options: OPTIONS,
      },
    });
  });

  it('edits a video, whose length it follows', () => {
    const change = { ...videoOf('edit'), model: 'kling-o1', task: 'video_edit', seconds: null } as const;
    expect(ordered({ ...change, keepOriginalSound: true, prompt: 'snow in <<<video_1>>>' })).toEqual({
      path: '/omni-video/kling-o1',
      body: {
        contents: [
          { type: 'prompt', text: 'snow in @video_1' },
          { type: 'base_video', url: at('in.mp4'), id: 'video_1' },
        ],
        settings: { audio: 'original', resolution: '720p' },
        options: OPTIONS,
      },
    });
  });

  it('refers to a video without sound and with shots of its own', () => {
    const change = { ...videoOf('feature'), model: 'kling-o3', task: 'reference_to_video' } as const;
    expect(ordered(change)).toEqual({
      path: '/omni-video/kling-3.0-omni',
      body: {
        contents: [
          { type: 'prompt', text: 'a red kite' },
          { type: 'feature_video', url: at('in.mp4'), id: 'video_1' },
        ],
        settings: { multi_shot: true, audio: 'off', resolution: '720p', duration: 5 },
        options: OPTIONS,
      },
    });
    expect(ordered({ ...change, audio: true })).toBe('sells this kling-o3 without sound only');
  });

  it('moves a character, with the sound of the movement unless told otherwise', () => {
    const change = { ...videoOf('motion'), task: 'motion_control', seconds: null, prompt: '' } as const;
    const contents = [
      { type: 'image', url: at('a.png') },
      { type: 'video', url: at('in.mp4') },
    ];
    expect(ordered({ ...change, firstFrame: url('a.png'), characterOrientation: 'image' })).toEqual({
      path: '/motion-control/kling-3.0',
      body: {
        contents,
        settings: { audio: 'original', resolution: '720p', character_orientation: 'image' },
        options: OPTIONS,
      },
    });
    const quiet = { firstFrame: url('a.png'), characterOrientation: 'video', keepOriginalSound: false } as const;
    expect(ordered({ ...change, ...quiet, elements: [{ id: '160' }] })).toMatchObject({
      body: {
        contents: [...contents, { type: 'element', element_id: '160', id: 'element_1' }],
        settings: { audio: 'off' },
      },
    });
    expect(ordered(change)).toBe('needs an image of the character');
    const facing = { firstFrame: url('a.png'), characterOrientation: 'image' } as const;
    expect(ordered({ ...change, ...facing, elements: [{ id: '1' }] })).toMatch(/orientation image|elements/);
  });

  it('speaks with voices, which need sound', () => {
    const change = { ...IMAGE, model: 'kling-v2-6', resolution: '1080p' } as const;
    expect(ordered({ ...change, voices: [{ id: 'v1' }], prompt: '<<<voice_1>>> hello' })).toEqual({
      path: '/image-to-video/kling-2.6',
      body: {
        contents: [
          { type: 'prompt', text: '@voice_1 hello' },
          { type: 'first_frame', url: at('a.png') },
          { type: 'voice', voice_id: 'v1', id: 'voice_1' },
        ],
        settings: { audio: 'native', resolution: '1080p', duration: 5 },
        options: OPTIONS,
      },
    });
  });

  it.each([
    ['sound at 720p with 2.6', { model: 'kling-v2-6', audio: true }, /without sound only|in 720p/],
    ['a last frame at 720p with 2.5', { ...IMAGE, model: 'kling-v2-5-turbo', lastFrame: url('b.png') }, /last frame/],
    [
      'a last frame with turbo',
      { ...IMAGE, model: 'kling-v3-turbo', audio: true, lastFrame: url('b.png') },
      /last frame/,
    ],
    ['8 images', { ...REFERENCES, model: 'kling-o3', references: Array(8).fill(url('1.png')) }, /reference images/],
    [
      '5 images and 3 elements',
      {
        ...REFERENCES,
        model: 'kling-o3',
        references: Array(5).fill(url('1.png')),
        elements: Array(3).fill({ id: '1' }),
      },
      /elements|reference images/,
    ],
    ['a long prompt with O1', { model: 'kling-o1', prompt: 'x'.repeat(2_501) }, /2500 characters/],
    [
      'a long shot',
      { ...SHOTS, multiShot: { type: 'customize', shots: [{ prompt: 'x'.repeat(513), seconds: 5 }] } },
      /512/,
    ],
    ['4k with O1', { model: 'kling-o1', resolution: '4k' }, /in 4k/],
    ['text with 2.1', { model: 'kling-v2-1' }, /text_to_video/],
  ] as [string, Partial<VideoRequest>, RegExp][])('does not sell %s, and says so', (_what, change, reason) => {
    expect(ordered(change)).toMatch(reason);
  });
});

describe('the legacy generation', () => {
  const shared = { external_task_id: TAG, watermark_info: { enabled: false } };

  it('makes what has a negative prompt, also with an API key', () => {
    expect(ordered({ negativePrompt: 'blur', audio: true, resolution: '1080p', seconds: 8 })).toEqual({
      path: '/v1/videos/text2video',
      body: {
        model_name: 'kling-v3',
        prompt: 'a red kite',
        negative_prompt: 'blur',
        mode: 'pro',
        duration: '8',
        sound: 'on',
        aspect_ratio: '16:9',
        ...shared,
      },
    });
  });

  it('makes the older models from a frame', () => {
    const change = {
      ...IMAGE,
      model: 'kling-v1-6',
      resolution: '1080p',
      lastFrame: url('b.png'),
      cfgScale: 0.5,
    } as const;
    expect(ordered(change)).toEqual({
      path: '/v1/videos/image2video',
      body: {
        model_name: 'kling-v1-6',
        image: at('a.png'),
        image_tail: at('b.png'),
        prompt: 'a red kite',
        mode: 'pro',
        duration: '5',
        cfg_scale: 0.5,
        ...shared,
      },
    });
  });

  it('paints movement and moves the camera with V1.5, at 1080p and 5 s, one at a time', () => {
    const trajectory = [
      { x: 279, y: 219 },
      { x: 417, y: 65 },
    ];
    const masks = { static: url('s.png'), dynamic: [{ mask: url('d.png'), trajectory }] };
    const camera = { type: 'simple', config: { zoom: 5 } } as const;
    const change = { ...IMAGE, model: 'kling-v1-5', resolution: '1080p' } as const;
    expect(ordered({ ...change, masks })).toMatchObject({
      body: {
        static_mask: at('s.png'),
        dynamic_masks: [{ mask: at('d.png'), trajectories: trajectory }],
        duration: '5',
        mode: 'pro',
      },
    });
    expect(ordered({ ...change, camera })).toMatchObject({ body: { camera_control: camera } });
    expect(ordered({ ...change, camera, masks })).toMatch(/camera_control|masks/);
    expect(ordered({ ...change, camera: { type: 'forward_up' } })).toMatch(/simple only|camera_control/);
    expect(ordered({ ...change, camera, seconds: 10 })).toMatch(/camera_control|5 seconds/);
  });

  it('puts several pictures together with V1.6', () => {
    expect(ordered({ ...REFERENCES, model: 'kling-v1-6', aspectRatio: '1:1', seconds: 10 })).toEqual({
      path: '/v1/videos/multi-image2video',
      body: {
        model_name: 'kling-v1-6',
        image_list: [{ image: at('1.png') }, { image: at('2.png') }],
        prompt: 'a red kite',
        mode: 'std',
        duration: '10',
        aspect_ratio: '1:1',
        ...shared,
      },
    });
  });

  it('extends a video of its own', () => {
    const source = { videoId: 'video_1', account: 'kling', providerVideoId: '893606301234567890' };
    const change = {
      model: 'kling-v1-6',
      task: 'extension',
      extends: source,
      aspectRatio: null,
      cfgScale: 0.5,
    } as const;
    expect(ordered(change)).toEqual({
      path: '/v1/videos/video-extend',
      body: { video_id: '893606301234567890', prompt: 'a red kite', cfg_scale: 0.5, ...shared },
    });
  });

  it('makes everything else for a key pair, with a token of its own', () => {
    const elements = [{ id: '160' }, { id: '829836802793406551' }];
    expect(ordered({ ...IMAGE, ...SHOTS, prompt: '', elements }, KEY_PAIR)).toEqual({
      path: '/v1/videos/image2video',
      body: {
        model_name: 'kling-v3',
        image: at('a.png'),
        mode: 'std',
        duration: '5',
        sound: 'off',
        multi_shot: true,
        shot_type: 'customize',
        multi_prompt: [
          { index: 1, prompt: 'a <<<image_1>>> rises', duration: '2' },
          { index: 2, prompt: 'it falls', duration: '3' },
        ],
        element_list: [{ element_id: 160 }, { element_id: '829836802793406551' }],
        ...shared,
      },
    });
    const edit = { ...videoOf('edit'), model: 'kling-o3', task: 'video_edit', seconds: null } as const;
    expect(ordered({ ...edit, prompt: 'snow in @video_1', keepOriginalSound: true }, KEY_PAIR)).toEqual({
      path: '/v1/videos/omni-video',
      body: {
        model_name: 'kling-v3-omni',
        prompt: 'snow in <<<video_1>>>',
        mode: 'std',
        sound: 'off',
        video_list: [{ video_url: at('in.mp4'), refer_type: 'base', keep_original_sound: 'yes' }],
        ...shared,
      },
    });
    const motion = { ...videoOf('motion'), task: 'motion_control', seconds: null, model: 'kling-v2-6' } as const;
    expect(
      ordered({ ...motion, firstFrame: url('a.png'), prompt: '', characterOrientation: 'video' }, KEY_PAIR),
    ).toEqual({
      path: '/v1/videos/motion-control',
      body: {
        model_name: 'kling-v2-6',
        image_url: at('a.png'),
        video_url: at('in.mp4'),
        character_orientation: 'video',
        mode: 'std',
        keep_original_sound: 'yes',
        ...shared,
      },
    });
    expect(ordered({ model: 'kling-v3-turbo', audio: true }, KEY_PAIR)).toBe('needs KLING_API_KEY for it');
  });
});

describe('credentials', () => {
  it('a key pair signs a token that is good from 5 s ago for 30 minutes', () => {
    const { headers } = kling.connect(KEY_PAIR).poll.request({ taskId: '1', path: '/v1/videos/text2video' }, NOW_MS);
    const [, head = '', claims = '', signature] = /^Bearer (.+)\.(.+)\.(.+)$/.exec(headers.authorization ?? '') ?? [];
    const decode = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
    expect(decode(head)).toEqual({ alg: 'HS256', typ: 'JWT' });
    const nowSeconds = NOW_MS / 1_000;
    expect(decode(claims)).toEqual({ iss: 'access', exp: nowSeconds + 1_800, nbf: nowSeconds - 5 });
    expect(signature).toBe(createHmac('sha256', 'secret').update(`${head}.${claims}`).digest('base64url'));
  });

  it('an API key is sent as it is, on either generation', () => {
    const { poll } = kling.connect(API_KEY);
    for (const handle of [{ taskId: '1' }, { taskId: '1', path: '/v1/videos/text2video' }]) {
      expect(poll.request(handle, NOW_MS).headers).toEqual({ authorization: 'Bearer api-key-kling-1' });
    }
  });
});

describe('reading', () => {
  it('goes to the generation and the endpoint that the handle remembers', () => {
    const { poll, find, balance } = kling.connect(API_KEY);
    expect(poll.request({ taskId: '8 9' }, NOW_MS).path).toBe('/tasks?task_ids=8%209');
    const legacy = { taskId: '8/9', path: '/v1/videos/image2video' };
    expect(poll.request(legacy, NOW_MS).path).toBe('/v1/videos/image2video/8%2F9');
    const submission = { attemptId: TAG, request: request({}), media: { references: [], dynamicMasks: [] } };
    const lookUp = (upstream: string) => find?.request({ ...submission, upstream }, NOW_MS).path;
    expect(lookUp('/text-to-video/kling-3.0')).toBe(`/tasks?external_task_ids=${TAG}`);
    expect(lookUp('/v1/videos/text2video kling-v1-6')).toBe(`/v1/videos/text2video/${TAG}`);
    expect(balance?.request({ fromMs: 1, toMs: 2 }, NOW_MS).path).toBe('/account/costs?start_time=1&end_time=2');
  });

  it('a task with the tag of another is not ours', () => {
    const { find } = kling.connect(API_KEY);
    const submission = { attemptId: TAG, request: request({}), media: { references: [], dynamicMasks: [] } };
    const foreign = [
      ['/text-to-video/kling-3.0', [{ id: '8', external_id: 'att_2' }]],
      ['/v1/videos/text2video kling-v1-6', { task_id: '8', task_info: { external_task_id: 'att_2' } }],
    ] as const;
    for (const [upstream, data] of foreign) {
      const response = { origin: 'https://api.example', status: 200, headers: {}, body: { code: 0, data } };
      expect(find?.response(response, { ...submission, upstream })).toMatchObject({ kind: 'protocol_error' });
    }
  });
});

it('has no cancel, no upload and no quote: the documents name none', () => {
  const { cancel, upload, quote } = kling.connect(API_KEY);
  expect([cancel, upload, quote]).toEqual([undefined, undefined, undefined]);
});

/** What each provider's read of a task tells of whose it is; an announced task is held against it. */
import { expect, it } from 'vitest';
import { atlas } from '../../providers/atlas/index.ts';
import type { ProviderResponse } from '../../providers/contract.ts';
import type { AnyProvider } from '../../providers/define.ts';
import { evolink } from '../../providers/evolink/index.ts';
import { fal } from '../../providers/fal/index.ts';
import type { TaskIdentity } from '../../providers/identity.ts';
import { kling } from '../../providers/kling/index.ts';
import { piapi } from '../../providers/piapi/index.ts';

const read = (body: unknown): ProviderResponse => ({
  origin: 'https://provider.example',
  status: 200,
  headers: {},
  body,
});
const AT = Date.UTC(2026, 10, 15, 12);

const ROWS: readonly (readonly [
  what: string,
  AnyProvider,
  upstream: string,
  body: unknown,
  TaskIdentity | undefined,
])[] = [
  [
    'Kling, new generation: tag and time',
    kling,
    '/text-to-video/kling-3.0',
    { code: 0, data: [{ id: '1', status: 'processing', create_time: AT, external_id: 'att_1' }] },
    { attemptId: 'att_1', createdAtMs: AT },
  ],
  [
    'Kling, legacy: tag and time',
    kling,
    '/v1/videos/text2video kling-v2-6',
    { code: 0, data: { task_id: '1', created_at: AT, task_info: { external_task_id: 'att_1' } } },
    { attemptId: 'att_1', createdAtMs: AT },
  ],
  [
    'EvoLink: model and time, in seconds',
    evolink,
    'kling-v3-text-to-video',
    { id: 'task-unified-1', model: 'kling-v3-text-to-video', created: AT / 1_000, status: 'processing' },
    { isOfOrder: true, createdAtMs: AT },
  ],
  [
    'EvoLink: another model',
    evolink,
    'kling-v3-text-to-video',
    { id: 'task-unified-1', model: 'kling-o3-text-to-video', status: 'processing' },
    { isOfOrder: false },
  ],
  [
    'Atlas: model and time, as text',
    atlas,
    'kwaivgi/kling-v3.0-std/text-to-video',
    { data: { id: 'a', model: 'kwaivgi/kling-v3.0-std/text-to-video', created_at: '2026-11-15T12:00:00Z' } },
    { isOfOrder: true, createdAtMs: AT },
  ],
  [
    'Atlas: a strange time is none',
    atlas,
    'kwaivgi/kling-v3.0-std/text-to-video',
    { data: { id: 'a', model: 'kwaivgi/kling-v3.0-pro/text-to-video', created_at: 1 } },
    { isOfOrder: false },
  ],
  [
    'PiAPI: model, task type and time',
    piapi,
    'kling video_generation 3.0',
    {
      code: 200,
      data: { model: 'kling', task_type: 'video_generation', meta: { created_at: '2026-11-15T12:00:00.000000001Z' } },
    },
    { isOfOrder: true, createdAtMs: AT },
  ],
  [
    'PiAPI: another task type',
    piapi,
    'kling video_generation 3.0',
    { code: 200, data: { model: 'kling', task_type: 'motion_control' } },
    { isOfOrder: false },
  ],
  ['fal: nothing', fal, 'fal-ai/kling-video/v3/standard/text-to-video', { status: 'IN_PROGRESS' }, undefined],
];

it.each(ROWS)('%s', (_what, provider, upstream, body, expected) => {
  expect(provider.hooks?.identity?.(read(body), upstream)).toEqual(expected);
});

it.each([kling, evolink, atlas, piapi])('an answer of another shape tells nothing: $name', ({ hooks }) => {
  for (const body of [null, 'text', [], { data: null }, { data: [] }, { model: 1, created: 'x' }]) {
    expect(hooks?.identity?.(read(body), 'kling video_generation 3.0')).toEqual({});
  }
});

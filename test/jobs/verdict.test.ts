/**
 * What a submission has come to, row by row of rules 2 and 3 on doubt: certainly refused is only what is listed, and
 * everything else is doubt, because what is sent again may be paid for twice.
 */
import { describe, expect, it } from 'vitest';
import type { Failure, Json, ProviderResponse, Submission, Submitted } from '../../providers/contract.ts';
import type { BoundExchange } from '../../providers/define.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { present } from '../../src/ground/assert.ts';
import { videoRequestSchema } from '../../src/ground/video-request.ts';
import { judgeSubmission, type Verdict } from '../../src/jobs/verdict.ts';
import type { Answer } from '../../src/wire/call.ts';

const submission: Submission = {
  attemptId: 'att_1',
  request: videoRequestSchema.parse({
    model: 'kling-v3',
    task: 'text_to_video',
    prompt: 'a red kite',
    seconds: 5,
    resolution: '720p',
    aspectRatio: '16:9',
    audio: false,
  }),
  media: { references: [], dynamicMasks: [] },
  upstream: '/kling-v3/text-to-video',
};

type Submit = BoundExchange<Submission, Submitted<Json>>;

const ORIGIN = 'https://provider.example';
const answered = (status: number, body: unknown = null, headers: ProviderResponse['headers'] = {}): Answer => ({
  kind: 'answered',
  response: { origin: ORIGIN, status, headers, body },
});

/** An adapter that reads every answer as this. */
const reading = (outcome: Submitted<Json> | Failure): Submit => ({
  request: () => ({ method: 'POST', path: '/', headers: {} }),
  response: () => outcome,
});

const failing = (more: Partial<Failure> = {}): Failure => ({
  state: 'failure',
  kind: 'unavailable',
  detail: 'their words',
  ...more,
});

const unread: Submit = {
  ...reading(failing()),
  response: () => {
    throw new Error('there is no answer to read');
  },
};

const STATUSES = Array.from({ length: 400 }, (_, index) => 200 + index);
const statusesThatCome = (kind: Verdict['kind'], exchange: Submit): number[] =>
  STATUSES.filter((status) => judgeSubmission(answered(status), exchange, submission).kind === kind);

describe('a submission', () => {
  it('that was never sent is refused: no connection, no task', () => {
    const detail = 'connect ECONNREFUSED';
    expect(judgeSubmission({ kind: 'never_sent', detail }, unread, submission)).toEqual({
      kind: 'refused',
      failure: { state: 'failure', kind: 'unavailable', detail },
    });
  });

  it('that was never answered is in doubt', () => {
    const answer: Answer = { kind: 'unanswered', detail: 'other side closed' };
    expect(judgeSubmission(answer, unread, submission)).toEqual({ kind: 'in_doubt', detail: 'other side closed' });
  });

  it('that gave a task is accepted, with the handle that finds it again', () => {
    const submitted: Submitted<Json> = { state: 'submitted', taskId: 't1', handle: { taskId: 't1' } };
    expect(judgeSubmission(answered(200), reading(submitted), submission)).toEqual({ kind: 'accepted', submitted });
  });

  it('that failed is refused for a status of 400 to 499 but 408 and 409, and in doubt for every other', () => {
    const certain = STATUSES.filter((status) => status >= 400 && status <= 499 && status !== 408 && status !== 409);
    expect(statusesThatCome('refused', reading(failing()))).toEqual(certain);
    expect(statusesThatCome('in_doubt', reading(failing()))).toEqual(STATUSES.filter((s) => !certain.includes(s)));
  });

  it('whose failure proves that there is no task is refused, whatever the status', () => {
    expect(statusesThatCome('refused', reading(failing({ task: 'none' })))).toEqual(STATUSES);
  });

  it('whose failure says that there may be a task is in doubt, whatever the status', () => {
    expect(statusesThatCome('in_doubt', reading(failing({ task: 'maybe' })))).toEqual(STATUSES);
  });

  it('that was refused keeps all that the adapter said, for the failure table', () => {
    const failure = failing({ kind: 'rate_limited', retryAfterMs: 7_000 });
    expect(judgeSubmission(answered(429), reading(failure), submission)).toEqual({ kind: 'refused', failure });
  });
});

const adapters = new Map(
  PROVIDERS.map(({ id, settings, connect }) => {
    const names = settings.credentialVariables[0] ?? [];
    return [id, connect(Object.fromEntries(names.map((name) => [name, 'key']))).submit] as const;
  }),
);

function verdictOf(provider: string, answer: Answer): Verdict {
  return judgeSubmission(answer, present(adapters.get(provider), provider), submission);
}

describe.each([...adapters.keys()])('with %s', (provider) => {
  /** fal's backend marks its answers; an answer without the mark is judged below. */
  const mark = { 'x-fal-request-id': 'req-1' };

  it.each<[what: string, status: number, body: unknown]>([
    ['a success that is not JSON', 200, null],
    ['an empty success', 204, null],
    ['a success of another shape', 200, { ok: true }],
    ['a success that is a list', 200, []],
    ['a success without a task id', 200, { code: 0, data: { id: '', task_id: '' }, id: '', request_id: '' }],
    ['a success whose task id is a number', 200, { code: 0, data: { id: 7, task_id: 7 }, id: 7, request_id: 7 }],
    ['a refusal inside a success', 200, { code: 1303, message: 'too many tasks', error: { code: 'x', message: 'y' } }],
    ['a redirect', 302, null],
    ['a redirect for good', 308, null],
    ['a request timeout', 408, { message: 'too slow' }],
    ['a conflict', 409, { code: 409, message: 'conflict', error: { code: 'conflict', message: 'conflict' } }],
    ['an error of its own', 500, { code: 5000, message: 'internal', error: { code: 'x', message: 'internal' } }],
    ['a page of its edge', 502, null],
    ['being overloaded', 503, { code: 5001, message: 'busy', detail: 'busy' }],
    ['a gateway timeout', 504, null],
  ])('%s leaves the attempt in doubt', (_, status, body) => {
    expect(verdictOf(provider, answered(status, body, mark)).kind).toBe('in_doubt');
  });

  it.each<[status: number, body: unknown]>([
    [400, { code: 1200, message: 'bad field', msg: 'bad field' }],
    [400, null],
    [401, { code: 1002, message: 'bad key', detail: 'bad key' }],
    [402, { error: { code: 'insufficient_quota', message: 'no credits' } }],
    [403, null],
    [404, { message: 'no such model' }],
    [413, null],
    [418, { surprising: true }],
    [422, { detail: [{ type: 'value_error', msg: 'bad field' }] }],
    [429, { code: 1303, message: 'too many tasks', error: { code: 'rate_limited', message: 'slow down' } }],
    [429, null],
  ])('%i is a refusal, whatever the body (%j)', (status, body) => {
    expect(verdictOf(provider, answered(status, body, mark))).toMatchObject({ kind: 'refused' });
  });
});

it.each<[provider: string, body: unknown]>([
  ['kling', { code: 0, data: { id: 'task-1' } }],
  ['evolink', { id: 'task-1', status: 'pending' }],
  ['atlas', { code: 200, data: { id: 'task-1' } }],
  ['fal', { request_id: 'task-1', status_url: `${ORIGIN}/s`, response_url: `${ORIGIN}/r`, cancel_url: `${ORIGIN}/c` }],
  ['piapi', { code: 200, data: { task_id: 'task-1' } }],
])('with %s a success with a task id is accepted under that id', (provider, body) => {
  expect(verdictOf(provider, answered(200, body))).toMatchObject({ kind: 'accepted', submitted: { taskId: 'task-1' } });
});

describe('the documented exceptions', () => {
  it.each(['external_task_id already exists', 'Duplicate external task id', 'the task ALREADY EXISTED'])(
    'Kling 1201 that says "%s" is doubt: the task of this very attempt is there',
    (message) => {
      expect(verdictOf('kling', answered(400, { code: 1201, message })).kind).toBe('in_doubt');
    },
  );

  it.each(['duration is invalid', 'model is discontinued', ''])('Kling 1201 that says "%s" is a refusal', (message) => {
    expect(verdictOf('kling', answered(400, { code: 1201, message })).kind).toBe('refused');
  });

  it.each(['paid_outcome_unknown', 'idempotency_conflict'])(
    'EvoLink %s is doubt, whatever status it comes with',
    (code) => {
      for (const status of [400, 402, 409, 422, 429, 500]) {
        const answer = answered(status, { error: { code, message: 'please contact us', type: 'error' } });
        expect(verdictOf('evolink', answer).kind).toBe('in_doubt');
      }
    },
  );

  it.each([502, 503, 504])('fal %i of the edge itself is a refusal: it never reached the queue', (status) => {
    expect(verdictOf('fal', edgePage(status, '<center>nginx</center>')).kind).toBe('refused');
  });

  it('fal 500 of the edge, and a page of nobody we know, are doubt', () => {
    expect(verdictOf('fal', edgePage(500, '<center>nginx</center>')).kind).toBe('in_doubt');
    expect(verdictOf('fal', edgePage(502, '<h1>proxy error</h1>')).kind).toBe('in_doubt');
  });

  it.each([500, 502, 503, 504])('fal %i with x-fal-request-id is doubt', (status) => {
    const mark = { 'x-fal-request-id': 'req-1' };
    expect(verdictOf('fal', answered(status, null, mark)).kind).toBe('in_doubt');
    expect(verdictOf('fal', answered(status, { detail: 'internal' }, mark)).kind).toBe('in_doubt');
  });
});

/** An answer that is a page: no JSON, and words that tell who wrote it. */
function edgePage(status: number, text: string): Answer {
  return { kind: 'answered', response: { origin: ORIGIN, status, headers: {}, body: null, text } };
}

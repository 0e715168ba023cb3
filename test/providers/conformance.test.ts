/**
 * One suite for all adapters, over recorded answers. An adapter never throws, never takes the unknown for success or for
 * pending, and names every failure.
 */
import { describe, expect, it } from 'vitest';
import type { FailureKind, Submission } from '../../providers/contract.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { connectionOf, type Recorded, recordedOf } from './recorded.ts';

const ORIGIN = 'https://provider.example';

const submission: Submission = {
  attemptId: 'att_0VbYqoN60000000000000000000000000000',
  request: {
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
  },
  media: { references: [], dynamicMasks: [] },
  upstream: '',
};

interface Outcome {
  readonly state: string;
  readonly kind?: FailureKind;
}

function outcomeOf(provider: string, recorded: Recorded, body: unknown): Outcome {
  const connection = connectionOf(provider);
  const response = { origin: ORIGIN, headers: {}, ...recorded.response, body };
  const exchange = connection[recorded.exchange] as
    | { response(response: unknown, input: unknown): Outcome }
    | undefined;
  if (!exchange) throw new Error(`${provider} has no exchange "${recorded.exchange}"`);
  const input = recorded.input ?? (recorded.exchange === 'submit' || recorded.exchange === 'find' ? submission : {});
  return exchange.response(response, input);
}

/** What every adapter must have been shown: the ways a submission and a poll can go. */
const SHOWN: readonly (readonly [what: string, is: (recorded: Recorded) => boolean])[] = [
  ['a submission that was accepted', (it) => it.exchange === 'submit' && it.outcome.state === 'submitted'],
  ['a task that waits or runs', (it) => it.exchange === 'poll' && it.outcome.state === 'pending'],
  ['a task that has finished', (it) => it.exchange === 'poll' && it.outcome.state === 'finished'],
  ['a task that has failed for good', (it) => it.exchange === 'poll' && it.outcome.task === 'ended'],
  ['a status that nobody documents', (it) => it.exchange === 'poll' && it.outcome.kind === 'protocol_error'],
  ['an answer that is not JSON', (it) => it.response.body === undefined && it.outcome.state === 'failure'],
  ['a finished task without a video', (it) => it.outcome.kind === 'video_missing'],
  ...(
    [
      'invalid_request',
      'offer_refused',
      'content_rejected',
      'unauthorized',
      'out_of_credit',
      'rate_limited',
      'unavailable',
      'generation_failed',
      'task_not_found',
    ] as const
  ).map((kind) => [`a failure of kind ${kind}`, (it: Recorded) => it.outcome.kind === kind] as const),
];

describe.each(PROVIDERS.map(({ id }) => id))('%s', (provider) => {
  const all = recordedOf(provider);

  it.each(SHOWN)('has been shown %s', (_what, is) => {
    expect(all.some(is)).toBe(true);
  });

  it.each(all.map((recorded) => [recorded.about, recorded] as const))('%s', (_about, recorded) => {
    expect(recorded.source).toMatch(/\w/);
    expect(outcomeOf(provider, recorded, recorded.response.body ?? null)).toMatchObject(recorded.outcome);
  });

  it('an answer without a field it relied on is a classified failure, never a throw and never something else', () => {
    for (const recorded of all) {
      const whole = outcomeOf(provider, recorded, recorded.response.body ?? null);
      for (const path of pathsOf(recorded.response.body)) {
        const stripped = outcomeOf(provider, recorded, without(recorded.response.body, path));
        // A look-up whose list has lost its one task reads as it is documented: there is none.
        const isAbsence = recorded.exchange === 'find' && path.at(-1) === '0' && stripped.state === 'absent';
        const same = isAbsence || (stripped.state === whole.state && stripped.kind === whole.kind);
        const where = `${recorded.file} without ${path.join('.')}`;
        expect([where, same || (stripped.state === 'failure' && stripped.kind !== undefined)]).toEqual([where, true]);
      }
    }
  });

  it('whatever stands in place of a field, the answer is read without a throw', () => {
    for (const recorded of all) {
      for (const path of pathsOf(recorded.response.body)) {
        for (const strange of [null, 0, -1, '', 'x', [], {}, true, 'http://', [[]]]) {
          expect(outcomeOf(provider, recorded, withValue(recorded.response.body, path, strange)).state).toBeTypeOf(
            'string',
          );
        }
      }
    }
  });
});

/** Every place in a body, leaves and branches. */
function pathsOf(value: unknown, above: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [[...above, key], ...pathsOf(child, [...above, key])]);
}

function without(body: unknown, path: readonly string[]): unknown {
  const copy = structuredClone(body);
  const parent = parentOf(copy, path);
  const key = path.at(-1) ?? '';
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  return copy;
}

function withValue(body: unknown, path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(body);
  const parent = parentOf(copy, path) as Record<string, unknown>;
  parent[path.at(-1) ?? ''] = value;
  return copy;
}

function parentOf(body: unknown, path: readonly string[]): Record<string, unknown> | unknown[] {
  return path
    .slice(0, -1)
    .reduce<Record<string, unknown>>(
      (value, key) => value[key] as Record<string, unknown>,
      body as Record<string, unknown>,
    );
}

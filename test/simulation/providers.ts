/**
 * Three made-up providers, as different as real ones are: what they can tell about a lost submission, what they do with
 * a repeated tag, whether they can stop a task and what a failed one costs. Their wire is one small JSON protocol.
 */
import { z } from 'zod';
import { failure, isWebAddress, protocolError, read } from '../../providers/answers.ts';
import type { Failure, FailureKind, ProviderResponse } from '../../providers/contract.ts';
import { type AnyProvider, defineProvider } from '../../providers/define.ts';
import { HOUR_MS, MINUTE_MS } from '../../src/ground/time.ts';
import { collectRateCards, type RateCards } from '../../src/pricing/cards.ts';
import { parseRateCard } from '../../src/pricing/rate-card.ts';

/** From the end of a task on its file can be had so long. */
export const LINK_LIFE_MS = HOUR_MS;

export interface Traits {
  readonly id: string;
  /** Keeps our tag, refuses it a second time, and finds a task by it. */
  readonly tags: boolean;
  /** Can stop a task that has not ended. */
  readonly stops: boolean;
  /** Calls the webhook address of the submission. */
  readonly calls: boolean;
  /** Answers a repeated tag with the first task; relied on only where an account was seen to do it. */
  readonly replays: boolean;
  readonly failedTask: 'free' | 'charged' | 'unknown';
  readonly slots: number;
  readonly usdPerSecond: string;
}

export const TRAITS: readonly Traits[] = [
  {
    id: 'alpha',
    tags: true,
    stops: false,
    calls: false,
    replays: false,
    failedTask: 'free',
    slots: 2,
    usdPerSecond: '0.05',
  },
  {
    id: 'beta',
    tags: false,
    stops: true,
    calls: true,
    replays: false,
    failedTask: 'unknown',
    slots: 2,
    usdPerSecond: '0.055',
  },
  {
    id: 'gamma',
    tags: false,
    stops: false,
    calls: false,
    replays: true,
    failedTask: 'charged',
    slots: 3,
    usdPerSecond: '0.06',
  },
];

const handle = z.object({ task: z.string() });
type Handle = z.infer<typeof handle>;
const created = z.object({ task: z.string().min(1) });
const told = z.object({ state: z.enum(['waiting', 'making', 'made', 'failed', 'refused']), url: z.string().nullish() });
const stopped = z.object({ stopped: z.literal(true) });
const refusal = z.object({ error: z.string() });

const KINDS: Readonly<Record<string, FailureKind>> = {
  busy: 'concurrency_limited',
  slower: 'rate_limited',
  wrong: 'invalid_request',
  poor: 'out_of_credit',
  gone: 'task_not_found',
};

function classify(response: ProviderResponse): Failure {
  const said = read(refusal, response)?.error ?? '';
  if (said === 'known') return failure('protocol_error', 'the tag is known', { task: 'maybe' });
  const kind = KINDS[said];
  if (kind) return failure(kind, said);
  if (response.status >= 500) return failure('unavailable', `HTTP ${response.status}`);
  return protocolError(response, 'a known answer');
}

function makeProvider(traits: Traits): AnyProvider {
  const charged = { free: 'no', charged: 'yes', unknown: 'unknown' } as const;
  return defineProvider<object, Handle>({
    id: traits.id,
    name: traits.id,
    settings: {
      prefix: traits.id.toUpperCase(),
      hosts: { api: `https://${traits.id}.example` },
      slotsDefault: traits.slots,
      slotsPer: 'account',
      credentialVariables: [[]],
    },
    credentials: z.object({}),
    handle,
    capabilities: [
      { model: 'kling-v3', task: 'text_to_video', resolutions: ['720p'], sound: 'never', takes: {}, upstream: 'k3' },
    ],
    media: {},
    linkLifeMs: LINK_LIFE_MS,
    ...(traits.replays && { keyReplay: { afterMs: MINUTE_MS, withinMs: 5 * MINUTE_MS } }),
    submit: {
      request: ({ attemptId, request, webhookUrl }) => ({
        method: 'POST',
        path: '/tasks',
        headers: {},
        body: { tag: attemptId, seconds: request.seconds, prompt: request.prompt, hook: webhookUrl ?? null },
      }),
      response(response) {
        const answer = response.status === 200 ? read(created, response) : null;
        if (!answer) return response.status === 200 ? protocolError(response, 'a task') : classify(response);
        return { state: 'submitted', taskId: answer.task, handle: { task: answer.task } };
      },
    },
    poll: {
      request: ({ task }) => ({ method: 'GET', path: `/tasks/${task}`, headers: {} }),
      response(response, input) {
        const answer = response.status === 200 ? read(told, response) : null;
        if (!answer) return response.status === 200 ? protocolError(response, 'a known state') : classify(response);
        switch (answer.state) {
          case 'waiting':
          case 'making':
            return { state: 'pending', phase: 'running', handle: input };
          case 'refused':
            return failure('content_rejected', 'refused', { task: 'ended', charged: 'no' });
          case 'failed':
            return failure('generation_failed', 'failed', { task: 'ended', charged: charged[traits.failedTask] });
          case 'made':
            return typeof answer.url === 'string' && isWebAddress(answer.url)
              ? { state: 'finished', videoUrl: answer.url }
              : failure('video_missing', 'made without a video');
        }
      },
    },
    ...(traits.tags && {
      find: {
        request: ({ attemptId }) => ({ method: 'GET', path: `/tags/${attemptId}`, headers: {} }),
        response(response) {
          const answer = response.status === 200 ? read(created.partial(), response) : null;
          if (!answer) return classify(response);
          if (answer.task === undefined) return { state: 'absent' };
          return { state: 'submitted', taskId: answer.task, handle: { task: answer.task } };
        },
      },
    }),
    ...(traits.stops && {
      cancel: {
        request: ({ task }) => ({ method: 'DELETE', path: `/tasks/${task}`, headers: {} }),
        // Only what says so has stopped: any other success may be the answer to something else.
        response: (response) => (read(stopped, response) ? { state: 'cancelled' } : classify(response)),
      },
    }),
    ...(traits.calls && {
      hooks: {
        proof: 'path',
        verify: () => null,
        adopt: (task) => ({ task }),
      },
    }),
  });
}

export const SIMULATED: readonly AnyProvider[] = TRAITS.map(makeProvider);

export const SIMULATED_CARDS: RateCards = collectRateCards(
  TRAITS.map(({ id, usdPerSecond, failedTask }) =>
    parseRateCard(
      `card: ${id}
provider: ${id}
effective: "2026-11-01"
source: { document: the simulation, date: "2026-11-01", read: "2026-11-01" }
currency: USD
kind: per_second
failed: ${failedTask}
limits: { min_seconds: 3, max_seconds: 15 }
rates:
  - { model: kling-v3, tasks: [text_to_video], resolution: 720p, audio: false, usd_per_second: ${usdPerSecond} }
`,
      `${id}/2026-11-01.yaml`,
    ),
  ),
);

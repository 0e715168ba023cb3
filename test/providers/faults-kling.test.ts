/** What goes wrong at official Kling, ordered one fault at a time from its emulator, and where each leaves job and money. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '../../src/sandbox/faults.ts';
import { Bench, type Line } from '../support/provider-lab.ts';
import * as common from './common-faults.ts';

/** Doubts for a minute, so that what is lost is looked for; `hasty` gives up at the first look. */
let patient: Bench;
let hasty: Bench;
/** Can be called: its tasks are announced. */
let announced: Bench;

beforeAll(async () => {
  [patient, hasty, announced] = await Promise.all([
    Bench.start('kling', { REELAY_DOUBT_SECONDS: '60' }),
    Bench.start('kling'),
    // Polls so seldom that only an announcement can bring a clip home in time.
    Bench.startAnnounced('kling', { REELAY_POLL_MS: '60000' }),
  ]);
});
const allBenches = (): Bench[] => [patient, hasty, announced];
afterAll(() => Promise.all(allBenches().map((bench) => bench.remove())));

/** Its tasks keep no prompt: they are known by the fault and by the path that made them. */
const lineOf = (isLegacy: boolean, body: Line['body']): Line => ({
  provider: 'kling',
  body: { ...body, resolution: '720p', provider: { only: ['kling'], max_premium: 100 } },
  owns: ({ fault, request }, prompt) =>
    fault === prompt && (request as { readonly path: string }).path.startsWith('/v1/') === isLegacy,
});

/** One order on each generation: 3.0 from text, and 1.6, which the legacy one alone makes. */
const NEW: common.Subject = {
  line: lineOf(false, { model: 'kling-v3', seconds: 3 }),
  costUsd: 0.252,
  on: () => patient,
};
const LEGACY: common.Subject = {
  line: lineOf(true, { model: 'kling-v1-6', seconds: 5 }),
  costUsd: 0.28,
  on: () => patient,
};

/** Meets each of the faults on both generations at once. */
const meetAll = (bench: Bench, faults: readonly Fault[]) =>
  Promise.all(
    [NEW, LEGACY].flatMap(({ line, costUsd }) =>
      faults.map(async (fault) => ({ costUsd, ...(await bench.meet(line, fault)) })),
    ),
  );

describe.concurrent.each([
  ['new', NEW],
  ['legacy', LEGACY],
] as const)("at Kling's %s generation", (_generation, here) => {
  describe('a task that ends badly costs nothing', () => common.endsForNothing(here));
  describe('a task that is hard to read', () => {
    common.deliversAllTheSame(here);
    common.isReadAgain(here);
    common.isNoSuccess(here);
  });
  describe('an announcement', () => common.changesNothing({ ...here, on: () => announced }));
});

describe.concurrent('at Kling', () => {
  describe('a submission', () => {
    it('whose answer is lost is found by its tag, and is not sent again', async () => {
      const ends = await meetAll(patient, ['lost_answer', 'html_after', 'truncated', 'no_id']);
      expect(ends.map(({ status, usage, tasks, attempts }) => [status, usage.cost, tasks, attempts.length])).toEqual(
        ends.map(({ costUsd }) => ['completed', costUsd, 1, 1]),
      );
    });

    it('that may have made a task stays in doubt, and costs its tenant nothing', async () => {
      const ends = await meetAll(hasty, ['cut', 'server_error', 'html']);
      expect(
        ends.map(({ error, attempts, usage, tasks }) => [
          error?.code,
          attempts.map(({ status }) => status),
          usage.cost,
          tasks,
        ]),
      ).toEqual(ends.map(() => ['provider_outcome_unknown', ['in_doubt'], 0, 0]));
    });

    it.each(['rate_limited', 'concurrency'] as const)('%s is sent again, and delivers', async (fault) => {
      const bench = fault === 'concurrency' ? hasty : patient;
      const { id } = await bench.order(NEW.line, fault, fault);
      const video = await bench.end(id);
      expect(video).toMatchObject({ status: 'completed', provider: 'kling' });
      expect(video.attempts.map(({ status }) => status)).toEqual(['failed', 'completed']);
    });
  });

  it('an extension goes on where a clip ends, at the generation that made it', async () => {
    const source = await patient.order(LEGACY.line, null, 'it flies');
    await patient.end(source.id);
    const order = { prompt: 'it flies on', video: { id: source.id }, provider: { max_premium: 100 } };
    const created = await patient.post('/v1/videos/extensions', order);
    expect(created).toMatchObject({ seconds: '10' });
    const extended = await patient.end(created.id);
    expect(extended).toMatchObject({ status: 'completed', provider: 'kling', usage: { cost: 0.28 } });
  });
});

describe('afterwards', () => common.booksAgree(allBenches));

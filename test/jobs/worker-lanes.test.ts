/** Who waits for a slot is woken by it; who cannot take it hands it on, so that a free slot is never slept over. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import type { Deps, StepResult } from '../../src/jobs/deps.ts';
import { laneOfTenant } from '../../src/jobs/tenant-slots.ts';
import { Worker } from '../../src/jobs/worker.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** What the next steps of each job come to, and the steps that were taken. */
const script = vi.hoisted(() => ({ results: new Map<string, StepResult[]>(), taken: [] as string[] }));
vi.mock('../../src/jobs/step.ts', () => ({
  runStep: async (_deps: unknown, jobId: string): Promise<StepResult> => {
    script.taken.push(jobId);
    return script.results.get(jobId)?.shift() ?? { kind: 'due', inMs: 1e6 };
  },
}));

const waits = (lane: string): StepResult => ({ kind: 'waits_for_slot', lane });
const inTenantsLine = waits(laneOfTenant('ten_narrow'));

/** A worker whose jobs have taken their first step and wait now. */
async function waiting(
  results: Readonly<Record<string, StepResult[]>>,
): Promise<{ worker: Worker; clock: ManualClock }> {
  script.results = new Map(Object.entries(results));
  const clock = new ManualClock();
  const log = { info() {}, warn() {}, error() {}, flush() {} };
  const worker = new Worker({ clock, log } as unknown as Deps);
  for (const id of Object.keys(results)) {
    // One after the other: what falls due in one instant has no order.
    worker.take(id);
    await settle(clock);
  }
  script.taken = [];
  return { worker, clock };
}

async function settle(clock: ManualClock): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    clock.advance(0);
    await turn();
  }
}

it('a slot wakes the first that waits for it, and the first of the tenant that has one task less', async () => {
  const { worker, clock } = await waiting({
    a: [waits('fal')],
    b: [waits('fal')],
    c: [inTenantsLine],
    d: [inTenantsLine],
  });
  worker.slotFreed('fal', 'ten_narrow');
  await settle(clock);
  expect(script.taken.sort()).toEqual(['a', 'c']);
});

it('whoever has to wait elsewhere hands the slot on to the next one', async () => {
  const { worker, clock } = await waiting({ a: [waits('fal'), inTenantsLine], b: [waits('fal')] });
  worker.slotFreed('fal', 'ten_other');
  await settle(clock);
  expect(script.taken).toEqual(['a', 'b']);
});

it('so does whoever has ended meanwhile; whoever took it does not', async () => {
  const { worker, clock } = await waiting({
    a: [waits('fal'), { kind: 'ended' }],
    b: [waits('fal')],
    c: [waits('fal')],
  });
  worker.slotFreed('fal', 'ten_other');
  await settle(clock);
  expect(script.taken).toEqual(['a', 'b']);
});

it('a slot that was taken by another wakes nobody else in vain', async () => {
  const { worker, clock } = await waiting({ a: [waits('fal'), waits('fal')], b: [waits('fal')] });
  worker.slotFreed('fal', 'ten_other');
  await settle(clock);
  expect(script.taken).toEqual(['a']);
});

import { expect } from 'vitest';
import type { Excuse } from './lost.ts';
import { simulate } from './run.ts';

/** A long run tells how far it is, and goes on past a broken seed, so that one night shows more than one. */
const SAY_EVERY = 2_500;
const BROKEN_MAX = 20;
/** Of the clips that providers made, so many at most may be lost for a reason that excuses it. */
const EXCUSED_SHARE_MAX = 0.08;

/** Runs so many seeds one after another; fails with every fault found and the command that shows it again. */
export async function expectUnbroken(first: number, count: number): Promise<void> {
  const sum = { jobs: 0, tasks: 0, made: 0, kills: 0, steps: 0 };
  const excused: Partial<Record<Excuse, number>> = {};
  const broken: string[] = [];
  for (let seed = first; seed < first + count && broken.length < BROKEN_MAX; seed += 1) {
    const { faults, jobs, tasks, kills, steps, ...clips } = await simulate(seed);
    for (const fault of faults) {
      const said = `${fault}: SIMULATION_FIRST=${seed} SIMULATION_SEEDS=1 npm run simulate`;
      broken.push(said);
      if (count >= SAY_EVERY) process.stdout.write(`${said}\n`);
    }
    sum.jobs += jobs;
    sum.tasks += tasks;
    sum.made += clips.made;
    for (const reason of Object.keys(clips.excused) as Excuse[]) {
      excused[reason] = (excused[reason] ?? 0) + (clips.excused[reason] ?? 0);
    }
    sum.kills += kills;
    sum.steps += steps;
    const done = seed - first + 1;
    if (done % SAY_EVERY === 0) process.stdout.write(`${done} of ${count} seeds, ${broken.length} faults\n`);
  }
  expect(broken).toEqual([]);
  // A simulation in which nothing happens proves nothing.
  if (count >= 100) {
    expect(sum.jobs).toBeGreaterThan(count);
    expect(sum.kills).toBeGreaterThan(count / 4);
    process.stdout.write(`${count} seeds: ${JSON.stringify({ ...sum, excused })}\n`);
  }
  // One in which more and more of what is lost is excused proves as little.
  if (count >= 500) {
    const lost = Object.values(excused).reduce((all, more) => all + more, 0);
    expect(lost / sum.made).toBeLessThan(EXCUSED_SHARE_MAX);
  }
}

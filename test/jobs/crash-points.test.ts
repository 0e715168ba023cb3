/**
 * The places where tests kill a process have names. A clip's whole life is told once, with its commits, its calls and the
 * named places; a gap after a commit or a call without a name could be visited by no test that goes by name.
 */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it, onTestFinished, vi } from 'vitest';
import { onCrashPoint } from '../../src/ground/crash.ts';
import type { SimulatedProcess } from '../simulation/process.ts';
import { Scenario } from '../simulation/scenario.ts';

interface Event {
  readonly kind: 'commit' | 'call' | 'point';
  readonly what: string;
}

/** Everything that the store knows of clips. Leases and rounds of the process are no part of a clip's life. */
const OF_CLIPS = ['jobs', 'attempts', 'entries', 'events'];

/** What is committed of clips now, read past the gateway. */
function committedIn(folder: string): () => string {
  const store = new Sqlite(join(folder, 'reelay.db'), { readonly: true });
  onTestFinished(() => void store.close());
  const tables = store.prepare<[], { name: string }>("select name from sqlite_schema where type = 'table'").all();
  const reads = OF_CLIPS.filter((name) => tables.some((table) => table.name === name)).map((name) =>
    store.prepare(`select * from ${name}`),
  );
  return () => JSON.stringify(reads.map((read) => read.all()));
}

/** Writes down what the process does, in order. */
function listen(process: SimulatedProcess, committed: () => string, life: Event[]): void {
  const { database, wire, downloads } = process.deps;
  let before = committed();
  const write = database.write;
  vi.spyOn(database, 'write').mockImplementation(async (work) => {
    try {
      return await write(work);
    } finally {
      const now = committed();
      if (now !== before) life.push({ kind: 'commit', what: changesOf(before, now) });
      before = now;
    }
  });
  const { submit, read } = wire;
  vi.spyOn(wire, 'submit').mockImplementation(async (...args) => {
    life.push({ kind: 'call', what: 'submit' });
    return await submit(...args);
  });
  vi.spyOn(wire, 'read').mockImplementation(async (...args) => {
    life.push({ kind: 'call', what: `read ${args[1].path}` });
    return await read(...args);
  });
  const { download } = downloads;
  vi.spyOn(downloads, 'download').mockImplementation(async (...args) => {
    life.push({ kind: 'call', what: 'download' });
    return await download(...args);
  });
  onCrashPoint((point) => life.push({ kind: 'point', what: point }));
  onTestFinished(() => onCrashPoint(null));
}

/** Short words for what a commit has changed: enough to find it in the source. */
function changesOf(before: string, now: string): string {
  const [was, is] = [before, now].map((text) => new Set(text.match(/"state":"\w+"|"kind":"\w+"/g)));
  return [...(is ?? [])].filter((word) => !was?.has(word)).join(' ') || 'something';
}

/** The gaps after a commit or a call that have no name: what comes next is another one, or nothing. */
function unnamed(life: readonly Event[]): string[] {
  return life.flatMap(({ kind, what }, index) => {
    const next = life[index + 1];
    if (kind === 'point' || next?.kind === 'point') return [];
    return [`${kind} ${what} -> ${next ? `${next.kind} ${next.what}` : 'the end'}`];
  });
}

it.each(['alpha', 'beta', 'gamma'])(
  'every gap between the commits and calls in the life of a clip at %s has a name, by which it can be killed there',
  async (provider) => {
    const story = await Scenario.open({ publicUrl: 'https://reelay.example' });
    onTestFinished(() => story.close());
    const process = await story.start();
    const life: Event[] = [];
    listen(process, committedIn(story.folder), life);
    const id = await story.request(process, { only: [provider] });
    expect(await story.end(id)).toMatchObject({ state: 'completed' });
    const count = (which: Event['kind']) => life.filter(({ kind }) => kind === which).length;
    // Admitted, begun, accepted, finished, completed; submitted, read at least once, downloaded.
    expect([count('commit'), count('call') >= 3]).toEqual([5, true]);
    expect(unnamed(life)).toEqual([]);
  },
);

/** Two downloads at a time of one host, a bound on all of them, first come first served, and the hosts in turn. */
import { describe, expect, it } from 'vitest';
import { DownloadLine } from '../../src/jobs/download-line.ts';

function open() {
  const called: string[] = [];
  return { called, line: new DownloadLine((jobId) => called.push(jobId)) };
}

describe('the line for downloads', () => {
  it('lets two of a host in, and calls the next when one leaves, in the order in which they came', () => {
    const { called, line } = open();
    expect(['a', 'b', 'c', 'd'].map((job) => line.take(job, 'host'))).toEqual([true, true, false, false]);
    // Asking again neither loses the turn nor takes another.
    expect(line.take('c', 'host')).toBe(false);
    line.leave('b');
    line.leave('a');
    expect(called).toEqual(['c', 'd']);
    expect(line.take('c', 'host')).toBe(true);
    expect([...line.downloading]).toEqual(['c', 'd']);
  });

  it('keeps hosts apart', () => {
    const { line } = open();
    line.take('a', 'slow');
    line.take('b', 'slow');
    expect([line.take('c', 'slow'), line.take('d', 'fast')]).toEqual([false, true]);
  });

  it('lets at most sixteen in, whatever their hosts, and then the hosts in turn', () => {
    const { called, line } = open();
    for (let host = 0; host < 8; host += 1) for (const job of ['a', 'b']) line.take(`${job}${host}`, `host${host}`);
    for (const job of ['c', 'd', 'e']) expect(line.take(`${job}8`, 'host8')).toBe(false);
    expect(line.take('c9', 'host9')).toBe(false);
    for (const job of ['a0', 'a1', 'a2']) line.leave(job);
    expect(called).toEqual(['c8', 'c9', 'd8']);
  });

  it('is left by whoever waits no more, and stood in anew by a job whose video has another address', () => {
    const { called, line } = open();
    for (const job of ['a', 'b', 'c', 'd']) line.take(job, 'host');
    line.leave('c');
    expect(line.take('d', 'other')).toBe(true);
    line.leave('a');
    line.leave('never there');
    expect(called).toEqual([]);
    expect([...line.downloading]).toEqual(['b', 'd']);
  });
});

/** Ids sort by time and are never guessed or repeated; a secret never prints. */
import { format, inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/ground/assert.ts';
import { type IdPrefix, isId, newId, type Random, randomText, systemRandom, toBase62 } from '../../src/ground/id.ts';
import { Secret } from '../../src/ground/secret.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
const PREFIXES: readonly IdPrefix[] = ['ten', 'key', 'video', 'att', 'ent', 'req', 'upload', 'process'];

describe('an id', () => {
  it.each(PREFIXES)('of a %s is its prefix, 8 characters of time and 24 of chance', (prefix) => {
    const id = newId(prefix, NOW_MS, systemRandom);
    expect(id).toMatch(new RegExp(`^${prefix}_[0-9A-Za-z]{34}$`));
    expect(PREFIXES.filter((other) => isId(id, other))).toEqual([prefix]);
  });

  it('sorts after every id of an earlier millisecond, whatever chance gave them', () => {
    const instant = fc.integer({ min: 0, max: 62 ** 8 - 1 });
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        fc.pre(a < b);
        expect(newId('att', a, always(61)) < newId('att', b, always(0))).toBe(true);
      }),
    );
  });

  it('comes once, even among ten thousand of one millisecond', () => {
    const ids = Array.from({ length: 10_000 }, () => newId('video', NOW_MS, systemRandom));
    expect(new Set(ids).size).toBe(10_000);
  });

  it.each([
    ['nothing', ''],
    ['a prefix alone', 'video_'],
    ['another prefix', `att_${'a'.repeat(32)}`],
    ['a prefix that goes on', `videos_${'a'.repeat(32)}`],
    ['a path', `video_${'a'.repeat(20)}/../../etc`],
    ['a quote', `video_${'a'.repeat(31)}'`],
    ['a line more', `video_${'a'.repeat(32)}\n`],
    ['letters beyond ASCII', `video_${'é'.repeat(32)}`],
    ['too little', `video_${'a'.repeat(19)}`],
    ['too much', `video_${'a'.repeat(60)}`],
  ])('is not made of %s', (_, text) => {
    expect(isId(text, 'video')).toBe(false);
  });
});

describe('base62', () => {
  it('keeps the order of numbers', () => {
    const whole = fc.integer({ min: 0, max: 62 ** 8 - 1 });
    fc.assert(
      fc.property(whole, whole, (a, b) => {
        const [left, right] = [toBase62(a, 8), toBase62(b, 8)];
        expect(left.length).toBe(8);
        expect(left < right ? -1 : left > right ? 1 : 0).toBe(Math.sign(a - b));
      }),
    );
  });

  it('drops the digits that do not fit', () => {
    expect(toBase62(61, 3)).toBe('00z');
    expect(toBase62(62 ** 2, 2)).toBe('00');
  });
});

describe('chance', () => {
  it('prefers no character: bytes that would favour the first ones are passed over', () => {
    const bytes = Uint8Array.from({ length: 264 }, (_, index) => (index + 240) % 256);
    const text = randomText({ ...always(0), bytes: () => bytes }, 248);
    const counts = [...new Set(text)].map((character) => text.split(character).length - 1);
    expect(counts).toEqual(Array.from({ length: 62 }, () => 4));
  });

  it('hands out bytes that the next draw does not touch', () => {
    const drawn = systemRandom.bytes(64);
    const kept = [...drawn];
    for (let draw = 0; draw < 1_000; draw += 1) systemRandom.bytes(64);
    expect([...drawn]).toEqual(kept);
    expect(new Set(kept).size).toBeGreaterThan(16);
  });

  it('gives as many bytes as it is asked for, up to its pool', () => {
    expect([0, 1, 8_191, 8_192].map((length) => systemRandom.bytes(length).length)).toEqual([0, 1, 8_191, 8_192]);
    expect(() => systemRandom.bytes(8_193)).toThrow(AssertionError);
  });

  it('gives fractions from zero up to, and never, one', () => {
    const fractions = Array.from({ length: 10_000 }, () => systemRandom.fraction());
    expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
    expect(Math.min(...fractions)).toBeLessThan(0.1);
    expect(Math.max(...fractions)).toBeGreaterThan(0.9);
  });
});

describe('a secret', () => {
  const secret = new Secret('hunter2');
  const prints: [how: string, printed: () => string][] = [
    ['as text', () => String(secret)],
    ['in a template', () => `key ${secret}`],
    ['joined to text', () => ['key', secret].join(' ')],
    ['as JSON', () => JSON.stringify({ deep: [{ secret }] })],
    ['inspected', () => inspect(secret)],
    ['inspected to the bone', () => inspect({ deep: { secret } }, { showHidden: true, depth: 9 })],
    ['formatted', () => format('%s %o %O %j', secret, secret, secret, secret)],
    ['in the message of an error', () => inspect(new Error(`refused ${secret}`))],
    ['as the cause of an error', () => inspect(new Error('refused', { cause: secret }))],
    ['on an error', () => inspect(Object.assign(new Error('refused'), { secret }))],
  ];

  it.each(prints)('prints as *** %s', (_, printed) => {
    expect(printed()).toContain('***');
    expect(printed()).not.toContain('hunter2');
  });

  it.each([
    ['copied', () => JSON.stringify({ ...secret })],
    ['cloned', () => inspect(structuredClone({ secret }))],
    ['inspected without its own printing', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['walked through', () => JSON.stringify([Object.values(secret), Reflect.ownKeys(secret)])],
  ])('stays hidden when %s', (_, printed) => {
    expect(printed()).not.toContain('hunter2');
  });

  it('is revealed to who asks for it by name', () => {
    expect(secret.reveal()).toBe('hunter2');
  });
});

/** A source of chance that always gives the same byte. */
const always = (byte: number): Random => ({ bytes: (length) => new Uint8Array(length).fill(byte), fraction: () => 0 });

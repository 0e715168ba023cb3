/** A file has its name only when it is whole, and what is sealed opens only with its key. Real files in a real folder. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/ground/assert.ts';
import { systemRandom } from '../../src/ground/id.ts';
import { Secret } from '../../src/ground/secret.ts';
import { type Files, openDiskFiles } from '../../src/store/files.ts';
import { Sealer } from '../../src/store/seal.ts';
import { temporaryFolder } from '../support/temporary.ts';

const NAME = 'videos/video_1.mp4';

describe('a file', () => {
  it('is under its name only once it is finished, and then as it was written', async () => {
    const { files } = await openFiles();
    const part = await files.create(NAME);
    for (const chunk of ['one ', 'two ', 'three']) await part.write(Buffer.from(chunk));
    expect(readFileSync(part.path, 'utf8')).toBe('one two three');
    await expect(textOf(files)).rejects.toThrow('ENOENT');
    await part.finish();
    expect(await textOf(files)).toBe('one two three');
    expect(await files.list('videos')).toEqual([NAME]);
  });

  it('is read in part by its first and last byte, both included', async () => {
    const { files } = await openFiles();
    await save(files, '0123456789');
    expect(await textOf(files, { start: 0, end: 0 })).toBe('0');
    expect(await textOf(files, { start: 3, end: 6 })).toBe('3456');
    expect(await textOf(files, { start: 8, end: 99 })).toBe('89');
  });

  it('is looked at without being read: how long it is, and whether it has changed since', async () => {
    const { files } = await openFiles();
    expect(await files.look(NAME)).toBeNull();
    await save(files, 'frames');
    const look = await files.look(NAME);
    expect(look).toEqual({ bytes: 6, changedAtMs: expect.any(Number) });
    expect(await files.look(NAME)).toEqual(look);
    await save(files, 'other frames');
    expect(await files.look(NAME)).toMatchObject({ bytes: 12 });
  });

  it('that is discarded leaves nothing behind', async () => {
    const { files } = await openFiles();
    const part = await files.create(NAME);
    await part.write(Buffer.from('half'));
    await part.discard();
    await part.discard();
    expect(await files.list('videos')).toEqual([]);
  });

  it('that is finished stays when it is discarded after', async () => {
    const { files } = await openFiles();
    const part = await files.create(NAME);
    await part.write(Buffer.from('whole'));
    await part.finish();
    await part.discard();
    expect(await textOf(files)).toBe('whole');
  });

  it('is replaced in one go: until then the old one is read', async () => {
    const { files } = await openFiles();
    await save(files, 'the old one');
    const part = await files.create(NAME);
    await part.write(Buffer.from('new'));
    expect(await textOf(files)).toBe('the old one');
    await part.finish();
    expect(await textOf(files)).toBe('new');
  });

  it('that was left half-written is found in its folder, and does not disturb the one that is begun anew', async () => {
    const { files, folder } = await openFiles();
    mkdirSync(join(folder, 'videos'));
    writeFileSync(join(folder, `${NAME}.part`), 'left behind by a kill');
    expect(await files.list('videos')).toEqual([`${NAME}.part`]);
    await save(files, 'anew');
    expect(await textOf(files)).toBe('anew');
    expect((await files.list('videos')).sort()).toEqual([NAME, `${NAME}.part`]);
  });

  it('that two write at once, one of them long thought dead, is what each wrote, never a mixture', async () => {
    const { files } = await openFiles();
    const [frozen, successor] = [await files.create(NAME), await files.create(NAME)];
    await frozen.write(Buffer.from('half of the o'));
    await successor.write(Buffer.from('new'));
    await successor.finish();
    expect(await textOf(files)).toBe('new');
    await frozen.write(Buffer.from('ld one'));
    await frozen.discard();
    expect(await textOf(files)).toBe('new');
  });

  it('is removed, and removed again without harm', async () => {
    const { files } = await openFiles();
    await save(files, 'gone');
    await files.remove(NAME);
    await files.remove(NAME);
    expect(await files.list('videos')).toEqual([]);
  });

  it('is for the eyes of its owner only', async () => {
    const { files, folder } = await openFiles();
    await save(files, 'private');
    const modes = [folder, join(folder, 'videos'), join(folder, NAME)].map((path) => statSync(path).mode & 0o077);
    expect(modes).toEqual([0, 0, 0]);
  });

  it.each([
    ...['', 'video_1.mp4', 'videos/', '/etc/passwd', '../video_1', 'videos/..', 'videos/../../x', 'videos/a/b'],
    ...['videos/a b', 'videos/a\0b', 'videos/a\n', 'Videos/x', 'videos\\x', `videos/${'a'.repeat(81)}`, 'videos/é'],
  ])('cannot be named %j', async (name) => {
    const { files, folder } = await openFiles();
    await expect(files.create(name)).rejects.toThrow(AssertionError);
    expect(() => files.read(name)).toThrow(AssertionError);
    await expect(async () => files.remove(name)).rejects.toThrow(AssertionError);
    expect(statSync(folder).isDirectory()).toBe(true);
  });
});

describe('a folder of files', () => {
  it('that is not there holds nothing', async () => {
    const { files } = await openFiles();
    expect(await files.list('uploads')).toEqual([]);
  });

  it('knows how much room its disk has left', async () => {
    const { files } = await openFiles();
    const { freeBytes, totalBytes } = await files.space();
    expect(freeBytes).toBeGreaterThan(0);
    expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
  });
});

describe('what is sealed', () => {
  const sealer = new Sealer(new Secret('key one'), systemRandom);
  const link = 'https://cdn.example/video.mp4?signature=abcdef';

  it('opens to what it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        expect(sealer.open(sealer.seal(text))).toBe(text);
      }),
    );
    expect(new Sealer(new Secret('key one'), systemRandom).open(sealer.seal(link))).toBe(link);
  });

  it('looks different each time and shows nothing of its text', () => {
    const [first, second] = [sealer.seal(link), sealer.seal(link)];
    expect(first).not.toBe(second);
    const shown = Buffer.from(first, 'base64').toString('latin1');
    expect(shown).not.toContain('signature');
    expect(shown).not.toContain('key one');
  });

  it('does not open with another key', () => {
    expect(new Sealer(new Secret('key two'), systemRandom).open(sealer.seal(link))).toBeNull();
  });

  it('does not open when one bit of it was changed, wherever', () => {
    const sealed = Buffer.from(sealer.seal(link), 'base64');
    for (const position of sealed.keys()) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(position) ^ 1, position);
      expect(sealer.open(changed.toString('base64'))).toBeNull();
    }
  });

  it.each(['', 'AAAA', 'not base64 at all!', 'A'.repeat(36), 'A'.repeat(40)])('is nothing that reads %j', (text) => {
    expect(sealer.open(text)).toBeNull();
  });

  it('does not open when it was cut', () => {
    const sealed = Buffer.from(sealer.seal(link), 'base64');
    for (const length of sealed.keys()) expect(sealer.open(sealed.subarray(0, length).toString('base64'))).toBeNull();
  });
});

async function openFiles(): Promise<{ readonly files: Files; readonly folder: string }> {
  const folder = join(temporaryFolder(), 'files');
  return { files: await openDiskFiles(folder), folder };
}

async function save(files: Files, text: string): Promise<void> {
  const part = await files.create(NAME);
  await part.write(Buffer.from(text));
  await part.finish();
}

async function textOf(files: Files, range?: { start: number; end: number }): Promise<string> {
  return (await buffer(files.read(NAME, range))).toString('utf8');
}

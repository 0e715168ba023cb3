import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { assert } from '../ground/assert.ts';

/** A file that is being written: beside its final name, invisible under it until `finish`. */
export interface PartFile {
  /** Where the bytes lie meanwhile, for a look at them before they are believed. */
  readonly path: string;
  /** Appends; resolves when the bytes are handed to the system. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the file whole and durable under its name: fsync, rename, fsync of the folder. */
  finish(): Promise<void>;
  /** Removes what was written. Harmless after `finish`. */
  discard(): Promise<void>;
}

/** Saved videos and uploads. Names are made from ids of ours, one folder deep: `videos/video_…`. */
export interface Files {
  create(name: string): Promise<PartFile>;
  /** The bytes from `start` to `end`, both included; the whole file without a range. */
  read(name: string, range?: { readonly start: number; readonly end: number }): Readable;
  /** How long the file is and when it was last changed; null when there is none. */
  look(name: string): Promise<{ readonly bytes: number; readonly changedAtMs: number } | null>;
  /** Removes a file; one that is not there counts as removed. */
  remove(name: string): Promise<void>;
  /** The names in a folder; none when there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** Bytes left on the disk and bytes of the whole disk. */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}

const NAME = /^[a-z]+\/[0-9A-Za-z_.-]{1,80}$/;

/** Files in a folder of this machine's disk. */
export async function openDiskFiles(folder: string): Promise<Files> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const place = (name: string): string => {
    assert(NAME.test(name) && !name.includes('..'), `a file name made of an id, got ${JSON.stringify(name)}`);
    return join(folder, name);
  };
  return {
    async create(name) {
      const path = place(name);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // A name of its own: a process that was frozen in the middle of a download must not write into its successor's.
      const partPath = `${path}.${randomUUID().slice(0, 8)}.part`;
      const handle = await open(partPath, 'wx', 0o600);
      return new DiskPartFile(path, partPath, handle);
    },
    read: (name, range) => createReadStream(place(name), range ?? {}),
    async look(name) {
      try {
        const { size, mtimeMs } = await stat(place(name));
        return { bytes: size, changedAtMs: mtimeMs };
      } catch (error) {
        if (isNotThere(error)) return null;
        throw error;
      }
    },
    remove: (name) => rm(place(name), { force: true }),
    async list(below) {
      try {
        const found = await readdir(join(folder, below), { withFileTypes: true });
        return found.filter((entry) => entry.isFile()).map((entry) => `${below}/${entry.name}`);
      } catch (error) {
        if (isNotThere(error)) return [];
        throw error;
      }
    },
    async space() {
      const { bavail, blocks, bsize } = await statfs(folder);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
  };
}

const isNotThere = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

class DiskPartFile implements PartFile {
  readonly path: string;
  private readonly finalPath: string;
  private readonly handle: FileHandle;
  private open = true;

  constructor(finalPath: string, partPath: string, handle: FileHandle) {
    this.finalPath = finalPath;
    this.path = partPath;
    this.handle = handle;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.handle.writeFile(chunk);
  }

  async finish(): Promise<void> {
    await this.handle.sync();
    await this.close();
    await rename(this.path, this.finalPath);
    // Without this the new name itself may be lost with the power, and a completed video with it.
    const folder = await open(dirname(this.finalPath), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async discard(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  private async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    await this.handle.close();
  }
}

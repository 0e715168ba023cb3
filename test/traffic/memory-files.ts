import { Readable } from 'node:stream';
import type { VideoFacts } from '../../src/jobs/inspect.ts';
import type { Files } from '../../src/store/files.ts';

/** Saved videos that are only described, kept in memory: disks have tests of their own. */
export class MemoryFiles implements Files {
  private readonly bytes = new Map<string, Buffer>();

  create(name: string): ReturnType<Files['create']> {
    const path = `${name}.part`;
    this.bytes.set(path, Buffer.alloc(0));
    return Promise.resolve({
      path,
      write: async (chunk) => void this.bytes.set(path, Buffer.concat([this.of(path), chunk])),
      finish: async () => {
        this.bytes.set(name, this.of(path));
        this.bytes.delete(path);
      },
      discard: async () => void this.bytes.delete(path),
    });
  }

  /** The description that was written there; null where there is none. */
  inspect(path: string): Promise<VideoFacts | null> {
    const bytes = this.of(path);
    return Promise.resolve(bytes.length === 0 ? null : (JSON.parse(bytes.toString('utf8')) as VideoFacts));
  }

  read(name: string): Readable {
    return Readable.from([this.of(name)]);
  }

  async look(name: string): ReturnType<Files['look']> {
    return this.bytes.has(name) ? { bytes: this.of(name).length, changedAtMs: 0 } : null;
  }

  async remove(name: string): Promise<void> {
    this.bytes.delete(name);
  }

  async list(): Promise<string[]> {
    return [...this.bytes.keys()];
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 1e12, totalBytes: 1e12 };
  }

  private of(path: string): Buffer {
    return this.bytes.get(path) ?? Buffer.alloc(0);
  }
}

import { assert } from '../ground/assert.ts';

/** What the header of a saved video says. */
export interface VideoFacts {
  readonly contentType: 'video/mp4';
  readonly durationMs: number;
  readonly width: number;
  readonly height: number;
  readonly hasAudio: boolean;
}

/**
 * Reads the header of an MP4 file on disk. Null when it is not an MP4 with a video track that can be timed: HTML named
 * .mp4, a file cut before its index. Reads the index only, never the whole file.
 */
export async function inspectVideo(path: string): Promise<VideoFacts | null> {
  // Loaded when first needed: it is the largest library here, and a gateway at rest has no use for it.
  const { FilePathSource, Input, MP4, QTFF } = await import('mediabunny');
  const input = new Input({ formats: [MP4, QTFF], source: new FilePathSource(path) });
  try {
    const video = await input.getPrimaryVideoTrack();
    if (!video) return null;
    const durationMs = Math.round((await input.computeDuration()) * 1_000);
    assert(Number.isFinite(durationMs), 'a finite duration');
    const audio = await input.getPrimaryAudioTrack();
    if (durationMs <= 0) return null;
    const { displayWidth: width, displayHeight: height } = video;
    return { contentType: 'video/mp4', durationMs, width, height, hasAudio: audio !== null };
  } catch {
    return null;
  } finally {
    input.dispose();
  }
}

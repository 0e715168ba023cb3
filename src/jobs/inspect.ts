import { type FileHandle, open } from 'node:fs/promises';

/**
 * Reads the header of an MP4 file. Our own, although libraries read more: the file comes from a stranger, and the one we
 * tried (mediabunny 1.61) could be held for a minute and a half by a single field of a 44 KB file. This one reads four
 * kinds of box, each once, within limits.
 */

/** What the header of a saved video says. */
export interface VideoFacts {
  readonly contentType: 'video/mp4';
  /** Null for a fragmented file that does not tell its length. */
  readonly durationMs: number | null;
  readonly width: number;
  readonly height: number;
  readonly hasAudio: boolean;
}

const INDEX_BYTES_MAX = 32 * 1_048_576;
const BOXES_MAX = 10_000;
const TRACKS_MAX = 32;

interface Box {
  readonly type: string;
  /** The part after the box's own header. */
  readonly start: number;
  readonly end: number;
}

/**
 * What the header says; null when the file is not an MP4 with a video track, or is not whole: HTML named .mp4, a file
 * cut anywhere, boxes that reach beyond its end.
 */
export async function inspectVideo(path: string): Promise<VideoFacts | null> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const index = await readIndex(file, size);
    return index && factsOf(index);
  } finally {
    await file.close();
  }
}

/** The `moov` box of a file whose top-level boxes fill it exactly. */
async function readIndex(file: FileHandle, size: number): Promise<Buffer | null> {
  let index: Buffer | null = null;
  let hasMedia = false;
  const header = Buffer.alloc(16);
  for (let at = 0, boxes = 0; at < size; boxes += 1) {
    const { bytesRead } = await file.read(header, 0, 16, at);
    const box = boxAt(header.subarray(0, bytesRead), 0, size - at);
    if (!box || boxes > BOXES_MAX) return null;
    if (at === 0 && box.type !== 'ftyp') return null;
    if (box.type === 'mdat') hasMedia = true;
    if (box.type === 'moov') {
      if (box.end - box.start > INDEX_BYTES_MAX) return null;
      index = Buffer.alloc(box.end - box.start);
      await file.read(index, 0, index.length, at + box.start);
    }
    at += box.end;
  }
  return hasMedia ? index : null;
}

/** The box that begins at `at`; null when it does not fit into `available` bytes. */
function boxAt(bytes: Buffer, at: number, available: number): Box | null {
  if (bytes.length < at + 8) return null;
  const declared = bytes.readUInt32BE(at);
  const type = bytes.toString('latin1', at + 4, at + 8);
  let header = 8;
  let length = declared;
  if (declared === 1) {
    if (bytes.length < at + 16) return null;
    header = 16;
    length = Number(bytes.readBigUInt64BE(at + 8));
  } else if (declared === 0) length = available;
  if (length < header || length > available) return null;
  return { type, start: at + header, end: at + length };
}

function* boxesIn(bytes: Buffer, start: number, end: number): Generator<Box> {
  let boxes = 0;
  for (let at = start; at < end; boxes += 1) {
    const box = boxAt(bytes, at, end - at);
    if (!box || boxes > BOXES_MAX) return;
    yield box;
    at = box.end;
  }
}

function factsOf(index: Buffer): VideoFacts | null {
  let durationMs: number | null = null;
  let fragmented = false;
  const tracks: Track[] = [];
  for (const box of boxesIn(index, 0, index.length)) {
    if (box.type === 'mvhd') durationMs = durationOf(index, box);
    if (box.type === 'mvex') fragmented = true;
    if (box.type === 'trak' && tracks.length < TRACKS_MAX) tracks.push(trackOf(index, box));
  }
  const video = tracks.find((track) => track.kind === 'vide' && track.width > 0 && track.height > 0);
  const timed = durationMs !== null && durationMs > 0;
  if (!video || (!timed && !fragmented)) return null;
  return {
    contentType: 'video/mp4',
    durationMs: timed ? durationMs : null,
    width: video.width,
    height: video.height,
    hasAudio: tracks.some((track) => track.kind === 'soun'),
  };
}

/** `mvhd`: version, flags, two times, the timescale and the duration in it; version 1 has 64-bit times. */
function durationOf(bytes: Buffer, { start, end }: Box): number | null {
  const wide = bytes[start] === 1;
  const scaleAt = start + (wide ? 20 : 12);
  if (scaleAt + (wide ? 12 : 8) > end) return null;
  const scale = bytes.readUInt32BE(scaleAt);
  const units = wide ? Number(bytes.readBigUInt64BE(scaleAt + 4)) : bytes.readUInt32BE(scaleAt + 4);
  return scale === 0 ? null : Math.round((units / scale) * 1_000);
}

interface Track {
  kind: string;
  width: number;
  height: number;
}

/** `tkhd` ends with width and height as 16.16 numbers; `mdia/hdlr` names the kind of the track. */
function trackOf(bytes: Buffer, trak: Box): Track {
  const track: Track = { kind: '', width: 0, height: 0 };
  for (const box of boxesIn(bytes, trak.start, trak.end)) {
    if (box.type === 'tkhd' && box.end - box.start >= 84) {
      track.width = bytes.readUInt32BE(box.end - 8) >>> 16;
      track.height = bytes.readUInt32BE(box.end - 4) >>> 16;
    }
    if (box.type !== 'mdia') continue;
    for (const inner of boxesIn(bytes, box.start, box.end)) {
      if (inner.type === 'hdlr' && inner.end - inner.start >= 12) {
        track.kind = bytes.toString('latin1', inner.start + 8, inner.start + 12);
      }
    }
  }
  return track;
}

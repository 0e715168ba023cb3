import { join } from 'node:path';
import { present } from '../ground/assert.ts';

/** What a clip must look like. */
export interface ClipOrder {
  readonly resolution: '720p' | '1080p' | '4k';
  readonly aspectRatio: string;
  /** Whole or not: motion control follows its video. */
  readonly seconds: number;
  readonly audio: boolean;
}

const RATIOS = ['16:9', '9:16', '1:1', '21:9'];
const LOOP_SECONDS = 1;

/**
 * A real MP4 of the ordered length and size class: one second of video, and of tone when there is sound, repeated
 * sample by sample. `clipsDir` holds the one-second clips.
 */
export async function makeClip(order: ClipOrder, clipsDir: string): Promise<Buffer> {
  const library = await import('mediabunny');
  const { BufferTarget, EncodedAudioPacketSource, EncodedVideoPacketSource, Mp4OutputFormat, Output } = library;
  const ratio = RATIOS.includes(order.aspectRatio) ? order.aspectRatio : '16:9';
  const wide = order.resolution === '4k' && ratio === '21:9' ? '16:9' : ratio;
  const video = await packetsOf(join(clipsDir, `${order.resolution}-${wide.replace(':', 'x')}.mp4`), 'video');
  const tone = order.audio ? await packetsOf(join(clipsDir, 'tone.m4a'), 'audio') : null;

  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'in-memory' }), target });
  const pictures = new EncodedVideoPacketSource('avc');
  const sounds = new EncodedAudioPacketSource('aac');
  output.addVideoTrack(pictures);
  if (tone) output.addAudioTrack(sounds);
  await output.start();
  for (const [packet, meta] of looped(video, order.seconds)) await pictures.add(packet, meta);
  if (tone) for (const [packet, meta] of looped(tone, order.seconds)) await sounds.add(packet, meta);
  await output.finalize();
  return Buffer.from(present(target.buffer, 'the finished clip'));
}

type Library = typeof import('mediabunny');
type Packet = InstanceType<Library['EncodedPacket']>;
interface Loop {
  readonly packets: readonly Packet[];
  readonly meta: { readonly decoderConfig: never };
}

async function packetsOf(path: string, kind: 'video' | 'audio'): Promise<Loop> {
  const { EncodedPacketSink, FilePathSource, Input, MP4 } = await import('mediabunny');
  const input = new Input({ formats: [MP4], source: new FilePathSource(path) });
  try {
    const track = present(
      kind === 'video' ? await input.getPrimaryVideoTrack() : await input.getPrimaryAudioTrack(),
      path,
    );
    const packets: Packet[] = [];
    for await (const packet of new EncodedPacketSink(track).packets()) packets.push(packet);
    return { packets, meta: { decoderConfig: (await track.getDecoderConfig()) as never } };
  } finally {
    input.dispose();
  }
}

/** The packets again and again until `seconds` are filled; the last one is cut to end there. */
function* looped({ packets, meta }: Loop, seconds: number): Generator<[Packet, Loop['meta']]> {
  for (let loop = 0; loop * LOOP_SECONDS < seconds; loop += 1) {
    for (const packet of packets) {
      const timestamp = Math.max(0, packet.timestamp) + loop * LOOP_SECONDS;
      if (timestamp >= seconds) return;
      const duration = Math.min(packet.duration, seconds - timestamp);
      yield [packet.clone({ timestamp, duration }), meta];
    }
  }
}

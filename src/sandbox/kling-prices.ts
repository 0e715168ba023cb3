/** What official Kling charges, in units: the video price page of 2026-09-20, and copies of it for older models. */
import type { ClipOrder } from './clip.ts';

type Resolution = ClipOrder['resolution'];
type PerResolution = Readonly<Partial<Record<Resolution, number>>>;

/** What a clip is charged as: `motion` for motion control, `video` for a video among the inputs. */
export type ChargedAs = 'silent' | 'audio' | 'voice' | 'motion' | 'video';

const PER_SECOND: Readonly<Record<string, Readonly<Partial<Record<ChargedAs, PerResolution>>>>> = {
  'kling-3.0': {
    silent: { '720p': 0.6, '1080p': 0.8, '4k': 3 },
    audio: { '720p': 0.9, '1080p': 1.2, '4k': 3 },
    voice: { '720p': 1.1, '1080p': 1.4 },
    motion: { '720p': 0.9, '1080p': 1.2 },
  },
  'kling-3.0-turbo': { audio: { '720p': 0.8, '1080p': 1 } },
  'kling-3.0-omni': {
    silent: { '720p': 0.6, '1080p': 0.8, '4k': 3 },
    audio: { '720p': 0.8, '1080p': 1, '4k': 3 },
    video: { '720p': 0.9, '1080p': 1.2, '4k': 3 },
  },
  'kling-o1': { silent: { '720p': 0.6, '1080p': 0.8 }, video: { '720p': 0.9, '1080p': 1.2 } },
  'kling-2.6': {
    silent: { '720p': 0.3, '1080p': 0.5 },
    audio: { '1080p': 1 },
    voice: { '1080p': 1.2 },
    motion: { '720p': 0.5, '1080p': 0.8 },
  },
  'kling-2.5-turbo': { silent: { '720p': 0.3, '1080p': 0.5 } },
};

/** Units for five seconds; ten cost twice that. */
const PER_FIVE_SECONDS: Readonly<Record<string, PerResolution>> = {
  'kling-v2-1': { '720p': 2, '1080p': 3.5 },
  'kling-v2-1-master': { '1080p': 10 },
  'kling-v1-6': { '720p': 2, '1080p': 3.5 },
  'kling-v1-5': { '720p': 2, '1080p': 3.5 },
};

/** The units of a clip of that model; null for one that is in no price list. */
export function unitsOf(
  model: string,
  as: ChargedAs,
  { resolution, seconds }: Pick<ClipOrder, 'resolution' | 'seconds'>,
): number | null {
  const perSecond = PER_SECOND[model]?.[as]?.[resolution];
  if (perSecond !== undefined) return Math.round(perSecond * seconds * 100) / 100;
  const perFive = PER_FIVE_SECONDS[model]?.[resolution];
  return perFive === undefined ? null : (perFive * seconds) / 5;
}

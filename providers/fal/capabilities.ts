import type { Resolution } from '../../src/ground/models.ts';
import type { Capability } from '../../src/pricing/capability.ts';

const TIER = { '720p': 'standard', '1080p': 'pro', '4k': '4k' } as const satisfies Record<Resolution, string>;

/** fal's endpoint ids, from the types of its own client of 2026-08-02. */
const v3 = (task: 'text_to_video' | 'image_to_video', resolution: Resolution): Capability => ({
  model: 'kling-v3',
  task,
  resolutions: [resolution],
  sound: 'optional',
  takes: {
    negativePrompt: true,
    cfgScale: true,
    ...(task === 'image_to_video' && { lastFrame: true, promptOptional: true }),
  },
  upstream: `fal-ai/kling-video/v3/${TIER[resolution]}/${task === 'text_to_video' ? 'text-to-video' : 'image-to-video'}`,
});

export const capabilities: readonly Capability[] = [
  v3('text_to_video', '720p'),
  v3('text_to_video', '1080p'),
  v3('text_to_video', '4k'),
  v3('image_to_video', '720p'),
  v3('image_to_video', '1080p'),
  v3('image_to_video', '4k'),
];

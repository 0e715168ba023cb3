import type { Resolution } from '../../src/ground/models.ts';
import type { Capability } from '../../src/pricing/capability.ts';

const TIER = { '720p': 'std', '1080p': 'pro', '4k': '4k' } as const satisfies Record<Resolution, string>;

/** The tier is part of Atlas's id: catalog as seen 2026-08-28, vendor nodes of 2026-03-20. */
const v3 = (task: 'text_to_video' | 'image_to_video', resolution: Resolution): Capability => ({
  model: 'kling-v3',
  task,
  resolutions: [resolution],
  sound: 'optional',
  takes: { negativePrompt: true, cfgScale: true, ...(task === 'image_to_video' && { lastFrame: true }) },
  upstream: `kwaivgi/kling-v3.0-${TIER[resolution]}/${task === 'text_to_video' ? 'text-to-video' : 'image-to-video'}`,
});

export const capabilities: readonly Capability[] = [
  v3('text_to_video', '720p'),
  v3('text_to_video', '1080p'),
  v3('text_to_video', '4k'),
  v3('image_to_video', '720p'),
  v3('image_to_video', '1080p'),
  v3('image_to_video', '4k'),
];

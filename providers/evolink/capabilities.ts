import type { Capability } from '../../src/pricing/capability.ts';

/** EvoLink's ids for Kling 3.0: docs.evolink.ai, OpenAPI bundle of about 2026-10. */
export const capabilities: readonly Capability[] = [
  {
    model: 'kling-v3',
    task: 'text_to_video',
    resolutions: ['720p', '1080p', '4k'],
    sound: 'optional',
    promptCharactersMax: 2_500,
    takes: { negativePrompt: true, watermark: true },
    upstream: 'kling-v3-text-to-video',
  },
  {
    model: 'kling-v3',
    task: 'image_to_video',
    resolutions: ['720p', '1080p', '4k'],
    sound: 'optional',
    promptCharactersMax: 2_500,
    takes: { negativePrompt: true, lastFrame: true, elements: 3, watermark: true, promptOptional: true },
    upstream: 'kling-v3-image-to-video',
  },
];

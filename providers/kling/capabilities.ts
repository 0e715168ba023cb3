import type { Capability } from '../../src/pricing/capability.ts';

/** Kling 3.0 on the new generation: kling.ai/document-api, text-to-video and image-to-video, mirrored 2026-09-20. */
export const capabilities: readonly Capability[] = [
  {
    model: 'kling-v3',
    task: 'text_to_video',
    resolutions: ['720p', '1080p', '4k'],
    sound: 'optional',
    takes: {},
    upstream: '/text-to-video/kling-3.0',
  },
  {
    model: 'kling-v3',
    task: 'image_to_video',
    resolutions: ['720p', '1080p', '4k'],
    sound: 'optional',
    takes: { lastFrame: true, elements: 3, promptOptional: true },
    upstream: '/image-to-video/kling-3.0',
  },
];

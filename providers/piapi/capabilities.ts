import type { Capability } from '../../src/pricing/capability.ts';

/** Kling 3.0 on PiAPI: piapi.ai/docs, kling-3-api (example of 2026-02-13). No 4k. */
export const capabilities: readonly Capability[] = [
  {
    model: 'kling-v3',
    task: 'text_to_video',
    resolutions: ['720p', '1080p'],
    sound: 'optional',
    promptCharactersMax: 2_500,
    takes: { negativePrompt: true },
    upstream: 'video_generation 3.0',
  },
  {
    model: 'kling-v3',
    task: 'image_to_video',
    resolutions: ['720p', '1080p'],
    sound: 'optional',
    promptCharactersMax: 2_500,
    takes: { negativePrompt: true, lastFrame: true, promptOptional: true },
    upstream: 'video_generation 3.0',
  },
];

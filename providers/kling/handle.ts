import { z } from 'zod';

/**
 * What is stored to find a task again. `path` is the create path of the legacy generation, below which its tasks are
 * read one by one; without it the task is of the new generation, which reads all of them at one place.
 */
export const handle = z.object({ taskId: z.string(), path: z.string().optional() });
export type Handle = z.infer<typeof handle>;

/** An order as capabilities name it: a path of the new generation, or a legacy path and its `model_name`. */
export interface Upstream {
  readonly path: string;
  readonly model: string;
  readonly legacy: boolean;
}

/** Reads `/text-to-video/kling-3.0` or `/v1/videos/image2video kling-v2-1`. */
export function readUpstream(upstream: string): Upstream {
  const [path = '', model = ''] = upstream.split(' ');
  return { path, model, legacy: path.startsWith('/v1/') };
}

/** The handle of a task that was ordered so. */
export function handleOf(taskId: string, upstream: string): Handle {
  const { path, legacy } = readUpstream(upstream);
  return legacy ? { taskId, path } : { taskId };
}

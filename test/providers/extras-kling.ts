import { createVideo, endOf, type TestGateway } from '../support/gateway.ts';
import { FIRST_FRAME, PICTURE_URL, SOURCE_VIDEO } from './sold.ts';

const SHOTS = [
  { prompt: 'a kite rises', duration: 2 },
  { prompt: 'it falls', duration: 3 },
];
/** Orders with what a model takes besides: the model, and the fields. */
export const EXTRAS: readonly (readonly [model: string, fields: Record<string, unknown>])[] = [
  ['kling-v3', { multi_prompt: SHOTS }],
  ['kling-v3', { multi_shot: true, shot_type: 'intelligence', seconds: 5, watermark: true }],
  ['kling-v3', { input_reference: FIRST_FRAME, image_tail: PICTURE_URL, element_list: ['160'], seconds: 4 }],
  ['kling-v3', { negative_prompt: 'blur', voice_list: ['voice-1'], seconds: 3 }],
  ['kling-v3', { input_reference: FIRST_FRAME, video_url: SOURCE_VIDEO, element_list: ['160'] }],
  ['kling-o3', { reference_images: [PICTURE_URL], element_list: ['160', '161'], seconds: 3 }],
  ['kling-o3', { input_reference: FIRST_FRAME, image_tail: PICTURE_URL, seconds: 3, generate_audio: true }],
  ['kling-v2-6', { input_reference: FIRST_FRAME, image_tail: PICTURE_URL, seconds: 5, resolution: '1080p' }],
  ['kling-v1-5', { input_reference: FIRST_FRAME, image_tail: PICTURE_URL, seconds: 10, resolution: '1080p' }],
];
/** What only the new generation makes. */
export const EXTRAS_OF_API_KEYS: typeof EXTRAS = [
  ['kling-v3-turbo', { multi_prompt: SHOTS }],
  ['kling-o3', { input_reference: FIRST_FRAME, reference_images: [PICTURE_URL], element_list: ['160'], seconds: 3 }],
  ['kling-o1', { input_reference: FIRST_FRAME, video_url: SOURCE_VIDEO, video_use: 'feature', seconds: 4 }],
];

/** How each order ended, all of them made at once. */
export async function endsOf(of: TestGateway, orders: typeof EXTRAS, key?: string): Promise<unknown[]> {
  const authorized = (path: string, init?: RequestInit) => of.fetch(path, { ...init, ...(key && { key }) });
  const created = await Promise.all(
    orders.map(([model, fields]) => {
      const body = { model, prompt: 'a kite', ...fields, provider: { only: ['kling'], max_premium: 100 } };
      return createVideo({ ...of, fetch: authorized }, body);
    }),
  );
  const ends: unknown[] = [];
  for (const [at, [model, fields]] of orders.entries()) {
    const { status, error } = await endOf({ fetch: authorized }, created[at]?.id ?? '');
    ends.push([model, fields, status, error]);
  }
  return ends;
}
/** What `endsOf` gives when all went well. */
export const allCompleted = (orders: typeof EXTRAS) =>
  orders.map(([model, fields]) => [model, fields, 'completed', null]);

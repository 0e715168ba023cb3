/** What the requests of EvoLink's Kling models have in common: docs.evolink.ai, OpenAPI bundle of about 2026-10. */
import { z } from 'zod';

export const url = z.string().regex(/^https?:\/\/\S+$/, 'must be a URL: base64 goes through the files API');
export const prompt = z.string().max(2_500);
export const longPrompt = z.string().min(1).max(5_000);
export const hd = z.enum(['720p', '1080p']).default('720p');
export const upTo4k = z.enum(['720p', '1080p', '4k']).default('720p');
export const sound = z.enum(['on', 'off']).default('off');
export const seconds = (max: number) => z.number().int().min(3).max(max).default(5);
export const aspectRatio = z.enum(['16:9', '9:16', '1:1']);
export const watermark = { watermark_info: z.strictObject({ enabled: z.boolean() }).optional() };
export const elements = (max: number) => ({
  element_list: z
    .array(z.strictObject({ element_id: z.string().min(1) }))
    .max(max)
    .optional(),
});

/** Public https only; plain http on loopback is what the sandbox itself listens on. */
export const callback = {
  callback_url: z
    .string()
    .max(2_048)
    .regex(/^(https:\/\/|http:\/\/127\.0\.0\.1:)/, 'must be a public https address')
    .optional(),
};

const shots = z
  .array(
    z.strictObject({
      index: z.number().int().min(1),
      prompt: z.string().min(1).max(512),
      duration: z.string().regex(/^[1-9]\d?$/),
    }),
  )
  .min(1)
  .max(6);
export const multiShot = <T extends 'customize' | 'intelligence'>(types: readonly [T, ...T[]]) => ({
  multi_shot: z.boolean().default(false),
  shot_type: z.enum(types).optional(),
  multi_prompt: shots.optional(),
});

interface Shooting {
  readonly prompt?: string | undefined;
  readonly duration: number;
  readonly model_params?:
    | {
        readonly multi_shot: boolean;
        readonly shot_type?: string | undefined;
        readonly multi_prompt?: readonly { readonly index: number; readonly duration: string }[] | undefined;
      }
    | undefined;
}

/** Shots are asked for as a whole: with `multi_shot`, numbered from 1, as long together as the video. */
export function shotFault(
  { prompt: text, duration, model_params: params }: Shooting,
  needsPrompt: boolean,
): string | null {
  const customized = params?.multi_shot === true && params.shot_type !== 'intelligence';
  if (!customized && needsPrompt && !text) return 'prompt is required';
  if (params?.multi_shot !== true) {
    const stray = params?.multi_prompt !== undefined || params?.shot_type !== undefined;
    return stray ? 'shot_type and multi_prompt need multi_shot' : null;
  }
  if (params.shot_type === undefined) return 'multi_shot needs shot_type';
  if (customized && params.multi_prompt === undefined) return 'shot_type customize needs multi_prompt';
  const given = params.multi_prompt ?? [];
  if (given.some(({ index }, at) => index !== at + 1)) return 'multi_prompt is numbered from 1';
  const sum = given.reduce((total, shot) => total + Number(shot.duration), 0);
  return given.length > 0 && sum !== duration ? `the shots last ${sum} s, duration says ${duration}` : null;
}

/** A rule that no single field can say: `fault` tells what is wrong with the whole. */
export const whole =
  <T>(fault: (value: T) => string | null) =>
  (context: z.core.ParsePayload<T>): void => {
    const message = fault(context.value);
    if (message !== null) context.issues.push({ code: 'custom', message, input: context.value, path: [] });
  };

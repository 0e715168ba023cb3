/**
 * The fields of a create request, as a schema: types, aliases, and what each may hold. JSON and form bodies pass
 * through the same one, so text that spells a number or a boolean is taken for it.
 */
import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import type { Upload } from './body.ts';

const isUpload = (value: unknown): value is Upload =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'upload' && 'uploadId' in value;

const text = z.string({ error: 'expected text' }).refine(isCleanText, 'expected text without control characters');

/** Text that every store and every JSON parser keeps as it is: no NUL, no other controls, no half surrogates. */
function isCleanText(value: string): boolean {
  return value.isWellFormed() && !/[^\P{Cc}\t\n\r]/u.test(value);
}

const boolean = z
  .union([z.boolean(), z.enum(['true', 'false', 'on', 'off', 'yes', 'no'])], { error: 'expected true or false' })
  .transform((value) => value === true || value === 'true' || value === 'on' || value === 'yes');

const number = z
  .union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)], { error: 'expected a number' })
  .transform(Number);

const wholeSeconds = z
  .union([z.number().int().positive(), z.string().regex(/^\d{1,3}$/)], {
    error: 'expected a whole number of seconds, such as "5"',
  })
  .transform(Number);

/** A list or an object that a form may also carry as JSON text. */
function structured<S extends z.ZodType>(schema: S) {
  const fromText = z
    .string()
    .regex(/^\s*[[{]/, 'expected a list or an object, or JSON text of one')
    .transform((value, context) => {
      try {
        return JSON.parse(value);
      } catch {
        context.addIssue({ code: 'custom', message: 'expected JSON text that can be parsed' });
        return z.NEVER;
      }
    })
    .pipe(schema);
  return z.union([schema, fromText]);
}

const listOf = <S extends z.ZodType>(item: S) =>
  structured(z.union([z.array(item), item.transform((single) => [single])]));

/** Names in a list, which a header or a form may also write with commas. */
const names = z.union([
  z.array(z.string()),
  z.string().transform((value) =>
    value
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
  ),
]);

/** An image or a video: an upload, an address, a data URL, bare base64, or an object around an address. */
const upload = z.custom<Upload>(isUpload);
const media = z.union(
  [
    upload,
    text,
    z.object({ image_url: z.union([text, z.object({ url: text })]) }),
    z.object({ url: text }),
    z.object({ image: z.union([text, upload]) }),
    z.object({ video_url: text }),
  ],
  {
    error: 'expected a file, a URL, a data URL, or {"image_url": "https://…"}',
  },
);
export type MediaField = z.infer<typeof media>;

const frameImages = listOf(
  z.object({
    image_url: z.union([text, z.object({ url: text })]),
    frame_type: z.enum(['first_frame', 'last_frame']).default('first_frame'),
  }),
);

const seconds = z.union([number, z.string()]);

const providerWishes = z.object({
  order: names.optional(),
  only: names.optional(),
  ignore: names.optional(),
  allow_fallbacks: boolean.optional(),
  fallback: z.enum(['none', 'cheaper', 'any'], { error: 'expected "none", "cheaper" or "any"' }).optional(),
  sort: z.enum(['price', 'latency', 'throughput'], { error: 'expected "price", "latency" or "throughput"' }).optional(),
  max_price: z.union([number, structured(z.object({ request: number }))]).optional(),
  max_premium: number.optional(),
  require_parameters: boolean.optional(),
});
const provider = structured(providerWishes);

/** Every field that means something to us. What a request carries besides is listed in its warnings. */
export const createSchema = z.object({
  prompt: text.optional(),
  model: text.optional(),
  seconds: wholeSeconds.optional(),
  size: text.optional(),
  input_reference: media.optional(),
  image_tail: media.optional(),
  reference_images: listOf(media).optional(),
  frame_images: frameImages.optional(),
  video_url: media.optional(),
  video_use: z.enum(['feature', 'base'], { error: 'expected "feature" or "base"' }).optional(),
  resolution: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['720p', '1080p', '4k']))
    .optional(),
  mode: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['std', 'pro', '4k']))
    .optional(),
  aspect_ratio: text.optional(),
  generate_audio: boolean.optional(),
  negative_prompt: text.optional(),
  cfg_scale: number.refine((value) => value >= 0 && value <= 1, 'expected a number from 0 to 1').optional(),
  camera_control: structured(
    z.object({
      type: z.enum(['simple', 'down_back', 'forward_up', 'right_turn_forward', 'left_turn_forward']),
      config: z.partialRecord(z.enum(['horizontal', 'vertical', 'pan', 'tilt', 'roll', 'zoom']), number).optional(),
    }),
  ).optional(),
  static_mask: media.optional(),
  dynamic_masks: listOf(
    z.object({
      mask: media,
      trajectories: z
        .array(z.object({ x: number, y: number }))
        .min(2)
        .max(77),
    }),
  ).optional(),
  multi_shot: boolean.optional(),
  shot_type: z.enum(['customize', 'intelligence', 'intelligent']).optional(),
  multi_prompt: listOf(
    z.object({ prompt: text, duration: seconds.pipe(wholeSeconds), index: number.optional() }),
  ).optional(),
  element_list: listOf(z.union([z.object({ element_id: z.union([text, z.number()]) }), text])).optional(),
  voice_list: listOf(z.union([z.object({ voice_id: text }), text])).optional(),
  watermark: boolean.optional(),
  watermark_info: structured(z.object({ enabled: boolean })).optional(),
  character_orientation: z.enum(['image', 'video'], { error: 'expected "image" or "video"' }).optional(),
  keep_original_sound: boolean.optional(),
  seed: number.optional(),
  callback_url: text.optional(),
  external_task_id: text.optional(),
  idempotency_key: text.optional(),
  user: text.optional(),
  metadata: structured(z.record(z.string(), z.union([text, z.number(), z.boolean()]).transform(String))).optional(),
  models: names.optional(),
  provider: provider.optional(),
});
export type CreateFields = z.infer<typeof createSchema>;

/** Other names of the same fields, as other gateways and Kling itself write them. */
const ALIASES: Readonly<Record<string, keyof CreateFields>> = {
  model_name: 'model',
  duration: 'seconds',
  quality: 'resolution',
  generateAudio: 'generate_audio',
  sound: 'generate_audio',
  image: 'input_reference',
  image_end: 'image_tail',
  input_references: 'reference_images',
  image_list: 'reference_images',
  webhook_url: 'callback_url',
  fallbacks: 'models',
};

const isText = new Set<string>(['prompt', 'negative_prompt']);

export interface ParsedFields {
  readonly fields: CreateFields;
  /** Names of fields that mean nothing here, those inside `provider` as `provider.max_prize`. */
  readonly unknown: readonly string[];
}

/**
 * Reads the fields of a body. Aliases are taken for their canonical names; two names of one field may not disagree.
 * Throws a GatewayError whose `param` is the field as the caller wrote it.
 */
export function parseFields(body: Readonly<Record<string, unknown>>, encoding: 'json' | 'form'): ParsedFields {
  const canonical: Record<string, unknown> = Object.create(null);
  const writtenAs = new Map<string, string>();
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(unfold(body))) {
    // A form cannot carry null, so clients write the word.
    if (value === undefined || value === null || (encoding === 'form' && value === 'null' && !isText.has(name)))
      continue;
    const field = (Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined) ?? name;
    if (!Object.hasOwn(createSchema.shape, field)) unknown.push(name);
    else if (field in canonical) assertSame(canonical[field], value, [writtenAs.get(field) ?? field, name]);
    else {
      canonical[field] = value;
      writtenAs.set(field, name);
    }
  }
  const parsed = createSchema.safeParse(canonical);
  if (parsed.success) return { fields: parsed.data, unknown: [...unknown, ...strangeWishes(canonical.provider)] };
  throw errorOf(parsed.error.issues[0], canonical, writtenAs);
}

/** A wish with a slip in its name would be passed over, and a ceiling with it. Takes what the schema has let through. */
function strangeWishes(given: unknown): string[] {
  const wishes: unknown = typeof given === 'string' ? JSON.parse(given) : given;
  const strange = Object.keys(Object(wishes)).filter((name) => !Object.hasOwn(providerWishes.shape, name));
  return strange.map((name) => `provider.${name}`);
}

/** Fields that hold others of ours: `image_urls` (the first is the first frame) and a `video_list` of one. */
function unfold(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { image_urls: images, video_list: videos, ...plain } = body;
  const unfolded: Record<string, unknown> = { ...plain };
  if (Array.isArray(images)) {
    const [first, ...others] = images;
    unfolded.input_reference ??= first;
    if (others.length > 0) unfolded.reference_images ??= images;
    if (others.length > 0 && plain.input_reference === undefined) delete unfolded.input_reference;
  }
  const [video] = Array.isArray(videos) ? videos : [];
  if (typeof video === 'object' && video !== null) {
    if ('video_url' in video) unfolded.video_url ??= video.video_url;
    if ('refer_type' in video) unfolded.video_use ??= video.refer_type;
    if ('keep_original_sound' in video) unfolded.keep_original_sound ??= video.keep_original_sound;
  }
  return unfolded;
}

function assertSame(first: unknown, second: unknown, [firstName, secondName]: readonly [string, string]): void {
  if (JSON.stringify(first) === JSON.stringify(second)) return;
  throw new GatewayError('invalid_value', {
    message: `'${firstName}' and '${secondName}' are two names of one field and have different values. Send one of them.`,
    param: secondName,
  });
}

type Issue = z.core.$ZodIssue;

/** The first issue as an error that names the field, what was expected and what came. */
function errorOf(
  first: Issue | undefined,
  fields: Readonly<Record<string, unknown>>,
  writtenAs: ReadonlyMap<string, string>,
): GatewayError {
  const { path, expected } = first ? exactly(first, []) : { path: [], expected: 'it cannot be read' };
  const [head = 'body', ...rest] = path;
  const param = [writtenAs.get(head) ?? head, ...rest].join('.');
  const seen = path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], fields);
  const shown = JSON.stringify(seen)?.slice(0, 80) ?? 'nothing';
  return new GatewayError(seen === undefined ? 'missing_required_parameter' : 'invalid_value', {
    message: `Invalid value for '${param}': ${expected}, got ${shown}.`,
    param,
  });
}

/** Where exactly an issue lies and what was expected there: of a union, the branch that came furthest. */
function exactly(issue: Issue, above: readonly string[]): { path: string[]; expected: string } {
  const path = [...above, ...issue.path.map(String)];
  if (issue.code === 'invalid_value') {
    return { path, expected: `expected one of ${issue.values.map((value) => `'${String(value)}'`).join(', ')}` };
  }
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') {
    return { path, expected: issue.message.replace(/^Invalid input: /, '') };
  }
  const branches = issue.errors.flat().map((inner) => exactly(inner, path));
  branches.sort((a, b) => b.path.length - a.path.length || Number(isTold(b)) - Number(isTold(a)));
  return branches[0] ?? { path, expected: 'it cannot be read' };
}

/** Our own sentences begin so. */
const isTold = ({ expected }: { expected: string }): boolean => expected.startsWith('expected');

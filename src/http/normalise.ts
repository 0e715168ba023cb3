import { GatewayError, invalidValue } from '../ground/errors.ts';
import {
  allowsSeconds,
  describeSeconds,
  findModel,
  MODELS,
  type Model,
  type Resolution,
  shortestSeconds,
  type Task,
  type TaskRule,
} from '../ground/models.ts';
import type { Media, VideoRequest } from '../ground/video-request.ts';
import type { Presentation } from '../jobs/presentation.ts';
import type { CreateFields } from './fields.ts';
import { frameOf } from './frame.ts';

/** Names that stand for a model of ours at a resolution: what apps written for OpenAI's own models ask for. */
export interface ModelAlias {
  readonly model: string;
  readonly resolution: Resolution;
}
export type ModelAliases = Readonly<Record<string, ModelAlias>>;

export const DEFAULT_ALIASES: ModelAliases = {
  'sora-2': { model: 'kling-v3', resolution: '720p' },
  'sora-2-pro': { model: 'kling-v3', resolution: '1080p' },
};

/** OpenAI's default, so that an app written for it gets what it expects. */
const DEFAULT_SECONDS = 4;

/** The images and videos of a request, read from their fields. */
export interface RequestMedia {
  readonly firstFrame?: Media;
  readonly lastFrame?: Media;
  readonly references: readonly Media[];
  readonly video?: Media;
  readonly staticMask?: Media;
  readonly dynamicMasks: readonly { readonly mask: Media; readonly trajectory: { x: number; y: number }[] }[];
  readonly extends?: VideoRequest['extends'];
}

export interface NormaliseOptions {
  readonly aliases: ModelAliases;
  readonly defaultModel: string;
  /** Models that only reference cards price will do: for a quote, never for a video. */
  readonly referenceModels?: boolean;
}

export interface Normalised {
  readonly request: VideoRequest;
  readonly presentation: Omit<Presentation, 'metadata' | 'estimate'>;
}

/**
 * The fields as a VideoRequest: model, task, length, frame and everything else decided once, here. Nothing is rounded
 * or clamped; what a model cannot make is a 400 that names what it can. Pure.
 */
export function normalise(fields: CreateFields, media: RequestMedia, options: NormaliseOptions): Normalised {
  const named = fields.model ?? options.defaultModel;
  const { model, aliasResolution } = resolveModel(named, options.aliases, options.referenceModels);
  const task = taskOf(model, fields, media);
  const rule = lengthRule(taskRule(model, task), media);
  const frame = frameOf(fields, model, aliasResolution, shapeIsGiven(media));
  assertResolution(model, task, rule, frame.resolution);
  const multiShot = multiShotOf(fields);
  const seconds = secondsOf(fields, model, task, rule, multiShot);
  const audio = audioOf(fields, model);
  assertPrompt(fields, model, task, (multiShot?.shots.length ?? 0) > 0);

  const request: VideoRequest = {
    model: model.id,
    task,
    prompt: fields.prompt ?? '',
    seconds,
    resolution: frame.resolution,
    aspectRatio: frame.aspectRatio,
    audio: audio.audio,
    references: [...media.references],
    elements: elementsOf(fields),
    voices: voicesOf(fields),
    watermark: fields.watermark ?? fields.watermark_info?.enabled ?? false,
    ...(fields.negative_prompt !== undefined && { negativePrompt: fields.negative_prompt }),
    ...(media.firstFrame && { firstFrame: media.firstFrame }),
    ...(media.lastFrame && { lastFrame: media.lastFrame }),
    ...(media.video && { video: { media: media.video, use: videoUse(task) } }),
    ...(media.extends && { extends: media.extends }),
    ...(fields.keep_original_sound !== undefined && { keepOriginalSound: fields.keep_original_sound }),
    ...(task === 'motion_control' && { characterOrientation: fields.character_orientation ?? 'video' }),
    ...(fields.cfg_scale !== undefined && { cfgScale: fields.cfg_scale }),
    ...(fields.camera_control && { camera: cameraOf(fields.camera_control) }),
    ...(multiShot && { multiShot }),
    ...masksOf(media),
  };
  const presentation = { model: named, size: frame.size, seconds: String(seconds ?? '') };
  const unused =
    seconds === null && fields.seconds !== undefined
      ? [`'seconds' is not ordered: ${task} follows its source video`]
      : [];
  return { request, presentation: { ...presentation, warnings: [...audio.warnings, ...unused] } };
}

/** The model behind a name: an alias, an id, or one of Kling's own spellings of it. */
export function resolveModel(
  name: string,
  aliases: ModelAliases,
  referenceModels = false,
): { model: Model; aliasResolution: Resolution | null } {
  const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  const model = findModel(alias?.model ?? name);
  const wanted = (other: Model): boolean => referenceModels || !other.referenceOnly;
  if (model && wanted(model)) return { model, aliasResolution: alias?.resolution ?? null };
  const known = [...MODELS.filter(wanted).map(({ id }) => id), ...Object.keys(aliases)];
  throw new GatewayError('model_not_found', {
    message: `The model '${name.slice(0, 80)}' does not exist. Models: ${known.join(', ')}.`,
    param: 'model',
  });
}

/** The task is what the inputs make it, never what a provider calls it. */
function taskOf(model: Model, fields: CreateFields, media: RequestMedia): Task {
  if (media.extends) return 'extension';
  if (media.video) {
    if (model.tasks.motion_control) return 'motion_control';
    return fields.video_use === 'feature' ? 'reference_to_video' : 'video_edit';
  }
  if (media.references.length > 0) return 'reference_to_video';
  if (media.lastFrame && !media.firstFrame) {
    throw invalidValue(
      'image_tail',
      "'image_tail' needs 'input_reference': a last frame is taken with a first frame only.",
    );
  }
  return media.firstFrame ? 'image_to_video' : 'text_to_video';
}

/** Which field made the task what it is. */
const TASK_PARAM = {
  text_to_video: 'model',
  image_to_video: 'input_reference',
  reference_to_video: 'reference_images',
  video_edit: 'video_url',
  motion_control: 'video_url',
  extension: 'video',
} as const satisfies Record<Task, string>;

function taskRule(model: Model, task: Task): TaskRule {
  const rule = model.tasks[task];
  if (rule) return rule;
  const able = Object.keys(model.tasks).join(', ');
  throw invalidValue(TASK_PARAM[task], `${model.id} does not do ${task}. It does: ${able}.`);
}

const shapeIsGiven = ({ firstFrame, video, extends: extended }: RequestMedia): boolean =>
  (firstFrame ?? video ?? extended) !== undefined;

/** The lengths that go with the media: a sole first frame may allow fewer. */
function lengthRule(rule: TaskRule, media: RequestMedia): TaskRule {
  const sole = media.firstFrame !== undefined && media.lastFrame === undefined && media.references.length === 0;
  return sole && rule.secondsFromFirstFrame ? { ...rule, seconds: rule.secondsFromFirstFrame } : rule;
}

const videoUse = (task: Task): 'edit' | 'feature' | 'motion' =>
  task === 'motion_control' ? 'motion' : task === 'video_edit' ? 'edit' : 'feature';

function assertResolution(model: Model, task: Task, rule: TaskRule, resolution: Resolution): void {
  if (rule.resolutions.includes(resolution)) return;
  const able = rule.resolutions.join(', ');
  throw invalidValue('size', `${model.id} makes ${task} in ${able}, not in ${resolution}.`);
}

type MultiShot = NonNullable<VideoRequest['multiShot']>;

function multiShotOf(fields: CreateFields): MultiShot | undefined {
  if (!(fields.multi_shot ?? fields.multi_prompt !== undefined)) return undefined;
  const type = fields.shot_type === 'intelligence' || fields.shot_type === 'intelligent' ? 'intelligence' : 'customize';
  const shots = (fields.multi_prompt ?? []).map(({ prompt, duration }) => ({ prompt, seconds: duration }));
  if (type === 'customize' && shots.length === 0) {
    throw invalidValue(
      'multi_prompt',
      "'multi_shot' with shot_type 'customize' needs 'multi_prompt' with 1 to 6 shots.",
    );
  }
  if (shots.length > 6) throw invalidValue('multi_prompt', `'multi_prompt' holds 1 to 6 shots, got ${shots.length}.`);
  return { type, shots };
}

function secondsOf(
  fields: CreateFields,
  model: Model,
  task: Task,
  rule: TaskRule,
  multiShot: MultiShot | undefined,
): number | null {
  if (rule.seconds.kind === 'follows_video') return null;
  const ofShots = multiShot?.shots.reduce((sum, shot) => sum + shot.seconds, 0) || undefined;
  if (ofShots !== undefined && fields.seconds !== undefined && ofShots !== fields.seconds) {
    throw invalidValue(
      'multi_prompt',
      `The shots last ${ofShots} seconds together, but 'seconds' says ${fields.seconds}.`,
    );
  }
  const usual = allowsSeconds(rule.seconds, DEFAULT_SECONDS) ? DEFAULT_SECONDS : shortestSeconds(rule.seconds);
  const seconds = fields.seconds ?? ofShots ?? usual;
  if (seconds !== null && allowsSeconds(rule.seconds, seconds)) return seconds;
  const able = describeSeconds(rule.seconds);
  throw invalidValue('seconds', `Invalid value for 'seconds': ${model.id} ${task} takes ${able}, got ${seconds}.`);
}

function audioOf(fields: CreateFields, model: Model): { audio: boolean; warnings: string[] } {
  const asked = fields.generate_audio ?? false;
  switch (model.sound) {
    case 'optional':
      return { audio: asked, warnings: [] };
    case 'always': {
      const warnings = asked ? [] : [`${model.id} always makes sound and is priced with it`];
      return { audio: true, warnings };
    }
    case 'never':
      if (asked) throw invalidValue('generate_audio', `${model.id} makes no sound. Leave 'generate_audio' out.`);
      return { audio: false, warnings: [] };
  }
}

function assertPrompt(fields: CreateFields, model: Model, task: Task, hasShots: boolean): void {
  const length = [...(fields.prompt ?? '')].length;
  if (length > model.promptCharactersMax) {
    throw invalidValue(
      'prompt',
      `'prompt' has ${length} characters; ${model.id} takes at most ${model.promptCharactersMax}.`,
    );
  }
  if (length > 0 || hasShots || task === 'motion_control') return;
  throw new GatewayError('missing_required_parameter', { message: "'prompt' is required.", param: 'prompt' });
}

const elementsOf = (fields: CreateFields): { id: string }[] =>
  (fields.element_list ?? []).map((item) => ({ id: typeof item === 'string' ? item : String(item.element_id) }));

const voicesOf = (fields: CreateFields): { id: string }[] =>
  (fields.voice_list ?? []).map((item) => ({ id: typeof item === 'string' ? item : item.voice_id }));

function cameraOf(field: NonNullable<CreateFields['camera_control']>): NonNullable<VideoRequest['camera']> {
  const config = Object.fromEntries(Object.entries(field.config ?? {}).filter(([, value]) => value !== 0));
  if (field.type === 'simple') {
    const [move] = Object.values(config);
    if (Object.keys(config).length !== 1 || move === undefined || Math.abs(move) > 10) {
      throw invalidValue(
        'camera_control',
        "'camera_control' of type simple needs one value from -10 to 10 in 'config'.",
      );
    }
    return { type: field.type, config };
  }
  return { type: field.type };
}

function masksOf(media: RequestMedia): Pick<VideoRequest, 'masks'> {
  if (!media.staticMask && media.dynamicMasks.length === 0) return {};
  return { masks: { ...(media.staticMask && { static: media.staticMask }), dynamic: [...media.dynamicMasks] } };
}

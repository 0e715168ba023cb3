import {
  type AspectRatio,
  allowsSeconds,
  describeSeconds,
  type Resolution,
  type SecondsRule,
  type Task,
} from '../ground/models.ts';
import { mediaOf, type VideoRequest } from '../ground/video-request.ts';

/** What a request may carry beyond prompt, length, resolution and first frame. Absent means: cannot be asked for. */
export interface Takes {
  readonly negativePrompt?: true;
  readonly cfgScale?: true;
  readonly lastFrame?: true;
  /** A first frame in a task that is named after something else, such as references. */
  readonly firstFrame?: true;
  /** The task cannot be done without a first frame: the character of motion control. */
  readonly firstFrameRequired?: true;
  /** How many reference images at most. */
  readonly references?: number;
  /** What a source video may be used for in this task. */
  readonly video?: 'edit' | 'feature' | 'motion';
  /** The task cannot be done without a source video. */
  readonly videoRequired?: true;
  readonly multiShot?: readonly ('customize' | 'intelligence')[];
  readonly elements?: number;
  readonly voices?: number;
  /** `simple`: that type of camera control only. */
  readonly camera?: true | 'simple';
  readonly masks?: true;
  readonly watermark?: true;
  readonly promptOptional?: true;
}

/**
 * One thing that a provider can be asked for, written as data beside its adapter. What it cannot do is found here and
 * becomes a stated reason; it is never found out by a refusal, which would cost an attempt.
 */
export interface Capability {
  readonly model: string;
  readonly task: Task;
  readonly resolutions: readonly Resolution[];
  /** `always`: cannot be switched off. `never`: the provider does not sell sound here. */
  readonly sound: 'optional' | 'always' | 'never';
  /** Narrower than the model's own rule. */
  readonly seconds?: SecondsRule;
  readonly aspectRatios?: readonly AspectRatio[];
  readonly promptCharactersMax?: number;
  /** The longest prompt of one shot. */
  readonly shotCharactersMax?: number;
  readonly orientations?: readonly ('image' | 'video')[];
  /** The kinds of pictures it takes as uploads; absent: JPEG, PNG and WebP. An address is the provider's to judge. */
  readonly imageTypes?: readonly string[];
  readonly takes: Takes;
  /** The provider's own name for it: a path, a model id, an endpoint. */
  readonly upstream: string;
  /** The credential variable that an account must have for it. */
  readonly credential?: string;
}

/** A reason and how far a request came before it: the furthest reason is the one worth telling. */
export interface Shortfall {
  readonly step: number;
  readonly reason: string;
}

/** Why the capability cannot make this request, in words; null when it can. */
export function shortfall(
  capability: Capability,
  request: VideoRequest,
  credentials: readonly string[],
): Shortfall | null {
  const { credential } = capability;
  const reasons = [
    ...taskReasons(capability, request),
    ...formReasons(capability, request),
    ...extraReasons(capability, request),
    wrongPicture(capability, request),
    when(credential !== undefined && !credentials.includes(credential), `needs ${credential} for it`),
  ];
  const step = reasons.findIndex((reason) => reason !== null);
  const reason = reasons[step];
  return reason ? { step, reason } : null;
}

/** The capability that can make the request, or the reason of the one that came closest. */
export function chooseCapability(
  capabilities: readonly Capability[],
  request: VideoRequest,
  credentials: readonly string[],
): { capability: Capability } | { reason: string } {
  const ofModel = capabilities.filter((capability) => capability.model === request.model);
  let closest: Shortfall = {
    step: -1,
    reason: `does not sell ${request.model}`,
  };
  for (const capability of ofModel) {
    const short = shortfall(capability, request, credentials);
    if (short === null) return { capability };
    if (short.step > closest.step) closest = short;
  }
  return { reason: closest.reason };
}

const when = (condition: boolean, reason: string): string | null => (condition ? reason : null);

function wrongPicture({ imageTypes }: Capability, request: VideoRequest): string | null {
  if (imageTypes === undefined) return null;
  const wrong = mediaOf(request).find(
    ({ media }) => media.kind === 'upload' && !imageTypes.includes(media.contentType),
  );
  if (wrong?.media.kind !== 'upload') return null;
  return `takes ${imageTypes.map((type) => type.replace('image/', '')).join(' and ')} pictures, not ${wrong.media.contentType.replace('image/', '')}`;
}

function taskReasons(capability: Capability, request: VideoRequest): (string | null)[] {
  const { takes } = capability;
  return [
    when(capability.task !== request.task, `does not sell ${request.task} with ${request.model}`),
    // Before the rest: with and without a video, one task may be sold in two quite different forms.
    when(
      request.video !== undefined && takes.video !== request.video.use,
      `takes no video to ${request.video?.use} here`,
    ),
    when(takes.videoRequired === true && request.video === undefined, 'needs a source video'),
    when(
      !capability.resolutions.includes(request.resolution),
      `does not sell ${request.model} in ${request.resolution}`,
    ),
    when(request.audio && capability.sound === 'never', `sells this ${request.model} without sound only`),
  ];
}

function formReasons(capability: Capability, request: VideoRequest): (string | null)[] {
  const { seconds, aspectRatios, promptCharactersMax, shotCharactersMax, orientations } = capability;
  const wrongLength = seconds !== undefined && request.seconds !== null && !allowsSeconds(seconds, request.seconds);
  const ratio = request.aspectRatio as AspectRatio | null;
  const orientation = request.characterOrientation;
  const promptLength = request.prompt.length;
  const shotLength = Math.max(0, ...(request.multiShot?.shots.map((shot) => shot.prompt.length) ?? []));
  return [
    when(wrongLength, `sells ${seconds && describeSeconds(seconds)} seconds of it, not ${request.seconds}`),
    when(ratio !== null && aspectRatios !== undefined && !aspectRatios.includes(ratio), `does not offer ${ratio}`),
    when(
      promptCharactersMax !== undefined && promptLength > promptCharactersMax,
      `takes prompts of at most ${promptCharactersMax} characters, not ${promptLength}`,
    ),
    when(
      shotCharactersMax !== undefined && shotLength > shotCharactersMax,
      `takes shots of at most ${shotCharactersMax} characters, not ${shotLength}`,
    ),
    when(
      orientation !== undefined && orientations !== undefined && !orientations.includes(orientation),
      `does not offer character_orientation ${orientation}`,
    ),
  ];
}

function extraReasons({ takes, task }: Capability, request: VideoRequest): (string | null)[] {
  const referencesMax = takes.references ?? 0;
  const multiShot = request.multiShot?.type;
  const firstFrameMeant = task === 'image_to_video' || task === 'motion_control' || takes.firstFrame === true;
  return [
    when(request.prompt === '' && !request.multiShot?.shots.length && !takes.promptOptional, 'needs a prompt'),
    when(request.firstFrame !== undefined && !firstFrameMeant, 'takes no first frame here'),
    when(takes.firstFrameRequired === true && request.firstFrame === undefined, 'needs an image of the character'),
    when(request.lastFrame !== undefined && !takes.lastFrame, 'takes no last frame here'),
    when(request.references.length > referencesMax, `takes ${referencesMax || 'no'} reference images here`),
    when(request.negativePrompt !== undefined && !takes.negativePrompt, 'takes no negative_prompt here'),
    when(request.cfgScale !== undefined && !takes.cfgScale, 'takes no cfg_scale here'),
    when(multiShot !== undefined && !takes.multiShot?.includes(multiShot), `takes no multi_shot (${multiShot}) here`),
    when(request.elements.length > (takes.elements ?? 0), `takes ${takes.elements ?? 'no'} elements here`),
    when(request.voices.length > (takes.voices ?? 0), `takes ${takes.voices ?? 'no'} voices here`),
    when(request.camera !== undefined && !takes.camera, 'takes no camera_control here'),
    when(
      request.camera !== undefined && takes.camera === 'simple' && request.camera.type !== 'simple',
      'takes camera_control of type simple only',
    ),
    when(request.masks !== undefined && !takes.masks, 'takes no masks here'),
    when(request.watermark && !takes.watermark, 'adds no watermark'),
  ];
}

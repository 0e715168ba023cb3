import { findModel, RESOLUTIONS, type Resolution } from '../ground/models.ts';
import { dividedBy, type Ratio, ratio } from '../ground/money.ts';
import type { Clips } from './plan-clips.ts';
import { productOf, reduced, sumRatios } from './plan-ratio.ts';

/** How takes become clips. */
export interface TakeRules {
  /** The share of takes that can be used, above 0 and at most 1: a usable clip is expected after 1 / success takes. */
  readonly success: Ratio;
  /** Drafts are made in this resolution until one is right; the clip is then made once as ordered. */
  readonly takesAt: Resolution | null;
  /** Drafts are silent; sound is made with the clip that was chosen. */
  readonly audioLater: boolean;
}

/** What is really ordered from a provider: takes of one kind, in a month. `takes` need not be whole: it is expected. */
export interface Takes {
  readonly clips: Clips;
  readonly stage: 'take' | 'draft' | 'production';
  readonly resolution: Resolution;
  readonly audio: boolean;
  readonly takes: Ratio;
}

/**
 * What has to be ordered for the clips. With drafts: 1 / success drafts, then one production take of the approved one,
 * which is taken to succeed. Where a draft would not differ from the clip, or not be smaller, there are no drafts.
 */
export function takesFor(clips: Clips, rules: TakeRules): Takes[] {
  const expected = reduced(dividedBy(ratio(clips.count), rules.success));
  const draft = draftOf(clips, rules);
  const { resolution, audio } = clips;
  if (!draft) return [{ clips, stage: 'take', resolution, audio, takes: expected }];
  return [
    { clips, stage: 'draft', ...draft, takes: expected },
    { clips, stage: 'production', resolution, audio, takes: ratio(clips.count) },
  ];
}

function draftOf(clips: Clips, rules: TakeRules): Pick<Takes, 'resolution' | 'audio'> | null {
  const model = findModel(clips.model);
  const sold = model?.tasks[clips.task]?.resolutions ?? [];
  const { takesAt } = rules;
  const lower = takesAt !== null && sold.includes(takesAt) && rank(takesAt) < rank(clips.resolution);
  const quieter = rules.audioLater && clips.audio && model?.sound === 'optional';
  if (!lower && !quieter) return null;
  return { resolution: lower ? takesAt : clips.resolution, audio: quieter ? false : clips.audio };
}

const rank = (resolution: Resolution): number => RESOLUTIONS.indexOf(resolution);

/** How many takes that is in a month. */
export function countTakes(all: readonly Takes[]): Ratio {
  return sumRatios(all.map(({ takes }) => takes));
}

/** How many seconds of video that is in a month. */
export function countSeconds(all: readonly Takes[]): Ratio {
  return sumRatios(all.map(({ takes, clips }) => productOf(takes, ratio(clips.seconds))));
}

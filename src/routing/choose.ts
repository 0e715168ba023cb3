import type { FailureKind } from '../../providers/contract.ts';
import type { VideoFailureCode } from '../ground/errors.ts';
import type { Micros } from '../ground/money.ts';
import type { StoredCandidate } from './decision.ts';
import { eligibleCandidates, type PastFailure } from './next.ts';
import { compareCandidates, type Rankable, withoutUnhealthy } from './rank.ts';
import type { Choosing } from './route.ts';
import { type Conditions, scoreOf } from './score.ts';

/** A candidate that a job may go to next, as far as its route, its direction and its failures say. */
export interface Option {
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly upstream: string;
  readonly costMicros: Micros;
  readonly priceMicros: Micros;
  readonly failed: 'free' | 'charged' | 'unknown';
  /** Billionths of prepaid units that it draws; zero where it is paid in cash. */
  readonly units: bigint;
  /** It was asked last and may be asked again: it is, where it has a slot at once. */
  readonly again: boolean;
}

/** Where a job may go on to: in the order of its route, never empty; or why it ends. */
export type Options =
  | { readonly kind: 'options'; readonly options: readonly Option[] }
  | { readonly kind: 'end'; readonly code: VideoFailureCode };

/**
 * What is left of a stored route after these failures, in the order they happened. Nothing here can be dearer than what
 * is held, because all of the route is under the hold; under `cheaper` nothing is dearer than what was asked first.
 */
export function optionsOf(
  route: readonly StoredCandidate[],
  choosing: Pick<Choosing, 'fallback' | 'contentFallback'>,
  failures: readonly PastFailure[],
): Options {
  const eligible = eligibleCandidates(route, failures, choosing.contentFallback);
  if (eligible.kind === 'end') return eligible;
  const ceiling = choosing.fallback === 'cheaper' ? priceOfFirst(route, failures) : null;
  const options = eligible.candidates.flatMap(({ candidate, again }) => {
    const option = toOption(candidate, again);
    return option && (ceiling === null || option.priceMicros <= ceiling) ? [option] : [];
  });
  const [last] = failures.slice(-1);
  return options.length > 0 ? { kind: 'options', options } : { kind: 'end', code: eligible.codeAtEnd(last?.kind) };
}

/** The price of whoever was asked first and could have taken the job: a refusal for want of a slot is no choice yet. */
function priceOfFirst(route: readonly StoredCandidate[], failures: readonly PastFailure[]): Micros | null {
  const first = failures.find(({ kind }) => !NO_CHOICE.has(kind));
  const candidate = route.find(({ account, model }) => account === first?.account && model === first.model);
  return candidate?.price ?? null;
}

const NO_CHOICE: ReadonlySet<FailureKind> = new Set(['concurrency_limited', 'rate_limited']);

function toOption(candidate: StoredCandidate, again: boolean): Option | null {
  const { provider, account, model, upstream, cost, price, failed, units = 0n } = candidate;
  if (upstream === null || cost === null || price === null || failed === null) return null;
  return { provider, account, model, upstream, costMicros: cost, priceMicros: price, failed, units, again };
}

/** The option that a job takes now, with what stands about it. */
export interface Choice<O extends Option> extends Rankable {
  readonly option: O;
  /** Nobody is well: this is the least bad. */
  readonly panic: boolean;
  /** Billionths of prepaid units that are drawn only because they would lapse: at full price the job went elsewhere. */
  readonly lapsing: bigint;
}

/**
 * The option that the job takes: the lowest score, also where that means waiting; the one asked last, if it may be
 * asked again and has a slot. Null when nothing may be sent to any of them now.
 */
export function choose<O extends Option>(
  options: readonly O[],
  choosing: Choosing,
  conditionsOf: (option: O) => Conditions,
): Choice<O> | null {
  const found = pick(options, choosing, conditionsOf);
  if (!found) return null;
  const { option, conditions } = found;
  const most = conditions.lapsing ?? 0n;
  if (option.units === 0n || most <= 0n) return { ...found, lapsing: 0n };
  const atFullPrice = pick(options, choosing, (each) => ({ ...conditionsOf(each), lapsing: 0n }));
  const anyway = atFullPrice?.option === option;
  return { ...found, lapsing: anyway ? 0n : option.units < most ? option.units : most };
}

function pick<O extends Option>(
  options: readonly O[],
  choosing: Choosing,
  conditionsOf: (option: O) => Conditions,
): Omit<Choice<O>, 'lapsing'> | null {
  const open: Omit<Choice<O>, 'panic' | 'lapsing'>[] = [];
  for (const [position, option] of options.entries()) {
    const conditions = conditionsOf(option);
    if (conditions.blocked !== null) continue;
    const score = scoreOf(option, conditions, choosing.valueOfTimeMicrosPerSecond);
    open.push({ option, provider: option.provider, model: option.model, conditions, score, position });
  }
  const { candidates, panic } = withoutUnhealthy(open);
  const again = candidates.find(({ option, score }) => option.again && score.slotSeconds === 0);
  const compare = compareCandidates(choosing, panic);
  const best = again ?? candidates.reduce<Rankable | null>((a, b) => (a !== null && compare(a, b) <= 0 ? a : b), null);
  const found = candidates.find((candidate) => candidate === best);
  return found ? { ...found, panic } : null;
}

import { GatewayError } from '../ground/errors.ts';
import { systemClock } from '../ground/time.ts';
import type { Media, VideoRequest } from '../ground/video-request.ts';
import { type CreateFields, parseFields } from '../http/fields.ts';
import { DEFAULT_ALIASES, normalise, type RequestMedia } from '../http/normalise.ts';
import { quoteByName, readTerms } from '../http/quote.ts';
import type { ShownCardQuote } from '../pricing/card-quotes.ts';
import { Failure } from './client.ts';
import { cardsOf, dayOf } from './rates.ts';

/** Which cards are asked, and on which terms. */
export interface CardOptions {
  readonly card?: string;
  readonly allCards?: true;
  readonly date?: string;
  readonly plan?: string;
  /** The folder of cards; this installation's when absent. */
  readonly cards?: string;
}

/** What the cards say, in the numbers that the gateway's answer would carry. */
export interface LocalQuote {
  readonly request: Pick<VideoRequest, 'model' | 'task' | 'seconds' | 'resolution' | 'audio'>;
  readonly cards: readonly ShownCardQuote[];
  readonly warnings: readonly string[];
}

const AT_COST = '0';

/**
 * The body of a create on the cards of this installation, at cost; no gateway and no network is used. It is read as the
 * gateway reads it, so that both say the same. Throws a Failure with the reason where the gateway would refuse it.
 */
export function quoteLocally(body: Readonly<Record<string, unknown>>, options: CardOptions): LocalQuote {
  const { card, allCards, date, plan } = options;
  const cards = cardsOf(options.cards);
  const query = { card, all_cards: allCards && ('true' as const), date: date && dayOf(date), plan };
  try {
    const terms = readTerms(cards, systemClock.nowMs(), query);
    const { fields } = parseFields(body, 'json');
    const rules = { aliases: DEFAULT_ALIASES, defaultModel: 'sora-2', referenceModels: true };
    const { request, presentation } = normalise(fields, mediaOf(fields), rules);
    const byName = { request, secondsNamed: fields.seconds ?? null, query, terms, markup: AT_COST };
    const { model, task, seconds, resolution, audio } = request;
    const quoted = quoteByName(cards, byName);
    return { request: { model, task, seconds, resolution, audio }, cards: quoted, warnings: presentation.warnings };
  } catch (error) {
    if (error instanceof GatewayError) throw new Failure(error.message);
    throw error;
  }
}

/** Only which media there are bears on a price, so the addresses are not looked at. */
function mediaOf(fields: CreateFields): RequestMedia {
  const given: Media = { kind: 'url', url: 'https://media.invalid/' };
  return {
    references: (fields.reference_images ?? []).map(() => given),
    dynamicMasks: [],
    ...(fields.input_reference !== undefined && { firstFrame: given }),
    ...(fields.video_url !== undefined && { video: given }),
  };
}

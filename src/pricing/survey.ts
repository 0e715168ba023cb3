import { ageInDays, ageWarning, type RateCards } from './cards.ts';
import type { CardKind, RateCard } from './rate-card.ts';

/** A rate card at a glance. */
export interface CardSummary {
  readonly card: string;
  readonly effective: string;
  /** `in force` on the day asked about, `replaced` by a newer card of its name, or `later`: not yet. */
  readonly state: 'in force' | 'replaced' | 'later';
  /** The provider that is routed by it; null for a reference. */
  readonly provider: string | null;
  readonly kind: CardKind;
  readonly source: RateCard['source'];
  /** Whole days since the day of the source. */
  readonly ageDays: number;
  /** Rows that can be quoted, and rows that are only kept to be compared. */
  readonly rates: number;
  readonly references: number;
  readonly packages: number;
  /** What somebody who relies on the card should know; only of cards in force. */
  readonly warnings: readonly string[];
}

/** Every card of every date, in the order of the collection, as of the day that `nowMs` falls on. */
export function surveyCards(cards: RateCards, day: string, nowMs: number): CardSummary[] {
  return cards.all.map((card) => {
    const inForce = cards.inForce(card.card, day) === card;
    return {
      card: card.card,
      effective: card.effective,
      state: inForce ? 'in force' : card.effective > day ? 'later' : 'replaced',
      provider: card.provider ?? null,
      kind: card.kind,
      source: card.source,
      ageDays: ageInDays(card, nowMs),
      rates: card.rates.filter(({ reference }) => !reference).length,
      references: card.rates.filter(({ reference }) => reference).length,
      packages: card.packages.length,
      warnings: inForce ? [ageWarning(card, nowMs), gapWarning(card)].filter((warning) => warning !== null) : [],
    };
  });
}

/** Tells that a formula lacks what the operator has to fill in; null for a card that can quote. */
function gapWarning({ card, formula }: RateCard): string | null {
  if (!formula) return null;
  const lacks = [
    Object.keys(formula.base_usd_per_second).length === 0 && 'base_usd_per_second',
    formula.resolution_factors['720p'] === undefined && 'resolution_factors.720p',
    Object.keys(formula.input_factors).length === 0 && 'input_factors',
  ].filter(Boolean);
  return lacks.length === 0 ? null : `${card} quotes nothing until ${lacks.join(', ')} are filled in`;
}

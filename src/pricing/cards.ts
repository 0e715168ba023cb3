import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DAY_MS } from '../ground/time.ts';
import { parseRateCard, type RateCard, RateCardError } from './rate-card.ts';

/** All rate cards, by name and day. Immutable; old cards stay, so that an old bill can be recomputed. */
export interface RateCards {
  /** Every card of every date, by name, then oldest first. */
  readonly all: readonly RateCard[];
  /** The newest card of that name that is not after `day` (`2026-11-21`). */
  inForce(card: string, day: string): RateCard | undefined;
  /** The newest card that prices this provider on `day`. */
  ofProvider(provider: string, day: string): RateCard | undefined;
}

/**
 * Reads every `<folder>/<card>/<effective date>.yaml`. Throws a RateCardError that names the file and the rule when one
 * is not a card, does not match its own path, or when two cards price one provider.
 */
export function loadRateCards(folder: string): RateCards {
  const cards: RateCard[] = [];
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const name of folders.map((entry) => entry.name).sort()) {
    for (const file of readdirSync(join(folder, name)).sort()) {
      if (!file.endsWith('.yaml')) continue;
      const path = join(name, file);
      const card = parseRateCard(readFileSync(join(folder, path), 'utf8'), path);
      if (card.card !== name) throw new RateCardError(`${path}: says card "${card.card}", but lies in "${name}"`);
      if (card.effective !== basename(file, '.yaml')) {
        throw new RateCardError(`${path}: says effective ${card.effective}, but is named ${file}`);
      }
      cards.push(card);
    }
  }
  return collectRateCards(cards);
}

/** The cards as one collection; for cards that do not come from files. */
export function collectRateCards(cards: readonly RateCard[]): RateCards {
  const byName = new Map<string, RateCard[]>();
  const nameOfProvider = new Map<string, string>();
  for (const card of cards) {
    const dated = byName.get(card.card) ?? [];
    if (dated.some((other) => other.effective === card.effective)) {
      throw new RateCardError(`${card.card}: two cards are effective ${card.effective}`);
    }
    byName.set(
      card.card,
      [...dated, card].sort((a, b) => a.effective.localeCompare(b.effective)),
    );
    if (card.provider === undefined) continue;
    const other = nameOfProvider.get(card.provider) ?? card.card;
    if (other !== card.card) throw new RateCardError(`${card.card} and ${other} both price ${card.provider}`);
    nameOfProvider.set(card.provider, card.card);
  }
  const inForce = (card: string, day: string) => byName.get(card)?.findLast((dated) => dated.effective <= day);
  return {
    all: [...byName.values()].flat(),
    inForce,
    ofProvider(provider, day) {
      const name = nameOfProvider.get(provider);
      return name === undefined ? undefined : inForce(name, day);
    },
  };
}

/** Documents age: past this, whoever quotes from one says so. */
const STALE_AFTER_DAYS = 90;

/** Whole days from the day of the card's source to `nowMs`; negative for a source of a later day. */
export function ageInDays(card: RateCard, nowMs: number): number {
  return Math.floor((nowMs - Date.parse(card.source.date)) / DAY_MS);
}

/** The warning that a card's source is more than 90 days old, to be shown with its prices; null while it is not. */
export function ageWarning(card: RateCard, nowMs: number): string | null {
  const ageDays = ageInDays(card, nowMs);
  if (ageDays <= STALE_AFTER_DAYS) return null;
  return `the source of ${card.card} is ${ageDays} days old (${card.source.date}): verify the live price`;
}

/** What the routes of videos take and answer, as schemas: they check, and they are the OpenAPI document. */
import { z } from 'zod';
import { createSchema } from './fields.ts';
import { videoSchema } from './video-object.ts';

const LIST_MAX = 100;

export const listQuery = z.object({
  limit: z.coerce
    .number()
    .int(`expected a whole number`)
    .min(0)
    .max(LIST_MAX, `expected at most ${LIST_MAX}`)
    .default(20),
  order: z.enum(['asc', 'desc'], { error: "expected 'asc' or 'desc'" }).default('desc'),
  after: z.string().optional(),
});

export const listSchema = z.object({
  object: z.literal('list'),
  data: z.array(videoSchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const derivedSchema = createSchema.extend({
  video: z.union([z.object({ id: z.string() }), z.string()]).meta({ description: 'The source video.' }),
});

export const deletedSchema = z.object({ id: z.string(), object: z.literal('video.deleted'), deleted: z.literal(true) });

const dollars = z.number().meta({ description: 'US dollars, at most six decimals.' });
const line = z.object({
  what: z.string(),
  quantity: z.number(),
  unit: z.string(),
  rate_usd: dollars.nullable(),
  usd: dollars,
});
const card = z.object({ id: z.string(), effective: z.string(), source: z.string() });
const score = z.object({ total: dollars, cost: dollars, failures: dollars, wait: dollars });
const candidateSchema = z
  .object({
    provider: z.string(),
    account: z.string(),
    model: z.string(),
    price_usd: dollars.nullable(),
    lines: z.array(line),
    score: score.nullable(),
    excluded: z.boolean(),
    reason: z.string().nullable().meta({ description: 'Why it is excluded.' }),
    card: card.nullable(),
  })
  .meta({ id: 'Candidate' });
const cardQuoteSchema = z
  .object({
    card,
    provider: z.string().nullable().meta({ description: 'Whom it routes; null for a card that is only compared.' }),
    price_usd: dollars.nullable(),
    credits: z.number().nullable().meta({ description: 'Where the card counts in credits.' }),
    lines: z.array(line.extend({ usd: dollars.nullable() })),
    excluded: z.boolean(),
    reason: z.string().nullable().meta({ description: 'Why it has no price.' }),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'CardQuote' });
export const quoteSchema = z
  .object({
    request: z.record(z.string(), z.unknown()),
    candidates: z.array(candidateSchema),
    route: z.array(z.string()).meta({ description: 'Providers in the order in which they would be asked.' }),
    hold_usd: dollars,
    max_cost_usd: dollars,
    warnings: z.array(z.string()),
    cards: z.array(cardQuoteSchema).optional().meta({ description: 'With `card` or `all_cards`: cheapest first.' }),
  })
  .meta({ id: 'Quote' });

const weighedSchema = z.object({
  ...{ provider: z.string(), account: z.string(), model: z.string(), price_usd: dollars, score },
  chosen: z.boolean(),
  reason: z.string().nullable().meta({ description: 'Why it did not come into question; null: its score decided.' }),
});
const chosenSchema = z.array(weighedSchema).nullable().meta({
  description: 'What stood against what when the attempt was given its slot: the job was scored again while it waited.',
});
/** The decision at admission, and what was chosen since. */
export const routeSchema = quoteSchema
  .extend({ attempts: z.array(videoSchema.shape.attempts.element.extend({ choice: chosenSchema })) })
  .meta({ id: 'Route' });

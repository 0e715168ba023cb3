/** What the routes of webhook endpoints take and answer, as schemas: they check, and they are the OpenAPI document. */
import { z } from 'zod';
import { toUnixSeconds } from '../ground/time.ts';
import { type LoggedDelivery, triesOf } from '../jobs/delivery-rows.ts';
import { EVENT_TYPES, typesOf } from '../jobs/events.ts';
import { DELIVERY_STATES, type WebhookEndpointRow } from '../store/schema-webhooks.ts';
import { toSeconds } from './admin-shapes.ts';

const LIST_MAX = 100;
const NAME_CHARACTERS_MAX = 100;

const eventType = z.enum(EVENT_TYPES, { error: `expected one of ${EVENT_TYPES.join(', ')}` });
const eventTypes = z
  .array(eventType)
  .min(1, 'expected at least one event type')
  .transform((types) => [...new Set(types)]);
const name = z.string().trim().min(1, 'expected a name').max(NAME_CHARACTERS_MAX, 'expected at most 100 characters');
const url = z.string().meta({ description: 'A public https address.' });

export const newEndpoint = z.object({ name, url, event_types: eventTypes });
export const endpointChange = newEndpoint.partial();
export const testRequest = z.object({ event_type: eventType });
export const rotation = z.object({
  keep_old_secret_active_for_24_hours: z.boolean().nullish().transform(Boolean),
});
export const pageQuery = z.object({
  limit: z.coerce
    .number()
    .int('expected a whole number')
    .min(1, 'expected at least 1')
    .max(LIST_MAX, `expected at most ${LIST_MAX}`)
    .default(20),
  after: z.string().optional().meta({ description: 'The last id of the page before.' }),
});

const seconds = z.number().int();

export const endpointSchema = z
  .object({
    id: z.string(),
    object: z.literal('webhook_endpoint'),
    name: z.string(),
    url: z.string(),
    event_types: z.array(z.string()),
    signing_secret_hint: z.string(),
    created_at: seconds,
    updated_at: seconds,
    disabled_at: seconds.nullable().meta({
      description:
        'When the receiver answered 410 and nothing was sent there any more. Setting `url` enables it again.',
    }),
  })
  .meta({ id: 'WebhookEndpoint' });
export const endpointWithSecret = endpointSchema
  .extend({ signing_secret: z.string().meta({ description: 'Shown this once.' }) })
  .meta({ id: 'WebhookEndpointWithSecret' });
export const deletedEndpoint = z.object({
  id: z.string(),
  object: z.literal('webhook_endpoint.deleted'),
  deleted: z.literal(true),
});
export const testResult = z.object({
  object: z.literal('webhook_endpoint.test'),
  webhook_endpoint_id: z.string(),
  event_type: z.string(),
  status_code: z.number().int(),
  success: z.literal(true),
});
export const eventTypeList = z.object({ object: z.literal('list'), data: z.array(eventType) });

export const deliverySchema = z
  .object({
    id: z.string(),
    object: z.literal('webhook_delivery'),
    event_id: z.string().meta({ description: 'The `webhook-id` header of every try.' }),
    event_type: z.string(),
    video_id: z.string().nullable(),
    status: z.enum(DELIVERY_STATES),
    attempts: z.array(
      z.object({
        at: seconds,
        status_code: z.number().int().nullable().meta({ description: 'Null: not reachable or not allowed.' }),
      }),
    ),
    next_attempt_at: seconds.nullable(),
    created_at: seconds,
  })
  .meta({ id: 'WebhookDelivery' });

export const pageOf = (schema: z.ZodType) =>
  z.object({
    object: z.literal('list'),
    data: z.array(schema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  });

/** A page of a list, as the SDKs page through one. */
export function showPage(data: readonly { readonly id: string }[], more: boolean): object {
  return { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: more };
}

/** The endpoint as its tenant sees it: without its secret. */
export function showEndpoint(row: WebhookEndpointRow): z.infer<typeof endpointSchema> {
  return {
    id: row.id,
    object: 'webhook_endpoint',
    name: row.name,
    url: row.url,
    event_types: typesOf(row),
    signing_secret_hint: row.secretHint,
    created_at: toUnixSeconds(row.createdAtMs),
    updated_at: toUnixSeconds(row.updatedAtMs),
    disabled_at: toSeconds(row.disabledAtMs),
  };
}

/** One delivery with its tries. */
export function showDelivery({ delivery, event }: LoggedDelivery): z.infer<typeof deliverySchema> {
  return {
    id: delivery.id,
    object: 'webhook_delivery',
    event_id: event.id,
    event_type: event.type,
    video_id: event.jobId,
    status: delivery.state,
    attempts: triesOf(delivery).map(({ atMs, status }) => ({ at: toUnixSeconds(atMs), status_code: status })),
    next_attempt_at: toSeconds(delivery.dueAtMs),
    created_at: toUnixSeconds(delivery.createdAtMs),
  };
}

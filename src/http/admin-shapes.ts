import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { parseObject } from './body.ts';
import type { Ctx } from './context.ts';
import { checked } from './route-table.ts';

const BODY_BYTES_MAX = 65_536;

/** The schema of a list as the admin API answers it. */
export const listOf = (schema: z.ZodType) => z.object({ object: z.literal('list'), data: z.array(schema) });

export const listed = (c: Ctx, data: readonly object[]): Response => c.json({ object: 'list', data });

/** A small JSON body, counted while it is read; an empty one counts as `{}`. */
export async function bodyOf<S extends z.ZodType>(c: Ctx, schema: S): Promise<z.infer<S>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of c.env.incoming) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw new GatewayError('request_too_large');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks, length).toString('utf8');
  return checked(schema, text.trim() === '' ? {} : { ...parseObject(text) });
}

export const toSeconds = (atMs: number | null): number | null => (atMs === null ? null : Math.floor(atMs / 1_000));

/** There is no tenant of that id: where to find those there are. */
export function noSuchTenant(id: string, param = 'id'): GatewayError {
  const listed = "GET /admin/v1/tenants and 'reelay tenants list' show them";
  return new GatewayError('not_found', { message: `There is no tenant '${id.slice(0, 60)}': ${listed}.`, param });
}

import type { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import type { App, Ctx } from './context.ts';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/**
 * One route: how it is reached, what it takes and answers, and what it does. The table of them is the router, the
 * OpenAPI document and the list that tests walk, so none of the three can know a route that another does not.
 */
export interface Route {
  readonly method: Method;
  /** In OpenAPI's form: `/videos/{video_id}`. Static segments come before parameters in the table. */
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: { readonly schema: z.ZodType; readonly form?: true };
  /** What a success carries: a schema, or the name of a content type that is not JSON. */
  readonly answer: z.ZodType | string;
  readonly handle: (c: Ctx) => Response | Promise<Response>;
}

/** Puts the routes on the app, and answers 405 with `Allow` to every other method of their paths. */
export function mount(app: App, base: string, routes: readonly Route[]): void {
  const methods = new Map<string, Method[]>();
  for (const route of routes) {
    const path = base + route.path.replace(/\{(\w+)\}/g, ':$1');
    app.on(route.method.toUpperCase(), path, (c) => route.handle(c));
    methods.set(path, [...(methods.get(path) ?? []), route.method]);
  }
  for (const [path, known] of methods) {
    const allow = known.map((method) => method.toUpperCase()).join(', ');
    app.all(path, (c) => {
      const message = `This address takes ${allow}, not ${c.req.method}.`;
      throw new GatewayError('method_not_allowed', { message, headers: { allow } });
    });
  }
}

/** The query as the schema reads it. Parameters that it does not know are let be: apps may add their own. */
export function readQuery<S extends z.ZodObject>(c: Ctx, schema: S): z.infer<S> {
  return checked(schema, c.req.query());
}

/** The value as the schema reads it; throws `invalid_value` with the field and what was expected. */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue?.path.map(String).join('.') ?? '';
  const reason = issue?.message.replace(/^Invalid (input|option): /, '') ?? 'it cannot be read';
  throw new GatewayError('invalid_value', { message: `Invalid value for '${param}': ${reason}.`, param });
}

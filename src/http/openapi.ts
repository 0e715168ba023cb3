import { z } from 'zod';
import { createDocument, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Route } from './route-table.ts';

const errorSchema = z
  .object({
    error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string() }),
  })
  .meta({ id: 'Error', description: 'The OpenAI error envelope; every error of every path has it.' });

/** The OpenAPI 3.1 document of the mounted routes, made from the schemas that check the requests. */
export function openApiDocument(
  mounted: readonly { readonly base: string; readonly routes: readonly Route[] }[],
): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const { base, routes } of mounted) {
    for (const route of routes) {
      const path = base + route.path;
      paths[path] = { ...paths[path], [route.method]: operationOf(route, base) };
    }
  }
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'reelay',
        version: '0.1.0',
        description: 'A self-hosted gateway for video generation in the OpenAI Videos dialect.',
      },
      security: [{ bearer: [] }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      paths,
    },
    // A field of an upload has no JSON form: in a form it is a file.
    {
      override: ({ jsonSchema, zodSchema }) =>
        void (zodSchema._zod.def.type === 'custom' && Object.assign(jsonSchema, { type: 'string', format: 'binary' })),
    },
  );
}

function operationOf(route: Route, base: string): ZodOpenApiPathsObject[string]['get'] {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const path = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const content: Record<string, { schema: z.ZodType }> =
    typeof route.answer === 'string'
      ? { [route.answer]: { schema: z.string().meta({ override: { format: 'binary' } }) } }
      : { 'application/json': { schema: route.answer } };
  return {
    operationId: `${route.method}${(base + route.path).replace(/[^a-z0-9]+/gi, '_')}`.replace(/_$/, ''),
    summary: route.summary,
    ...((names.length > 0 || route.query) && {
      requestParams: { ...(names.length > 0 && { path }), ...(route.query && { query: route.query }) },
    }),
    ...(route.body && {
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: route.body.schema },
          ...(route.body.form && { 'multipart/form-data': { schema: route.body.schema } }),
        },
      },
    }),
    responses: {
      200: { description: 'Success', content },
      default: { description: 'An error', content: { 'application/json': { schema: errorSchema } } },
    },
  };
}

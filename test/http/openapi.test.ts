/** The OpenAPI document tells of every route there is, and of none that there is not. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
let document: { openapi: string; paths: Record<string, Record<string, { responses: object; requestBody?: object }>> };
beforeAll(async () => {
  gateway = await startTestGateway();
  document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as typeof document;
});
afterAll(() => gateway.remove());

it('describes the Videos dialect, with both encodings of a create', () => {
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths['/v1/videos'] ?? {}).sort()).toEqual(['get', 'post']);
  const body = document.paths['/v1/videos']?.post?.requestBody as { content: object };
  expect(Object.keys(body.content)).toEqual(['application/json', 'multipart/form-data']);
});

it('every described route answers, with something of its own', async () => {
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const method of Object.keys(operations)) {
      const url = path.replace(/\{\w+\}/g, 'unknown');
      const answer = path.startsWith('/admin')
        ? await gateway.admin(method.toUpperCase(), url.replace('/admin/v1', ''))
        : await gateway.fetch(url, { method: method.toUpperCase() });
      const body = (await answer.json()) as { error?: { code: string; message: string } };
      expect([method, path, body.error?.message ?? '']).not.toEqual([
        method,
        path,
        expect.stringMatching(/^There is nothing at/),
      ]);
      expect([method, path, body.error?.code]).not.toEqual([method, path, 'method_not_allowed']);
      expect([method, path, answer.status < 500]).toEqual([method, path, true]);
    }
  }
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { type Config, readConfig } from '../../src/config.ts';
import type { Environment } from '../../src/environment.ts';
import { type Gateway, startGateway } from '../../src/main.ts';
import { until } from './until.ts';

export const SANDBOX_KEY = 'sk-reelay-sandbox';
export const ADMIN_KEY = 'admin-key-for-tests-0123456789';

export interface TestGateway extends Gateway {
  readonly config: Config;
  readonly dataDir: string;
  /** The official client, pointed here. */
  readonly client: OpenAI;
  /** A request with the sandbox key, or with another. */
  fetch(path: string, init?: RequestInit & { key?: string }): Promise<Response>;
  admin(method: string, path: string, body?: unknown): Promise<Response>;
  remove(): Promise<void>;
}

/**
 * A real gateway in this process, on a port and a data directory of its own: quick generations, quick polls. `change`
 * is for what no variable says.
 */
export async function startTestGateway(
  environment: Environment = {},
  change: Partial<Config> = {},
): Promise<TestGateway> {
  const dataDir = environment.REELAY_DATA_DIR ?? mkdtempSync(join(tmpdir(), 'reelay-test-'));
  const read = readConfig({
    PORT: '0',
    REELAY_DATA_DIR: dataDir,
    REELAY_SANDBOX_SECONDS: '0.2',
    REELAY_POLL_MS: '50',
    REELAY_ADMIN_KEY: ADMIN_KEY,
    REELAY_LOG_LEVEL: 'silent',
    ...environment,
  });
  const config = { ...read, ...change };
  const gateway = await startGateway(config);
  const request = (path: string, { key = SANDBOX_KEY, headers, ...init }: RequestInit & { key?: string } = {}) =>
    fetch(gateway.url + path, { ...init, headers: { authorization: `Bearer ${key}`, ...headers } });
  return {
    ...gateway,
    config,
    dataDir,
    client: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: SANDBOX_KEY, maxRetries: 0 }),
    fetch: request,
    admin: (method, path, body) =>
      request(`/admin/v1${path}`, {
        method,
        key: ADMIN_KEY,
        ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      }),
    async remove() {
      await gateway.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export interface ShownVideo {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
  readonly provider: string;
  readonly seconds: string;
  readonly size: string;
  readonly error: { code: string; message: string } | null;
  readonly attempts: { provider: string; status: string; error: string | null }[];
  readonly usage: { cost: number; estimated_cost: number };
  readonly warnings: string[];
  readonly metadata: Record<string, string>;
}

/** Creates a video with a JSON body; the answer as it came. */
export async function createVideo(gateway: TestGateway, body: Record<string, unknown>): Promise<ShownVideo> {
  const answer = await gateway.fetch('/v1/videos', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'a red kite over dunes', ...body }),
  });
  const video = (await answer.json()) as ShownVideo & { error: unknown };
  if (answer.status !== 200) throw new Error(`create answered ${answer.status}: ${JSON.stringify(video)}`);
  return video;
}

/** The video once it has ended. */
export async function endOf(gateway: Pick<TestGateway, 'fetch'>, id: string, withinMs?: number): Promise<ShownVideo> {
  let text = '';
  return await until(
    `the end of ${id}`,
    async () => {
      text = await (await gateway.fetch(`/v1/videos/${id}`)).text();
      const video: ShownVideo = JSON.parse(text);
      return video.status === 'completed' || video.status === 'failed' ? video : null;
    },
    withinMs,
    () => text,
  );
}

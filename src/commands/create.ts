import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { call, Failure, type GatewayAccess, send, tenantAccess } from './client.ts';
import { dollars, printJson, printLine } from './print.ts';

interface Options {
  readonly model: string;
  readonly seconds?: string;
  readonly size?: string;
  readonly resolution?: string;
  readonly audio?: true;
  readonly image?: string;
  readonly only?: string;
  readonly maxPrice?: string;
  readonly output?: string;
  readonly url?: string;
  readonly key?: string;
  readonly json?: true;
}

interface Video {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
  readonly provider: string | null;
  readonly error: { readonly message: string } | null;
  readonly usage: { readonly cost: number; readonly estimated_cost: number };
}

const POLL_MS = 1_000;

/** `reelay create`: asks a gateway for a video, waits for it with a progress bar, and saves the file. */
export function addCreateCommand(program: Command): void {
  program
    .command('create')
    .description('make a video: ask, wait with a progress bar, save the file')
    .argument('<prompt>', 'what the video shows')
    .option('--model <model>', 'model or alias', 'sora-2')
    .option('--seconds <n>', 'length in seconds')
    .option('--size <WxH>', 'frame, such as 1280x720')
    .option('--resolution <r>', '720p, 1080p or 4k')
    .option('--audio', 'with sound')
    .option('--image <url>', 'first frame')
    .option('--only <providers>', 'ask these providers only, with commas between')
    .option('--max-price <usd>', 'refuse anything dearer')
    .option('-o, --output <file>', 'where to save it (default: <id>.mp4)')
    .option('--url <url>', 'the gateway (default: REELAY_URL, then http://127.0.0.1:8787)')
    .option('--key <key>', 'API key (default: REELAY_API_KEY, then the sandbox key)')
    .option('--json', 'print the finished video as JSON')
    .action((prompt: string, options: Options) => run(prompt, options));
}

async function run(prompt: string, options: Options): Promise<void> {
  const access = tenantAccess(options);
  const created = toVideo(await call(access, 'POST', '/v1/videos', bodyOf(prompt, options)));
  const video = await waitFor(access, created, options.json !== true);
  if (video.status !== 'completed')
    throw new Failure(`${video.id} failed: ${video.error?.message ?? 'no reason given'}`);
  const file = options.output ?? `${video.id}.mp4`;
  await download(access, video.id, file);
  if (options.json) printJson({ ...video, file });
  else printLine(`saved ${file}  (${video.provider}, ${dollars(video.usage.cost)})`);
}

function bodyOf(prompt: string, options: Options): Record<string, unknown> {
  const provider = {
    ...(options.only !== undefined && { only: options.only.split(',') }),
    ...(options.maxPrice !== undefined && { max_price: options.maxPrice }),
  };
  return {
    prompt,
    model: options.model,
    ...(options.seconds !== undefined && { seconds: options.seconds }),
    ...(options.size !== undefined && { size: options.size }),
    ...(options.resolution !== undefined && { resolution: options.resolution }),
    ...(options.audio && { generate_audio: true }),
    ...(options.image !== undefined && { input_reference: { image_url: options.image } }),
    ...(Object.keys(provider).length > 0 && { provider }),
  };
}

const toVideo = (answer: Record<string, unknown>): Video => answer as unknown as Video;

async function waitFor(access: GatewayAccess, created: Video, draw: boolean): Promise<Video> {
  const bar = new SingleBar({
    format: `${created.id} {bar} {percentage}% {state}`,
    stream: process.stderr,
    clearOnComplete: true,
  });
  if (draw) bar.start(100, 0, { state: created.status });
  try {
    let video = created;
    while (video.status === 'queued' || video.status === 'in_progress') {
      await sleep(POLL_MS);
      video = toVideo(await call(access, 'GET', `/v1/videos/${created.id}`));
      const state = video.provider === null ? video.status : `${video.status} at ${video.provider}`;
      if (draw) bar.update(video.progress, { state });
    }
    return video;
  } finally {
    bar.stop();
  }
}

/** Streams beside the final name and renames, so that a file under its name is whole. */
async function download(access: GatewayAccess, id: string, file: string): Promise<void> {
  const answer = await send(access, 'GET', `/v1/videos/${id}/content`);
  if (answer.statusCode !== 200) throw new Failure(`the content of ${id} came back as HTTP ${answer.statusCode}`);
  const part = `${file}.part`;
  try {
    await pipeline(answer.body, createWriteStream(part));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw new Failure(`cannot write ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { call, Failure, type GatewayAccess, send, tenantAccess, Unavailable } from './client.ts';
import { ended, howToRepeat, placeOrder } from './order.ts';
import { dollars, printJson, printLine } from './print.ts';

interface Options {
  readonly model?: string;
  readonly seconds?: string;
  readonly size?: string;
  readonly resolution?: string;
  readonly audio?: true;
  readonly image?: string;
  readonly only?: string;
  readonly maxPrice?: string;
  readonly output?: string;
  readonly idempotencyKey?: string;
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
/** A gateway that restarts is back long before; the video goes on in any case. */
const SILENT_POLLS_MAX = 120;

/** `reelay create`: asks a gateway for a video, waits for it with a progress bar, and saves the file. */
export function addCreateCommand(program: Command): void {
  program
    .command('create')
    .description('make a video: ask, wait with a progress bar, save the file')
    .argument('<prompt>', 'what the video shows')
    .option('--model <model>', "model or alias (default: the gateway's)")
    .option('--seconds <n>', 'length in seconds')
    .option('--size <WxH>', 'frame, such as 1280x720')
    .option('--resolution <r>', '720p, 1080p or 4k')
    .option('--audio', 'with sound')
    .option('--image <url>', 'first frame')
    .option('--only <providers>', 'ask these providers only, with commas between')
    .option('--max-price <usd>', 'refuse anything dearer')
    .option('-o, --output <file>', 'where to save it (default: <id>.mp4)')
    .option('--idempotency-key <key>', 'repeat an order of before, never buying it twice (default: a new one)')
    .option('--url <url>', 'the gateway (default: REELAY_URL, then http://127.0.0.1:8787)')
    .option('--key <key>', 'API key (default: REELAY_API_KEY, then the sandbox key)')
    .option('--json', 'print the finished video as JSON')
    .action((prompt: string, options: Options) => run(prompt, options));
}

async function run(prompt: string, options: Options): Promise<void> {
  const access = tenantAccess(options);
  // A file that cannot be written is told before anything is ordered: another try would buy the clip again.
  if (options.output !== undefined) await assertWritable(options.output);
  const key = options.idempotencyKey ?? randomUUID();
  let goOn = howToRepeat(key);
  const interrupted = (): void => {
    process.stderr.write(`\nreelay: ${goOn}\n`);
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  try {
    const created = toVideo(await placeOrder(access, bodyOf(prompt, options), { key }));
    const file = options.output ?? `${created.id}.mp4`;
    goOn = `${created.id} is ordered: curl -fo ${quoted(file)} -H "authorization: Bearer $REELAY_API_KEY" ${access.url}/v1/videos/${created.id}/content`;
    const video = await fetched(access, created, file, options.json !== true).catch((error: unknown) => {
      throw new Failure(`${ended(error instanceof Error ? error.message : String(error))} ${goOn}`);
    });
    if (video.status !== 'completed')
      throw new Failure(`${video.id} failed: ${video.error?.message ?? 'no reason given'}`);
    if (options.json) printJson({ ...video, file });
    else printLine(`saved ${file}  (${video.provider}, ${dollars(video.usage.cost)})`);
  } finally {
    process.off('SIGINT', interrupted);
  }
}

/** Waits for the video's end and, where it was made, saves it. */
async function fetched(access: GatewayAccess, created: Video, file: string, draw: boolean): Promise<Video> {
  const video = await waitFor(access, created, draw);
  if (video.status === 'completed') await download(access, video.id, file);
  return video;
}

/** As a shell takes it for one word. */
const quoted = (file: string): string => (/^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`);

/** Beside the final name, and nobody else's: two orders may be saved under one name. */
const partOf = (file: string): string => `${file}.${randomUUID().slice(0, 8)}.part`;

async function assertWritable(file: string): Promise<void> {
  const part = partOf(file);
  try {
    const there = await stat(resolve(file)).catch(() => null);
    if (there?.isDirectory()) throw new Error('it is a folder');
    await (await open(part, 'wx')).close();
    await rm(part);
  } catch (error) {
    throw new Failure(
      `cannot write ${file}, so nothing was ordered: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function bodyOf(prompt: string, options: Options): Record<string, unknown> {
  const provider = {
    ...(options.only !== undefined && { only: options.only.split(',') }),
    ...(options.maxPrice !== undefined && { max_price: options.maxPrice }),
  };
  return {
    prompt,
    ...(options.model !== undefined && { model: options.model }),
    ...(options.seconds !== undefined && { seconds: options.seconds }),
    ...(options.size !== undefined && { size: options.size }),
    ...(options.resolution !== undefined && { resolution: options.resolution }),
    ...(options.audio && { generate_audio: true }),
    ...(options.image !== undefined && { input_reference: { image_url: options.image } }),
    ...(Object.keys(provider).length > 0 && { provider }),
  };
}

const toVideo = (answer: Record<string, unknown>): Video => answer as unknown as Video;

/** Waits for the end, through restarts of the gateway. Interrupted, it leaves the terminal as it was. */
async function waitFor(access: GatewayAccess, created: Video, draw: boolean): Promise<Video> {
  const bar = new SingleBar({
    format: `${created.id} {bar} {percentage}% {state}`,
    stream: process.stderr,
    clearOnComplete: true,
  });
  const interrupted = (): void => bar.stop();
  // Before the one that ends the process.
  process.prependOnceListener('SIGINT', interrupted);
  if (draw) bar.start(100, 0, { state: created.status });
  try {
    let video = created;
    for (let silent = 0; video.status === 'queued' || video.status === 'in_progress'; ) {
      await sleep(POLL_MS);
      try {
        video = toVideo(await call(access, 'GET', `/v1/videos/${created.id}`));
        silent = 0;
        const state = video.provider === null ? video.status : `${video.status} at ${video.provider}`;
        if (draw) bar.update(video.progress, { state });
      } catch (error) {
        silent += 1;
        if (!(error instanceof Unavailable) || silent > SILENT_POLLS_MAX) throw error;
        if (draw) bar.update(video.progress, { state: 'the gateway does not answer; asking again' });
      }
    }
    return video;
  } finally {
    process.off('SIGINT', interrupted);
    bar.stop();
  }
}

/** Streams beside the final name and renames, so that a file under its name is whole. */
async function download(access: GatewayAccess, id: string, file: string): Promise<void> {
  const answer = await send(access, 'GET', `/v1/videos/${id}/content`);
  if (answer.statusCode !== 200) throw new Unavailable(`the content of ${id} came back as HTTP ${answer.statusCode}.`);
  const part = partOf(file);
  try {
    await pipeline(answer.body, createWriteStream(part));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw new Unavailable(`cannot save ${file}: ${error instanceof Error ? error.message : error}.`);
  }
}

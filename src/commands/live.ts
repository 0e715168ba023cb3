import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { PROVIDERS } from '../../providers/index.ts';
import { connectAccount, sellerOf } from '../accounts.ts';
import { type Config, readConfig } from '../config.ts';
import { processEnvironment } from '../environment.ts';
import { GatewayError } from '../ground/errors.ts';
import { createMint, systemRandom } from '../ground/id.ts';
import { formatUsd, type Micros, toUsdNumber, usd } from '../ground/money.ts';
import { MINUTE_MS, SECOND_MS, systemClock, utcDay } from '../ground/time.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { parseFields } from '../http/fields.ts';
import { MediaReader } from '../http/media-fields.ts';
import { DEFAULT_ALIASES, normalise } from '../http/normalise.ts';
import { type LiveDeps, LiveFailure, type LiveRepeat, type LiveReport, priceLive, runLive } from '../live/live.ts';
import { Recorder } from '../live/record.ts';
import { findListener, type Listener, tellLater } from '../live/tell.ts';
import { loadRateCards } from '../pricing/cards.ts';
import { StoreUnavailable } from '../store/database.ts';
import { openDiskFiles } from '../store/files.ts';
import { ProviderWire } from '../wire/call.ts';
import { Downloader } from '../wire/download.ts';
import { Failure } from './client.ts';
import { printJson, printLine } from './print.ts';

interface Options {
  readonly prompt: string;
  readonly model: string;
  readonly seconds?: string;
  readonly resolution: string;
  readonly audio?: true;
  readonly image?: string;
  readonly limit: string;
  readonly record?: string;
  readonly output: string;
  readonly minutes: string;
  readonly replay?: true;
  readonly replayAfter?: string;
  /** False: no gateway is told what the repeat has shown. */
  readonly tell: boolean;
  readonly url?: string;
  readonly yes?: true;
  readonly json?: true;
}

const names = PROVIDERS.map(({ id }) => id).join(', ');

/** `reelay live <provider>`: one real, paid clip under a spending limit, and a record of what the provider answered. */
export function addLiveCommand(program: Command): void {
  program
    .command('live')
    .description('make one real, PAID clip at one provider and record its answers as fixtures')
    .argument('<provider>', `one of ${names}, or an account of reelay.yaml; its key is read as the gateway reads it`)
    .option('--prompt <text>', 'what the video shows', 'a red kite over dunes at sunrise')
    .option('--model <model>', 'model', 'kling-v3')
    .option('--seconds <n>', "length in seconds (default: the model's usual)")
    .option('--resolution <r>', '720p, 1080p or 4k', '720p')
    .option('--audio', 'with sound')
    .option('--image <url>', 'first frame')
    .option('--limit <usd>', 'the most that this may cost', '1.00')
    .option('--record <folder>', 'where the fixtures go (default: test/providers/recorded/<provider> in a checkout)')
    .option('-o, --output <folder>', 'where the clip goes', 'live')
    .option('--minutes <n>', 'how long to wait for the clip', '30')
    .option('--replay', 'send the same submission again to learn whether the account replays it; may cost twice')
    .option('--replay-after <seconds>', 'how old the key is to be by then (default: the oldest that is relied on)')
    .option('--url <url>', 'the running gateway that is told of it (default: REELAY_URL, then REELAY_DATA_DIR)')
    .option('--no-tell', 'tell no gateway what the repeat has shown')
    .option('-y, --yes', 'do not ask before spending')
    .option('--json', 'print the report as JSON')
    .action((provider: string, options: Options) => run(provider, options));
}

async function run(providerId: string, options: Options): Promise<void> {
  const config = readConfig({ ...processEnvironment(), REELAY_SANDBOX: '0' });
  const deps = await depsOf(config, providerId, options);
  try {
    const order = {
      request: await requestOf(config, options),
      attemptId: createMint(systemClock, systemRandom)('att'),
      limitMicros: limitOf(options.limit),
      replay: options.replay === true,
      replayAfterMs: replayAfterMs(deps, options),
      deadlineMs: deps.clock.nowMs() + Number(options.minutes) * MINUTE_MS,
    };
    const listener = await listenerOf(config, deps, options);
    const offer = await priceLive(deps, order);
    const { quote } = offer;
    deps.tell(`${deps.account.id} asks ${formatUsd(quote.costMicros)} (card ${quote.card.id} ${quote.card.effective})`);
    await confirm(options);
    const report = await withBar(deps, options, (drawn) => runLive(drawn, order, offer));
    const told = await tellGateway(report, listener, deps);
    tellReport(report, quote.costMicros, told, { deps, options });
  } catch (error) {
    if (error instanceof LiveFailure) throw new Failure(`${error.message}${recordedNote(deps.recorder)}`);
    if (error instanceof GatewayError) throw new Failure(error.message, 2);
    throw error;
  } finally {
    await Promise.all([deps.wire.close(), deps.downloads.close()]);
  }
}

async function depsOf(config: Config, providerId: string, options: Options): Promise<LiveDeps> {
  const ofId = config.accounts.find(({ id }) => id === providerId);
  const account = ofId ?? config.accounts.find(({ provider }) => provider.id === providerId);
  if (!account) {
    const provider = PROVIDERS.find(({ id }) => id === providerId);
    if (!provider) throw new Failure(`there is no provider "${providerId}"; there are ${names}`, 2);
    const sets = provider.settings.credentialVariables.map((set) => set.join(' and ')).join(', or ');
    throw new Failure(`${providerId} is not configured: set ${sets}`);
  }
  const connected = connectAccount(account);
  const checkout = join(config.rateCardsDir, '..', 'test', 'providers', 'recorded');
  const folder = options.record ?? join(existsSync(checkout) ? checkout : 'recorded', providerId);
  return {
    account: connected,
    seller: sellerOf(connected, false),
    cards: loadRateCards(config.rateCardsDir),
    wire: new ProviderWire(),
    downloads: new Downloader({ allowedNetworks: config.allowNetworks, exemptOrigins: new Set() }),
    files: await openDiskFiles(resolve(options.output)),
    clock: systemClock,
    recorder: new Recorder(folder, utcDay(systemClock.nowMs())),
    pollMs: config.pollMs,
    pause: (ms) => sleep(ms),
    tell: (line) => process.stderr.write(`${line}\n`),
    progress: () => {},
  };
}

/** The order as the front door would read it, so that the probe sends what the gateway would send. */
async function requestOf(config: Config, options: Options): Promise<VideoRequest> {
  const { prompt, model, seconds, resolution, audio, image } = options;
  const body = { prompt, model, resolution, ...(seconds !== undefined && { seconds }) };
  const extras = { ...(audio && { generate_audio: true }), ...(image !== undefined && { input_reference: image }) };
  const { fields } = parseFields({ ...body, ...extras }, 'json');
  const noUploads = {
    create: () => Promise.reject(new Failure('give media by address: this command has no uploads', 2)),
    remove: async () => {},
  };
  const rules = { allowedNetworks: config.allowNetworks, exemptOrigins: new Set<string>() };
  const media = await new MediaReader(noUploads, rules).readAll(fields);
  return normalise(fields, media, { aliases: DEFAULT_ALIASES, defaultModel: config.defaultModel }).request;
}

function limitOf(text: string): Micros {
  try {
    return usd(text);
  } catch {
    throw new Failure(`--limit: expected dollars such as 1.00, got ${JSON.stringify(text)}`, 2);
  }
}

/** Money is spent only by somebody who said so. */
async function confirm({ yes }: Options): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new Failure('this spends real money: add --yes where nobody can be asked', 2);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question('This is charged to the account. Go on? [y/N] ');
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('not confirmed; nothing was sent');
  } finally {
    terminal.close();
  }
}

async function withBar(
  deps: LiveDeps,
  options: Options,
  work: (drawn: LiveDeps) => Promise<LiveReport>,
): Promise<LiveReport> {
  if (options.json || !process.stderr.isTTY) return await work(deps);
  const bar = new SingleBar({ format: '{bar} {percentage}% {state}', stream: process.stderr, clearOnComplete: true });
  bar.start(100, 0, { state: 'submitting' });
  try {
    return await work({ ...deps, progress: (percent, state) => bar.update(percent ?? 0, { state }) });
  } finally {
    bar.stop();
  }
}

/** How old the key is to be when it is repeated. Throws a Failure of words for what is no number of seconds. */
function replayAfterMs({ account }: LiveDeps, { replayAfter }: Options): number {
  if (replayAfter === undefined) return account.provider.keyReplay?.withinMs ?? 0;
  if (/^\d{1,5}$/.test(replayAfter)) return Number(replayAfter) * SECOND_MS;
  throw new Failure(`--replay-after: expected whole seconds up to 99999, got ${JSON.stringify(replayAfter)}`, 2);
}

/** The gateway that will hear what the repeat shows, found before anything is bought; null where none would use it. */
async function listenerOf(config: Config, { account, tell }: LiveDeps, options: Options): Promise<Listener | null> {
  if (options.replay !== true || !options.tell) return null;
  if (account.provider.keyReplay) return await findListener(config, account, options.url);
  tell(`the gateway repeats nothing at ${account.provider.name}, whatever is learnt here`);
  return null;
}

/** Tells the gateway; what went wrong with that is told to the user, with the command that does it later. */
async function tellGateway(report: LiveReport, listener: Listener | null, deps: LiveDeps): Promise<string | null> {
  if (!report.repeat || !listener) return null;
  try {
    await listener.tell(report.repeat, deps.clock.nowMs());
    return listener.name;
  } catch (error) {
    if (!(error instanceof Failure || error instanceof StoreUnavailable)) throw error;
    deps.tell(`the gateway did not hear of it: ${error.message}. When it runs, tell it with`);
    deps.tell(tellLater(deps.account, report.repeat));
    process.exitCode = 1;
    return null;
  }
}

function tellReport(
  report: LiveReport,
  costMicros: Micros,
  told: string | null,
  { deps, options }: { readonly deps: LiveDeps; readonly options: Options },
): void {
  const { taskId, file, facts, finished, repeat } = report;
  const path = join(options.output, file);
  if (options.json) {
    const { usage } = finished;
    printJson({
      taskId,
      file: path,
      facts,
      usage,
      costUsd: toUsdNumber(costMicros),
      ...(repeat && { replayed: repeat.replays, heldSeconds: repeat.heldMs / SECOND_MS, toldGateway: told }),
      recorded: deps.recorder.files,
    });
    return;
  }
  const length = facts.durationMs === null ? 'of unknown length' : `${facts.durationMs / 1_000} s`;
  printLine(`saved ${path}: ${facts.width}x${facts.height}, ${length}, ${facts.hasAudio ? 'with' : 'without'} sound`);
  const reported = finished.usage ? `${finished.usage.quantity} ${finished.usage.unit}` : 'nothing';
  printLine(`the card said ${formatUsd(costMicros)}; the provider reports ${reported}`);
  if (repeat) printLine(repeatLine(repeat, told));
  printLine(`recorded ${deps.recorder.files.join(', ')}`);
}

/** What the repeat means for the gateway, for people. */
function repeatLine({ replays, heldMs }: LiveRepeat, told: string | null): string {
  const seen = replays
    ? `the account replays a key that is ${Math.floor(heldMs / SECOND_MS)} s old`
    : 'the account does not replay: nothing will be sent again';
  return told === null ? `${seen} (no gateway was told)` : `${seen}; the gateway of ${told} knows`;
}

const recordedNote = ({ files }: Recorder): string => (files.length === 0 ? '' : ` (recorded: ${files.join(', ')})`);

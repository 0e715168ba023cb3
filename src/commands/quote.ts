import type { Command } from 'commander';
import { call, tenantAccess } from './client.ts';
import { dollars, printJson, printLine, printTable } from './print.ts';

interface Options {
  readonly model: string;
  readonly seconds?: string;
  readonly size?: string;
  readonly resolution?: string;
  readonly audio?: true;
  readonly image?: string;
  readonly url?: string;
  readonly key?: string;
  readonly json?: true;
}

interface Quote {
  readonly candidates: readonly {
    readonly provider: string;
    readonly model: string;
    readonly price_usd: number | null;
    readonly lines: readonly {
      readonly what: string;
      readonly quantity: number;
      readonly unit: string;
      readonly rate_usd: number | null;
    }[];
    readonly score: { readonly total: number } | null;
    readonly excluded: boolean;
    readonly reason: string | null;
    readonly card: { readonly id: string; readonly effective: string } | null;
  }[];
  readonly route: readonly string[];
  readonly hold_usd: number;
  readonly warnings: readonly string[];
}

/** `reelay quote`: what a clip would cost at every provider, and which way it would go. */
export function addQuoteCommand(program: Command): void {
  program
    .command('quote')
    .description('price a clip at every provider; nothing is made and nothing is held')
    .option('--model <model>', 'model or alias', 'sora-2')
    .option('--seconds <n>', 'length in seconds')
    .option('--size <WxH>', 'frame, such as 1280x720')
    .option('--resolution <r>', '720p, 1080p or 4k')
    .option('--audio', 'with sound')
    .option('--image <url>', 'first frame')
    .option('--url <url>', 'the gateway (default: REELAY_URL, then http://127.0.0.1:8787)')
    .option('--key <key>', 'API key (default: REELAY_API_KEY, then the sandbox key)')
    .option('--json', 'print the quote as JSON')
    .action((options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  const { model, seconds, size, resolution, audio, image } = options;
  const answer = await call(tenantAccess(options), 'POST', '/v1/videos/quote', {
    prompt: 'a quote',
    model,
    ...(seconds !== undefined && { seconds }),
    ...(size !== undefined && { size }),
    ...(resolution !== undefined && { resolution }),
    ...(audio && { generate_audio: true }),
    ...(image !== undefined && { input_reference: { image_url: image } }),
  });
  if (options.json) printJson(answer);
  else show(answer as unknown as Quote);
}

function show(quote: Quote): void {
  printTable(
    ['provider', 'model', 'price', 'score', 'how', 'card'],
    quote.candidates.map((candidate) => [
      candidate.provider,
      candidate.model,
      dollars(candidate.price_usd),
      candidate.excluded ? 'excluded' : dollars(candidate.score?.total),
      candidate.reason ?? candidate.lines.map(describeLine).join(' + '),
      candidate.card === null ? '-' : `${candidate.card.id} ${candidate.card.effective}`,
    ]),
  );
  printLine(`route: ${quote.route.join(' > ')}   hold: ${dollars(quote.hold_usd)}`);
  for (const warning of quote.warnings) printLine(`note: ${warning}`);
}

function describeLine(line: Quote['candidates'][number]['lines'][number]): string {
  if (line.unit === 'percent') return `${line.quantity} % markup`;
  return `${line.quantity} ${line.unit}s x ${dollars(line.rate_usd)}`;
}

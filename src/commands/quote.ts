import type { Command } from 'commander';
import { processEnvironment } from '../environment.ts';
import type { ShownCardQuote } from '../pricing/card-quotes.ts';
import { call, Failure, tenantAccess } from './client.ts';
import { dollars, printJson, printLine, printTable } from './print.ts';
import { type LocalQuote, quoteLocally } from './quote-cards.ts';

export interface QuoteOptions {
  readonly model: string;
  readonly seconds?: string;
  readonly size?: string;
  readonly resolution?: string;
  readonly audio?: true;
  readonly image?: string;
  readonly reference?: readonly string[];
  readonly video?: string;
  readonly voice?: readonly string[];
  readonly card?: string;
  readonly allCards?: true;
  readonly date?: string;
  readonly plan?: string;
  readonly cards?: string;
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
      readonly usd: number | null;
    }[];
    readonly score: { readonly total: number } | null;
    readonly excluded: boolean;
    readonly reason: string | null;
    readonly card: { readonly id: string; readonly effective: string } | null;
  }[];
  readonly route: readonly string[];
  readonly hold_usd: number;
  readonly warnings: readonly string[];
  readonly cards?: readonly ShownCardQuote[];
}

const QUOTE_HELP = `
Without --card and --all-cards a gateway is asked: every provider with its price, and the way the clip would go.

With --card or --all-cards the rate cards of this installation are asked and no gateway is needed: official prices,
those that documents list, and those that count in credits, at cost. With --url or REELAY_URL it is that gateway's cards,
and the prices carry the markup of the key's tenant.

  reelay quote --seconds 10 --resolution 1080p --audio
  reelay quote --seconds 10 --all-cards
  reelay quote --card kling-official --plan package-3 --seconds 5
  reelay quote --card kling-per-second-2026 --model kling-v3 --video https://example.com/dance.mp4 --seconds 30`;

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
    .option('--reference <url>', 'image to refer to; may be given several times', collect)
    .option('--video <url>', 'source video: to edit, or whose movement is taken over')
    .option('--voice <id>', 'voice to speak with; may be given several times', collect)
    .option('--card <name>', 'price it on this rate card, also one that routes nobody')
    .option('--all-cards', 'price it on every rate card, cheapest first')
    .option('--date <day>', 'at the prices of this day, such as 2026-11-20 (default: today)')
    .option('--plan <package>', 'draw on this resource package of official Kling, such as package-3')
    .option('--cards <folder>', 'the folder of cards that --card and --all-cards read')
    .option('--url <url>', 'the gateway (default: REELAY_URL, then http://127.0.0.1:8787)')
    .option('--key <key>', 'API key (default: REELAY_API_KEY, then the sandbox key)')
    .option('--json', 'print the quote as JSON')
    .addHelpText('after', QUOTE_HELP)
    .action((options: QuoteOptions) => run(options));
}

const collect = (value: string, earlier: readonly string[] = []): string[] => [...earlier, value];

async function run(options: QuoteOptions): Promise<void> {
  const body = bodyOf(options);
  const onCards = options.card !== undefined || options.allCards === true;
  if (onCards && !namesGateway(options)) {
    const quoted = quoteLocally(body, options);
    if (options.json) printJson(quoted);
    else showCards(quoted);
    return;
  }
  if (options.cards !== undefined) throw new Failure('--cards is read with --card or --all-cards, and no gateway', 2);
  const answer = await call(tenantAccess(options), 'POST', `/v1/videos/quote${queryOf(options)}`, body);
  if (options.json) printJson(answer);
  else show(answer as unknown as Quote, onCards);
}

const namesGateway = ({ url }: QuoteOptions): boolean =>
  url !== undefined || processEnvironment().REELAY_URL !== undefined;

function bodyOf({ model, seconds, size, resolution, audio, ...media }: QuoteOptions): Record<string, unknown> {
  const { image, reference, video, voice } = media;
  return {
    prompt: 'a quote',
    model,
    ...(seconds !== undefined && { seconds }),
    ...(size !== undefined && { size }),
    ...(resolution !== undefined && { resolution }),
    ...(audio && { generate_audio: true }),
    ...(image !== undefined && { input_reference: { image_url: image } }),
    ...(reference !== undefined && { reference_images: reference }),
    ...(video !== undefined && { video_url: video }),
    ...(voice !== undefined && { voice_list: voice }),
  };
}

function queryOf({ card, allCards, date, plan }: QuoteOptions): string {
  const query = new URLSearchParams({
    ...(card !== undefined && { card }),
    ...(allCards && { all_cards: 'true' }),
    ...(date !== undefined && { date }),
    ...(plan !== undefined && { plan }),
  });
  return query.size === 0 ? '' : `?${query}`;
}

function show(quote: Quote, onCards: boolean): void {
  if (onCards) {
    showCards({ cards: quote.cards ?? [], warnings: quote.warnings });
    return;
  }
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

/** A table of what each card says, then what should be known about it. */
function showCards({ cards, warnings }: Pick<LocalQuote, 'cards' | 'warnings'>): void {
  printTable(
    ['card', 'effective', 'routes', 'price', 'how'],
    cards.map(({ card, provider, price_usd: price, credits, reason, lines }) => [
      card.id,
      card.effective,
      provider ?? '-',
      price === null && credits !== null ? `${credits} credits` : dollars(price),
      reason ?? lines.map(describeLine).join(' + '),
    ]),
  );
  const [only, ...others] = cards;
  if (only && others.length === 0) printLine(`source: ${only.card.source}`);
  const notes = new Set([...cards.flatMap((quoted) => quoted.warnings), ...warnings]);
  for (const note of notes) printLine(`note: ${note}`);
}

function describeLine(line: Quote['candidates'][number]['lines'][number]): string {
  if (line.unit === 'percent') return `${line.quantity} % markup`;
  if (line.rate_usd === null && line.usd) return `${dollars(line.usd)} (${line.what})`;
  if (line.rate_usd === null) return `${line.quantity} ${line.unit}s, which have no price`;
  return `${line.quantity} ${line.unit}s x ${dollars(line.rate_usd)}`;
}

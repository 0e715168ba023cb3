/** `reelay quote`, run as a user runs it: on the cards of this checkout without a gateway, and through one. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { addQuoteCommand } from '../../src/commands/quote.ts';
import type { ShownCardQuote } from '../../src/pricing/card-quotes.ts';
import { runHere, runReelay } from '../support/command.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  // What the machine has set would be taken for the gateway to ask.
  vi.stubEnv('REELAY_URL', undefined);
  gateway = await startTestGateway();
});
afterAll(() => gateway.remove());

const quote = (...args: string[]) => runHere(addQuoteCommand, ['quote', '--model', 'kling-v3', ...args]);
const throughGateway = (...args: string[]) => quote(...args, '--url', gateway.url);
const cardsIn = ({ stdout }: { stdout: string }): ShownCardQuote[] => JSON.parse(stdout).cards;

describe('reelay quote', () => {
  it('prices a clip on a card by name without a gateway, and shows how, whence and how old', async () => {
    const { code, stdout, stderr } = await runReelay([
      'quote',
      '--model',
      'kling-v3',
      '--card',
      'gptimage2',
      '--seconds',
      '10',
      '--date',
      '2026-11-21',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/gptimage2 │ 2026-04-08 │\s+- │ \$0\.75 │ 10 seconds x \$0\.075/);
    expect(stdout).toContain('source: Kling 3.0 vs Kling O3 API pricing');
    expect(stdout).toContain('note: the source of gptimage2 is 227 days old (2026-04-08): verify the live price');
  });

  it.each([
    ['a package', ['--card', 'kling-official', '--plan', 'package-3', '--seconds', '5'], { price_usd: 0.378 }],
    ['sound and 1080p', ['--card', 'kling-official', '--audio', '--resolution', '1080p'], { price_usd: 0.672 }],
    ['a voice', ['--card', 'kling-credits-guide', '--audio', '--voice', 'v'], { price_usd: null, credits: 44 }],
    ['an image', ['--card', 'piapi-listed', '--image', 'https://example.com/a.png'], { price_usd: 0.4 }],
    [
      'a movement',
      ['--card', 'kling-per-second-2026', '--video', 'https://example.com/a.mp4', '--seconds', '30'],
      { price_usd: 3.39 },
    ],
    [
      'references',
      [
        '--card',
        'gptimage2',
        '--model',
        'kling-o3',
        '--reference',
        'https://a.example/1',
        '--reference',
        'https://a.example/2',
      ],
      { price_usd: 0.45 },
    ],
    [
      'a model nobody here sells',
      ['--card', 'seedance-listed', '--model', 'seedance-2.0-fast', '--seconds', '10'],
      { price_usd: 0.31 },
    ],
  ])('prices %s', async (_, args, expected) => {
    const ran = await quote(...args, '--json');
    expect(ran.code).toBe(0);
    expect(cardsIn(ran)).toMatchObject([expected]);
  });

  it('compares every card, and says the same with a gateway and without', async () => {
    const args = ['--all-cards', '--seconds', '10'];
    const text = await quote(...args);
    const local = await quote(...args, '--json');
    const remote = await throughGateway(...args, '--json');
    expect(cardsIn(local).length).toBeGreaterThanOrEqual(15);
    expect(cardsIn(remote)).toEqual(cardsIn(local));
    const shown = cardsIn(local).map(({ card }) => text.stdout.indexOf(`│ ${card.id} `));
    expect(shown).toEqual([...shown].sort((a, b) => a - b));
    expect(shown.every((at) => at >= 0)).toBe(true);
    expect(text.stdout).toMatch(/kling-credits-guide\s.*60 credits/);
  });

  it('asks a gateway for the route, also of another package', async () => {
    const { code, stdout } = await throughGateway('--seconds', '5', '--plan', 'package-3');
    expect(code).toBe(0);
    expect(stdout).toMatch(/kling\s.*\$0\.378\s.*3 units x \$0\.126/);
    expect(stdout).toMatch(/route: \w+ > .*hold: \$/);
  });

  it.each([
    ['a card that there is not', ['--card', 'nobody'], 1, /no rate card in force on .*gptimage2/],
    ['a card without a price', ['--card', 'atlas-listed'], 1, /No price: atlas-listed has no price for kling-v3/],
    [
      'a length no model makes',
      ['--all-cards', '--seconds', '99'],
      1,
      /'seconds': kling-v3 text_to_video takes 3 to 15/,
    ],
    ['a folder for a gateway', ['--cards', 'rate-cards'], 2, /--cards is read with --card or --all-cards/],
    ['a day that is none', ['--all-cards', '--date', 'today'], 2, /expected a day such as/],
    ['no gateway', ['--url', 'http://127.0.0.1:9'], 1, /no gateway answers at .*npm start/],
  ])('says what is wrong with %s', async (_, args, code, says) => {
    expect(await quote(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(says) });
  });
});

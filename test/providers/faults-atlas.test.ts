/** What goes wrong at Atlas, ordered one fault at a time from its emulator, and where each leaves the job and the money. */
import { afterAll, beforeAll, describe } from 'vitest';
import { Bench, lineByPrompt } from '../support/provider-lab.ts';
import * as common from './common-faults.ts';

let plain: Bench;
/** Where Atlas can call back. */
let announced: Bench;

beforeAll(async () => {
  [plain, announced] = await Promise.all([Bench.start('atlas'), Bench.startAnnounced('atlas')]);
});
afterAll(() => Promise.all([plain.remove(), announced.remove()]));

const line = lineByPrompt('atlas', { model: 'kling-v3', seconds: 3, generate_audio: true });
const here: common.Subject = { line, costUsd: 0.378, on: () => plain };
const called: common.Subject = { ...here, on: () => announced };

describe.concurrent('at Atlas', () => {
  describe('a task that ends badly costs nothing', () => common.endsForNothing(here));
  describe('a submission', () => {
    common.isAskedAgain(here, [
      ['rate_limited', 'rate_limited'],
      // Its refusals do not tell which limit was met.
      ['concurrency', 'rate_limited'],
    ]);
    common.staysInDoubt(here);
  });
  describe('a task that is hard to read', () => {
    common.deliversAllTheSame(here);
    common.isReadAgain(here);
    common.isNoSuccess(here, ['no_url', 'wrong_file', 'short_clip', 'truncated_file', 'silent_clip', 'dead_link']);
  });
  describe('an announcement', () => {
    common.isFoundByItsCall(called);
    common.changesNothing(called);
  });
});

describe('afterwards', () => common.booksAgree(() => [plain, announced]));

/** What goes wrong at EvoLink, ordered one fault at a time from its emulator, and where each leaves the job and the money. */
import { afterAll, beforeAll, describe } from 'vitest';
import { Bench, lineByPrompt } from '../support/provider-lab.ts';
import * as common from './common-faults.ts';

let plain: Bench;
/** Where EvoLink can call back. */
let announced: Bench;

beforeAll(async () => {
  [plain, announced] = await Promise.all([Bench.start('evolink'), Bench.startAnnounced('evolink')]);
});
afterAll(() => Promise.all([plain.remove(), announced.remove()]));

const line = lineByPrompt('evolink', { model: 'kling-v3', seconds: 3 });
const here: common.Subject = { line, costUsd: 0.238_236, on: () => plain };
const called: common.Subject = { ...here, on: () => announced };

describe.concurrent('at EvoLink', () => {
  describe('a task that ends badly costs nothing', () => common.endsForNothing(here));
  describe('a submission', () => {
    common.isAskedAgain(here, [
      ['rate_limited', 'rate_limited'],
      ['concurrency', 'concurrency_limited'],
    ]);
    common.staysInDoubt(here);
  });
  describe('a task that is hard to read', () => {
    common.deliversAllTheSame(here);
    common.isReadAgain(here);
    common.isNoSuccess(here);
  });
  describe('an announcement', () => {
    common.isFoundByItsCall(called);
    common.changesNothing(called);
  });
});

describe('afterwards', () => common.booksAgree(() => [plain, announced]));

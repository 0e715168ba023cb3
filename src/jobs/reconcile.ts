import type { Balance } from '../../providers/contract.ts';
import { dividedBy, type Ratio, ratio, sumMicros, times, toDisplayNumber, toUsdNumber } from '../ground/money.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, utcDay } from '../ground/time.ts';
import { lastAlarm } from '../ledger/alarms.ts';
import { attemptsBetween, balanceOf, keepBalance } from '../ledger/balances.ts';
import { openSuspected, type Suspected } from '../ledger/suspected.ts';
import { ofBillionths, toBillionths } from '../pricing/expected.ts';
import type { AccountBalanceRow, BalanceUnit } from '../store/schema-alarms.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import type { Deps } from './deps.ts';
import { raise } from './raise.ts';
import { explainedBy, UNKNOWN_MAX, unknownOf } from './reckoning.ts';

export type ReconcileDeps = Pick<
  Deps,
  'database' | 'clock' | 'cards' | 'accounts' | 'wire' | 'mint' | 'log' | 'signals'
>;

/** A suspected cost this old is a person's to decide. */
const SUSPECTED_AGE_MS = DAY_MS;
/** Packs that may still matter are asked for this far back: none of the sold ones is valid for longer. */
const PACKS_SINCE_MS = 400 * DAY_MS;
const LISTED_MAX = 20;

/**
 * How far behind an account's figure may be: Kling's packs up to 12 hours (kling.ai/document-api, account, read
 * 2026-09-20); others are taken to be current within minutes.
 */
const LAG_MS: Readonly<Record<BalanceUnit, number>> = { usd: 5 * MINUTE_MS, unit: 12 * HOUR_MS };

interface Reading {
  readonly unit: BalanceUnit;
  readonly basis: string;
  readonly left: bigint;
}

/**
 * Holds what every account has left against what our entries say it paid for, and lists what was suspected for more
 * than a day. An account that does not answer is looked at again next time.
 */
export async function reconcile(deps: ReconcileDeps): Promise<void> {
  await Promise.all(
    [...deps.accounts.values()].map(async (account) => {
      const reading = await readBalance(deps, account);
      if (reading) await compare(deps, account, reading);
    }),
  );
  await tellOfSuspected(deps);
}

async function readBalance(deps: ReconcileDeps, account: ProviderAccount): Promise<Reading | null> {
  const { connection, target, id } = account;
  if (!connection.balance) return null;
  const nowMs = deps.clock.nowMs();
  const range = { fromMs: nowMs - PACKS_SINCE_MS, toMs: nowMs };
  const answer = await deps.wire.read(target, connection.balance.request(range, nowMs));
  const outcome = answer.kind === 'answered' ? connection.balance.response(answer.response, range) : null;
  if (outcome?.state === 'balance') return readingOf(deps, account, outcome);
  const detail = outcome === null ? 'no answer' : outcome.detail;
  deps.log.info('balance not read', { account: id, detail });
  return null;
}

/** The answer as one figure: dollars, or the units of all packs that are in force. Null where it tells neither. */
function readingOf({ cards, clock }: ReconcileDeps, { provider }: ProviderAccount, balance: Balance): Reading | null {
  const { left, packs = [] } = balance;
  if (left) {
    const quantity = ratio(left.quantity);
    const unit = left.unit.toLowerCase();
    const rate = cards.ofProvider(provider.id, utcDay(clock.nowMs()))?.credit_price;
    if (unit === 'usd') return { unit: 'usd', basis: '', left: toBillionths(quantity) };
    if (unit !== 'credit' || !rate) return null;
    const dollars: Ratio = times(quantity, dividedBy(rate.usd, rate.credits));
    return { unit: 'usd', basis: '', left: toBillionths(dollars) };
  }
  const active = packs.filter((pack) => pack.active);
  if (active.length === 0) return null;
  const units = active.reduce((sum, pack) => sum + toBillionths(ratio(pack.unitsLeft)), 0n);
  const basis = active.map(({ id }) => id).sort();
  return { unit: 'unit', basis: basis.join(' '), left: units };
}

/**
 * Compares with the anchor: the last reading that our entries explained while nothing was under way. Later readings
 * are held against the same one until that is so again, so that a slow leak beside running tasks adds up.
 */
async function compare(deps: ReconcileDeps, account: ProviderAccount, reading: Reading): Promise<void> {
  const { clock, database } = deps;
  const nowMs = clock.nowMs();
  const before = await database.read((tx) => balanceOf(tx, account.id));
  const fresh = rowOf(account.id, reading, nowMs);
  // Another set of packs is another sum: one was bought, used up, or has lapsed.
  if (before?.unit !== reading.unit || before.basis !== reading.basis) {
    await database.write((tx) => keepBalance(tx, fresh));
    return;
  }
  const lagMs = LAG_MS[reading.unit];
  const period = { unit: reading.unit, fromMs: before.anchorAtMs, toMs: nowMs, lagMs };
  const range = { afterMs: before.anchorAtMs - lagMs, untilMs: nowMs };
  const attempts = await database.read((tx) => attemptsBetween(tx, account.id, range));
  const explained = explainedBy(attempts, period, deps.cards);
  const lost = billionthsOf(before.leftAtAnchor) - reading.left;
  const unknown = unknownOf(lost, explained);
  const isKnown = (unknown < 0n ? -unknown : unknown) <= UNKNOWN_MAX[reading.unit];
  const quiet = attempts.every(({ endedAtMs, open }) => !open && endedAtMs !== null && endedAtMs <= nowMs - lagMs);
  if (!isKnown) await tellOfDrift(deps, account, { before, reading, lost, unknown, ...explained });
  const kept = isKnown && !quiet ? { ...fresh, ...anchorOf(before) } : fresh;
  await database.write((tx) => keepBalance(tx, kept));
}

const rowOf = (account: string, { unit, basis, left }: Reading, nowMs: number): AccountBalanceRow => ({
  ...{ account, unit, basis, leftAtAnchor: textOf(left), anchorAtMs: nowMs },
  ...{ leftNow: textOf(left), readAtMs: nowMs },
});

const anchorOf = ({ leftAtAnchor, anchorAtMs }: AccountBalanceRow) => ({ leftAtAnchor, anchorAtMs });

/** Billionths as an exact decimal, and back. */
const textOf = (billionths: bigint): string => {
  const digits = (billionths < 0n ? -billionths : billionths).toString().padStart(10, '0');
  return `${billionths < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`;
};
const billionthsOf = (text: string): bigint => toBillionths(ratio(text));
const shown = (billionths: bigint): number => toDisplayNumber(ofBillionths(billionths));

interface Difference {
  readonly before: AccountBalanceRow;
  readonly reading: Reading;
  readonly lost: bigint;
  readonly unknown: bigint;
  readonly certain: bigint;
  readonly perhaps: bigint;
}

async function tellOfDrift(deps: ReconcileDeps, { id, provider }: ProviderAccount, found: Difference): Promise<void> {
  const { before, reading, lost, unknown, certain, perhaps } = found;
  const data = {
    account: id,
    provider: provider.id,
    unit: reading.unit,
    since: Math.floor(before.anchorAtMs / 1_000),
    left_before: shown(billionthsOf(before.leftAtAnchor)),
    left_now: shown(reading.left),
    spent: shown(lost),
    booked: shown(certain),
    perhaps: shown(perhaps),
    unknown: shown(unknown),
    hint:
      unknown > 0n
        ? 'More is gone than our entries explain: somebody else uses the account, or the card is too low.'
        : 'Less is gone than our entries explain: a top-up or a refund, or the card is too high.',
  };
  const detail = `${shown(unknown)} ${reading.unit} that our entries do not explain`;
  // The anchor moves with the alarm, so each alarm is about a difference of its own.
  await raise(
    deps,
    { type: 'provider.drift', subject: id, mark: `${before.anchorAtMs} ${textOf(reading.left)}`, data },
    { detail, account: id },
  );
}

/** One alarm for each account and each time that a cost has become older than a day since it was told of last. */
async function tellOfSuspected(deps: ReconcileDeps): Promise<void> {
  const beforeMs = deps.clock.nowMs() - SUSPECTED_AGE_MS;
  const old = (await deps.database.read(openSuspected)).filter(({ atMs }) => atMs <= beforeMs);
  for (const account of new Set(old.map((each) => each.account))) {
    const own = old.filter((each) => each.account === account);
    const newest = own.at(-1);
    if (newest) await tellOfOld(deps, account, own, newest);
  }
}

async function tellOfOld(
  deps: ReconcileDeps,
  account: string,
  own: readonly Suspected[],
  newest: Suspected,
): Promise<void> {
  const total = sumMicros(...own.map(({ amountMicros }) => amountMicros));
  const data = {
    account,
    count: own.length,
    usd: toUsdNumber(total),
    jobs: own.slice(-LISTED_MAX).map(({ jobId }) => jobId),
    next: 'GET /admin/v1/jobs?suspected=true lists them; POST /admin/v1/jobs/{id}/resolve settles each.',
  };
  const news = {
    type: 'suspected_cost.open',
    subject: account,
    mark: markOf(newest),
    data,
  } as const;
  await raise(deps, news, { detail: `${own.length} suspected costs older than a day`, account }, async (tx) => {
    const last = await lastAlarm(tx, news.type, account);
    if (last === null) return true;
    // What was told of and resolved since is no news: only what became overdue after it.
    return news.mark > last.mark;
  });
}

/** Sorts as the costs did: by the instant, whose digits stay as many until the year 2286, then by the attempt. */
const markOf = ({ atMs, attemptId }: Suspected): string => `${atMs} ${attemptId}`;

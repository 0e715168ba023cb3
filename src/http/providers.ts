/** Provider accounts, for operators: how they are doing, what waits for them, and what a person decides about them. */
import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { SECOND_MS } from '../ground/time.ts';
import { laneOf } from '../jobs/lane.ts';
import { putAccountSettings } from '../jobs/outlook-rows.ts';
import { type AccountStock, takeStocks } from '../jobs/packages.ts';
import { keyReplaysByAccount } from '../jobs/resend-rows.ts';
import type { KeyReplayRow } from '../store/schema-resend.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { bodyOf, listed, listOf, toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { keyReplaySchema, showKeyReplay } from './key-replays.ts';
import { packageSchema, showPack } from './pack-shapes.ts';
import type { Route } from './route-table.ts';

const SLOTS_MAX = 1_000_000;
const change = z.strictObject({
  enabled: z.boolean().optional().meta({ description: 'False: takes no new jobs. True also forgets its failures.' }),
  isolated: z.boolean().optional().meta({ description: 'True: circuit isolated. False also forgets its failures.' }),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(SLOTS_MAX)
    .nullable()
    .optional()
    .meta({ description: 'Tasks at once; null: what is configured.' }),
});

const lane = z.object({
  lane: z.string().meta({ description: 'What slots are counted by: the account, at Kling the model.' }),
  slots: z.number().int().meta({ description: 'Tasks at once, as decided or configured.' }),
  slots_believed: z.number().int().meta({ description: 'Less by one for each refusal of the last minute.' }),
  running: z.number().int(),
  free: z.number().int(),
  waiting: z.number().int().meta({ description: 'Jobs that wait, with this as their first choice.' }),
});
const offer = z.object({
  model: z.string(),
  upstream: z.string(),
  circuit: z.enum(['closed', 'open', 'half_open', 'isolated']),
  reason: z.string().nullable(),
  open_until: z.number().int().nullable().meta({ description: 'When a job, or first a free read, tries it again.' }),
  success_rate: z.number(),
  recent_failures: z.number().int(),
  durations: z.object({ samples: z.number().int(), p50_seconds: z.number(), p95_seconds: z.number() }).nullable(),
});
const accountSchema = z
  .object({
    provider: z.string(),
    account: z.string(),
    enabled: z.boolean(),
    isolated: z.boolean(),
    concurrency: z.number().int().nullable(),
    slots: z.number().int(),
    running: z.number().int(),
    waiting: z.number().int(),
    key_replay: keyReplaySchema.nullable().meta({ description: 'Null: not tried, see reelay live --replay.' }),
    lanes: z.array(lane),
    offers: z.array(offer),
    packages: z.array(packageSchema),
  })
  .meta({ id: 'ProviderAccount' });
type ShownAccount = z.infer<typeof accountSchema>;

/** The admin routes of provider accounts. */
export function providerAdminRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/providers',
      summary: 'Accounts: health, slots in use and free, what waits for them, measured durations, prepaid packs',
      answer: listOf(accountSchema),
      handle: (c) => list(deps, c),
    },
    {
      method: 'patch',
      path: '/providers/{account}',
      summary: 'Disable or isolate an account, or set its limit of tasks at once',
      body: { schema: change },
      answer: accountSchema,
      handle: (c) => patch(deps, c),
    },
  ];
}

async function list(deps: FrontDeps, c: Ctx): Promise<Response> {
  await deps.worker.outlook.refresh();
  const known = await whatIsKnown(deps);
  return listed(
    c,
    [...deps.jobs.accounts.values()].map((account) => show(deps, account, known)),
  );
}

async function patch(deps: FrontDeps, c: Ctx): Promise<Response> {
  const id = c.req.param('account') ?? '';
  const account = deps.jobs.accounts.get(id);
  if (!account) {
    const known = [...deps.jobs.accounts.keys()].join(', ');
    throw new GatewayError('not_found', {
      message: `There is no such account. There are: ${known}.`,
      param: 'account',
    });
  }
  const wanted = await bodyOf(c, change);
  const { clock, database, log } = deps.jobs;
  const { outlook, queue } = deps.worker;
  await outlook.refresh();
  const before = outlook.settingsOf(id);
  const forgives = wanted.enabled === true || wanted.isolated === false;
  const nowMs = clock.nowMs();
  const row = {
    account: id,
    enabled: wanted.enabled ?? before.enabled,
    isolated: wanted.isolated ?? before.isolated,
    concurrency: wanted.concurrency === undefined ? before.concurrency : wanted.concurrency,
    healthSinceMs: forgives ? nowMs : before.healthSinceMs,
    changedAtMs: nowMs,
  };
  await database.write((tx) => putAccountSettings(tx, row));
  const { enabled, isolated, concurrency } = row;
  log.info('account set', { account: id, detail: JSON.stringify({ from: shownOf(before), to: shownOf(row) }) });
  await outlook.refresh();
  queue.wake();
  return c.json({
    ...show(deps, account, await whatIsKnown(deps)),
    enabled,
    isolated,
    concurrency,
  } satisfies ShownAccount);
}

const shownOf = ({ enabled, isolated, concurrency }: Pick<ShownAccount, 'enabled' | 'isolated' | 'concurrency'>) => ({
  enabled,
  isolated,
  concurrency,
});

/** What is shown of accounts and read from the store. */
interface Known {
  readonly stocks: readonly AccountStock[];
  readonly replays: ReadonlyMap<string, KeyReplayRow>;
}

async function whatIsKnown({ jobs }: FrontDeps): Promise<Known> {
  return { stocks: await takeStocks(jobs), replays: await jobs.database.read(keyReplaysByAccount) };
}

function show({ worker, jobs }: FrontDeps, account: ProviderAccount, { stocks, replays }: Known): ShownAccount {
  const { outlook } = worker;
  const { enabled, isolated, concurrency } = outlook.settingsOf(account.id);
  const models = [...new Set(account.provider.capabilities.map(({ model }) => model))];
  const slots = outlook.slotsGiven(account);
  const lanes = [...new Set(models.map((model) => laneOf(account, model)))].map((name) => {
    const [believed, running] = [outlook.slotsOf(account, name), outlook.runningIn(name)];
    const free = Math.max(0, believed - running);
    return { lane: name, slots, slots_believed: believed, running, free, waiting: worker.queue.waitingIn(name) };
  });
  const sum = (of: 'running' | 'waiting'): number => lanes.reduce((total, each) => total + each[of], 0);
  return {
    provider: account.provider.id,
    account: account.id,
    enabled,
    isolated,
    concurrency,
    slots,
    running: sum('running'),
    waiting: sum('waiting'),
    key_replay: showKeyReplay(jobs, account, replays.get(account.id) ?? null),
    lanes,
    offers: offersOf(account).map(({ model, upstream }) => showOffer(worker, { account: account.id, model, upstream })),
    packages: stocks
      .filter((stock) => stock.account === account.id)
      .flatMap(({ inventory }) => inventory.packs.map((state) => showPack(state, inventory, jobs.clock.nowMs()))),
  };
}

function offersOf({ provider }: ProviderAccount): { model: string; upstream: string }[] {
  const named = provider.capabilities.map(
    ({ model, upstream }) => [`${model} ${upstream}`, { model, upstream }] as const,
  );
  return [...new Map(named).values()];
}

function showOffer(
  { outlook }: FrontDeps['worker'],
  name: { account: string; model: string; upstream: string },
): ShownAccount['offers'][number] {
  const { circuit, health, reason, untilMs } = outlook.outlookOf(name);
  const durations = outlook.durationsOf(name);
  return {
    model: name.model,
    upstream: name.upstream,
    circuit,
    reason,
    open_until: toSeconds(untilMs),
    success_rate: Math.round(health.successRate * 10_000) / 10_000,
    recent_failures: health.recentFailures,
    durations: durations && {
      samples: durations.samples,
      p50_seconds: durations.p50Ms / SECOND_MS,
      p95_seconds: durations.p95Ms / SECOND_MS,
    },
  };
}

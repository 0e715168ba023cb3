/** Wires the gateway up from its configuration, starts it, and stops it well. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connectAccount, sellersOf } from './accounts.ts';
import { type Config, isLoopback } from './config.ts';
import { assertPackages } from './config-checks.ts';
import { createMint, systemRandom } from './ground/id.ts';
import { createLog, type Log } from './ground/log.ts';
import { HOUR_MS, slewed, systemClock } from './ground/time.ts';
import { createApp } from './http/app.ts';
import { DEFAULT_ALIASES } from './http/normalise.ts';
import { Alarms } from './jobs/alarms.ts';
import { CIRCUITS_EVERY_MS, CircuitWatch } from './jobs/circuit-watch.ts';
import type { Deps } from './jobs/deps.ts';
import { DiskWatch } from './jobs/disk.ts';
import { DriftWatch } from './jobs/drift-watch.ts';
import { inspectVideo } from './jobs/inspect.ts';
import { wakeLate } from './jobs/late.ts';
import { Notifier } from './jobs/notify.ts';
import { PackBook } from './jobs/packages.ts';
import { reconcile } from './jobs/reconcile.ts';
import { Rounds } from './jobs/rounds.ts';
import { forgetOtherProcesses } from './jobs/rows.ts';
import { StartAudit } from './jobs/start-audit.ts';
import { sweepLeftovers } from './jobs/sweep.ts';
import { Worker } from './jobs/worker.ts';
import { fillSums } from './ledger/rollup-audit.ts';
import { ensureSandboxTenant } from './ledger/sandbox-tenant.ts';
import { ownSecret } from './own-secret.ts';
import { loadRateCards } from './pricing/cards.ts';
import { type Sandbox, startSandbox } from './sandbox/sandbox.ts';
import { type Front, listen } from './server.ts';
import { quickCheck } from './store/check.ts';
import type { Database } from './store/database.ts';
import { openDiskFiles } from './store/files.ts';
import { Sealer } from './store/seal.ts';
import { openSqlite } from './store/sqlite.ts';
import type { AddressRules } from './wire/address.ts';
import { AlarmSender } from './wire/alarm.ts';
import { ProviderWire } from './wire/call.ts';
import { Downloader } from './wire/download.ts';
import { NoticeSender } from './wire/notify.ts';

export interface Gateway {
  /** Where it listens, `http://127.0.0.1:8787`. */
  readonly url: string;
  /** Admits nothing more, finishes the submissions under way, and gives port and data directory up. */
  stop(): Promise<void>;
}

/** Starts a gateway. Resolves when it listens; throws, with nothing left running, when it cannot. */
export async function startGateway(config: Config): Promise<Gateway> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const database = openSqlite({ folder: config.dataDir, migrationsFolder: config.migrationsDir });
  const begun: Closing[] = [() => database.close()];
  try {
    // The port before anything else: a second gateway on it must fail before it has bought a clip.
    const front = await listen(config);
    begun.unshift(() => front.close());
    return await startBehind(front, database, config, (close) => begun.unshift(close));
  } catch (error) {
    for (const close of begun) await close().catch(() => {});
    throw error;
  }
}

type Closing = () => Promise<unknown>;

/** Everything behind the socket. What must be closed when it fails half-way is handed to `began`. */
async function startBehind(
  front: Front,
  database: Database,
  config: Config,
  began: (close: Closing) => void,
): Promise<Gateway> {
  const log = createLog(config.logLevel);
  const random = systemRandom;
  const clock = slewed(systemClock);
  const mint = createMint(clock, random);
  const cards = loadRateCards(config.rateCardsDir);
  assertPackages(config.accounts, cards, clock.nowMs());
  const sandbox = config.sandbox ? await startSandbox(config) : null;
  if (sandbox) began(() => sandbox.stop());
  const connected = (sandbox?.accounts ?? config.accounts).map(connectAccount);
  const accounts = new Map(connected.map((account) => [account.id, account]));
  const addressRules: AddressRules = {
    allowedNetworks: config.allowNetworks,
    exemptOrigins: new Set(sandbox?.origins ?? []),
  };
  const wire = new ProviderWire();
  const downloads = new Downloader(addressRules);
  const keyPepper = config.keyPepper ?? ownSecret(config.dataDir, 'pepper.key', random);
  const secretKey = config.secretKey ?? ownSecret(config.dataDir, 'secret.key', random);
  const workerReady: { worker?: Worker; notifier?: Notifier; alarms?: Alarms } = {};
  const jobs: Deps = {
    database,
    files: await openDiskFiles(join(config.dataDir, 'files')),
    wire,
    downloads,
    inspect: inspectVideo,
    clock,
    wallMs: () => systemClock.nowMs(),
    random,
    mint,
    log,
    sealer: new Sealer(secretKey, random),
    cards,
    accounts,
    settings: {
      firstPollMs: config.pollMs,
      doubtMs: config.doubtMs,
      leaseMs: config.leaseMs,
      circuitMs: config.circuitMs,
      ...(config.resendAfterMs !== undefined && { resendAfterMs: config.resendAfterMs }),
      retentionMs: config.retentionMs,
      storePrompts: config.storePrompts,
      publicUrl: config.publicUrl,
    },
    signals: {
      slotFreed: () => workerReady.worker?.slotFreed(),
      eventRecorded: () => workerReady.notifier?.wake(),
      alertRaised: () => workerReady.alarms?.wake(),
    },
    processId: mint('process'),
  };
  const worker = new Worker(jobs);
  workerReady.worker = worker;
  const sender = new NoticeSender(addressRules);
  const notifier = new Notifier({ ...jobs, sender });
  workerReady.notifier = notifier;
  const alarms = config.alertUrl && new Alarms({ ...jobs, sender: new AlarmSender(config.alertUrl.reveal()) });
  if (alarms) workerReady.alarms = alarms;
  const books = new StartAudit({ ...jobs, checkFile: () => quickCheck(config.dataDir) });
  const unclean = await books.begin();
  const drift = new DriftWatch(jobs);
  const circuits = new CircuitWatch(jobs);
  const rounds = [
    new Rounds(jobs, HOUR_MS, () => drift.look()),
    new Rounds(jobs, HOUR_MS, () => reconcile(jobs)),
    new Rounds(jobs, HOUR_MS, () => wakeLate(jobs, (id) => worker.wake(id))),
    new Rounds(jobs, CIRCUITS_EVERY_MS, () => circuits.look()),
  ];
  await database.write((tx) => forgetOtherProcesses(tx, jobs.processId));
  await database.write(fillSums);
  const packs = new PackBook(jobs);
  worker.outlook.drawOn(packs);
  await packs.start();
  await sweepLeftovers(jobs);
  if (sandbox) await ensureSandboxTenant(jobs, keyPepper);
  const app = createApp({
    jobs,
    worker,
    notifier,
    disk: new DiskWatch(jobs.files, clock),
    books,
    drift,
    log,
    sellers: sellersOf(connected, config.publicUrl !== null),
    packs,
    conditionsOf: (offer, tenantId) => worker.conditionsOf(offer, tenantId),
    addressRules,
    aliases: { ...DEFAULT_ALIASES, ...config.aliases },
    defaultPolicy: config.defaultPolicy,
    defaultModel: config.defaultModel,
    publicUrl: config.publicUrl,
    keyPepper,
    adminKey: config.adminKey,
    sandbox: config.sandbox,
    openMetrics: isLoopback(config.host) && config.publicUrl === null,
  });
  began(() => worker.stop());
  await worker.start();
  notifier.start();
  alarms?.wake();
  for (const each of rounds) each.start();
  front.open(app.fetch);
  const behind = unclean ? books.behind().catch((error) => log.error('the audit failed', { error })) : null;
  const beside = [...rounds, { stop: async () => (await behind) ?? undefined }];
  const wires = [wire, sender];
  const running = { front, worker, downloads, notifier, alarms, packs, beside, sandbox, wires, database, log };
  return { url: front.url, stop: () => stopAll(running) };
}

interface Running {
  readonly front: Front;
  readonly worker: Worker;
  readonly downloads: Downloader;
  readonly notifier: Notifier;
  readonly alarms: Alarms | null;
  readonly packs: PackBook;
  /** What goes on beside the jobs. */
  readonly beside: readonly { stop(): Promise<void> }[];
  readonly sandbox: Sandbox | null;
  readonly wires: readonly { close(): Promise<void> }[];
  readonly database: Database;
  readonly log: Log;
}

/**
 * Keeps answering reads while the submissions under way end; from the first moment on nothing is admitted, and nobody is
 * sent here any more (`/readyz`).
 */
async function stopAll({
  front,
  worker,
  downloads,
  notifier,
  alarms,
  packs,
  beside,
  sandbox,
  wires,
  database,
  log,
}: Running): Promise<void> {
  const stopped = worker.stop();
  // A download can be done again, a submission cannot: only that is waited for.
  await Promise.all([stopped, downloads.close()]);
  await Promise.all(beside.map((each) => each.stop()));
  await notifier.stop();
  await alarms?.stop();
  packs.stop();
  await front.close();
  await Promise.all([...wires.map((wire) => wire.close()), sandbox?.stop()]);
  await database.close();
  log.flush();
}

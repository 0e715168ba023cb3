import { GatewayError } from '../ground/errors.ts';
import { allowsSeconds, describeSeconds } from '../ground/models.ts';
import { toUsdNumber } from '../ground/money.ts';
import type { VideoRequest } from '../ground/video-request.ts';
import { type Admitted, admit, assertServable } from '../jobs/admit.ts';
import { uploadName } from '../jobs/close.ts';
import type { Presentation } from '../jobs/presentation.ts';
import { findRepeat, type Repeat } from '../jobs/repeat.ts';
import type { Seller } from '../pricing/offers.ts';
import { writeAsked } from '../routing/asked.ts';
import { consider, warningsOf } from '../routing/consider.ts';
import type { RequestRouting } from '../routing/policy.ts';
import type { Route as Decision } from '../routing/route.ts';
import { type Body, readBody, type Upload, type UploadSink } from './body.ts';
import { callbackOf } from './callback.ts';
import type { Caller, Ctx, FrontDeps } from './context.ts';
import { type Derivation, type Derived, derive } from './derived.ts';
import { type CreateFields, parseFields } from './fields.ts';
import { assertMayAskFor, assertProvidersLeft, mayAskFor } from './key-rules.ts';
import { MediaReader } from './media-fields.ts';
import { type Normalised, normalise, resolveModel } from './normalise.ts';
import { repeatOf } from './replay.ts';
import { readRouting } from './routing-fields.ts';

/** A create request, understood and decided, but not accepted yet. */
export interface Considered {
  readonly request: VideoRequest;
  readonly presentation: Presentation;
  readonly decision: Decision;
  readonly repeat: Repeat;
  /** The seconds the caller named, also where the output follows its source video and they are not ordered. */
  readonly secondsNamed: number | null;
}

/** How a quote is reckoned that will not become a video. */
export interface QuoteTerms {
  /** An instant of the day whose cards are in force. */
  readonly atMs: number;
  /** The resource package drawn on, instead of the account's own. */
  readonly packageId: string | null;
  /** Cards are asked besides the providers: models that only they price will do, and a route may be empty. */
  readonly onCards: boolean;
}

/** What is done with a create request once it is understood. */
export interface Purpose<T> {
  /** Videos made from videos; absent for one made from nothing but the request. */
  readonly derivation?: Derivation;
  /** Absent: now, on the accounts' own packages, and a request that no provider can make is refused. */
  readonly terms?: QuoteTerms;
  /** The answer to a request that was sent before, asked before anything is priced; null when it is the first. */
  readonly replay?: (repeat: Repeat) => Promise<T | null>;
  readonly accept: (considered: Considered) => Promise<{ readonly accepted: boolean; readonly value: T }>;
}

/**
 * Reads, checks, prices and decides a create request, then hands it to `accept`. Uploads of a request that is not
 * accepted are removed again, whatever ended it.
 */
export async function withRequest<T>(deps: FrontDeps, c: Ctx, caller: Caller, purpose: Purpose<T>): Promise<T> {
  const sink = uploadSink(deps);
  const reader = new MediaReader(sink, deps.addressRules);
  let uploads: readonly Upload[] = [];
  let accepted = false;
  try {
    const body = await readBody(c.env.incoming, sink);
    uploads = body.uploads;
    const { derivation, terms } = purpose;
    const derived = derivation && (await derive(deps, caller, body.fields, derivation));
    const understood = await understand(deps, c, body, reader, { derivation, derived, terms });
    const before = await purpose.replay?.(understood.repeat);
    if (before) return before;
    const outcome = await purpose.accept(decideOn(deps, c, caller, understood, terms));
    accepted = outcome.accepted;
    return outcome.value;
  } finally {
    if (!accepted) await Promise.all([...uploads, ...reader.stored].map(({ uploadId }) => sink.remove(uploadId)));
  }
}

/** Admits what was considered: after this the video exists, and its price is held. A repeat finds the first one. */
export async function acceptRequest(
  deps: FrontDeps,
  caller: Caller,
  { request, presentation, decision, repeat }: Considered,
): Promise<Admitted> {
  const { tenant, key } = caller;
  await assertRoom(deps);
  const videoId = deps.jobs.mint('video');
  const admitted = await admit(deps.jobs, { videoId, tenant, key, request, presentation, route: decision, repeat });
  if (!admitted.repeated) deps.worker.take(admitted.job.id);
  return admitted;
}

/** A stop, a full disk or books that disagree end admission, never what runs: its videos and its entries still need room. */
async function assertRoom({ worker, disk, books }: FrontDeps): Promise<void> {
  if (worker.stopping) {
    throw new GatewayError('unavailable', {
      message: 'The gateway is being stopped. Nothing was charged; try again in a moment.',
      headers: { 'retry-after': '1' },
      internal: 'stopping',
    });
  }
  const fault = books.fault();
  if (fault !== null) {
    throw new GatewayError('unavailable', {
      message: 'The gateway takes no videos until its operator has checked the books. Nothing was charged.',
      headers: { 'retry-after': '60' },
      internal: fault,
    });
  }
  const shortage = await disk.shortage();
  if (shortage === null) return;
  throw new GatewayError('unavailable', {
    message: 'The gateway has no room for more videos right now. Nothing was charged; try again later.',
    headers: { 'retry-after': '60' },
    internal: shortage,
  });
}

/** The job that this request made when it was sent before; null when it was not. */
export async function replayOf(deps: FrontDeps, caller: Caller, repeat: Repeat): Promise<Admitted | null> {
  if (repeat.idempotencyKey === null && repeat.retryCount === 0) return null;
  const nowMs = deps.jobs.clock.nowMs();
  const job = await deps.jobs.database.write((tx) => findRepeat(tx, caller.key.id, repeat, nowMs));
  return job && { job, repeated: true };
}

function uploadSink({ jobs }: FrontDeps): UploadSink {
  return {
    async create() {
      const uploadId = jobs.mint('upload');
      return { uploadId, part: await jobs.files.create(uploadName(uploadId)) };
    },
    remove: (uploadId) => jobs.files.remove(uploadName(uploadId)),
  };
}

/** A create request that has been read and normalised, before anybody was asked what it costs. */
interface Understood {
  readonly fields: CreateFields;
  readonly unknown: readonly string[];
  readonly routing: RequestRouting;
  readonly request: VideoRequest;
  readonly presentation: Normalised['presentation'];
  readonly repeat: Repeat;
}

/** What else bears on how a request is read. */
interface Aside {
  readonly derivation: Derivation | undefined;
  readonly derived: Derived | undefined;
  readonly terms: QuoteTerms | undefined;
}

async function understand(
  deps: FrontDeps,
  c: Ctx,
  body: Body,
  reader: MediaReader,
  { derivation, derived, terms }: Aside,
): Promise<Understood> {
  const { fields, unknown } = parseFields(derived?.fields ?? body.fields, body.encoding);
  const providers = [...new Set(deps.sellers.map((seller) => seller.provider))];
  const routing = readRouting(fields, (name) => c.req.header(name), providers);
  assertKnown(routing, unknown);
  const media = { ...(await reader.readAll(fields)), ...derived?.media };
  const { request, presentation } = normalise(fields, media, { ...deps, referenceModels: terms?.onCards === true });
  const origin = derived ? originOf(derived, presentation.seconds) : {};
  const callback = await callbackOf(deps, c.get('caller'), fields);
  const repeat = repeatOf(c, fields, derivation ? JSON.stringify({ derivation, media: derived?.media }) : 'create');
  return { fields, unknown, routing, request, presentation: { ...presentation, ...origin, ...callback }, repeat };
}

function decideOn(
  deps: FrontDeps,
  c: Ctx,
  caller: Caller,
  understood: Understood,
  terms: QuoteTerms | undefined,
): Considered {
  const { fields, unknown, routing, request, presentation, repeat } = understood;
  if (!terms?.onCards) assertMayAskFor(caller, request.model, deps.aliases);
  const others = alternatives(deps, caller, request, routing.models);
  const decision = consider({
    requests: [request, ...others.requests],
    routing,
    asker: { ...caller.tenant, keyProviders: caller.key.providers },
    sellers: sellersOn(deps.packs.sellers(deps.sellers), terms),
    cards: deps.jobs.cards,
    conditionsOf: (offer) => deps.conditionsOf(offer, caller.tenant.id),
    nowMs: terms?.atMs ?? deps.jobs.clock.nowMs(),
  });
  if (!terms?.onCards) {
    assertProvidersLeft(caller, decision);
    assertServable(decision);
  }
  const ignored = [...unknown, ...(fields.seed === undefined ? [] : ['seed'])];
  const warnings = [
    ...presentation.warnings,
    ...others.warnings,
    ...warningsOf(decision),
    ...(ignored.length > 0 ? [`not used: ${ignored.join(', ')}`] : []),
  ];
  const estimate = toUsdNumber(decision.route[0]?.offer?.quote.priceMicros ?? decision.holdMicros);
  const shown: Presentation = { ...presentation, estimate, warnings, metadata: tagsOf(fields) };
  const secondsNamed = fields.seconds ?? null;
  const asked = askedOf(routing, others.requests);
  return { request, decision, repeat, secondsNamed, presentation: { ...shown, ...asked, ...sandboxFault(deps, c) } };
}

function sellersOn(sellers: readonly Seller[], terms: QuoteTerms | undefined): readonly Seller[] {
  const packageId = terms?.packageId ?? null;
  // A package that is asked about is reckoned at its card's price, whatever an own pack was bought at.
  return packageId === null ? sellers : sellers.map(({ unitPrice: _, ...seller }) => ({ ...seller, packageId }));
}

/** What a derived video tells of its source. */
function originOf({ remixedFrom, secondsBefore }: Derived, seconds: string): Partial<Presentation> {
  return {
    ...(remixedFrom !== undefined && { remixedFrom }),
    ...(secondsBefore > 0 && { seconds: String(secondsBefore + Number(seconds)) }),
  };
}

function assertKnown(routing: RequestRouting, unknown: readonly string[]): void {
  const [first] = unknown;
  if (!routing.requireParameters || first === undefined) return;
  const message = `Unknown field '${first}', and provider.require_parameters is set.`;
  throw new GatewayError('unknown_parameter', { message, param: first });
}

/** Kept with the video, so that a replay of it asks the same. */
function askedOf(routing: RequestRouting, others: readonly VideoRequest[]): Pick<Presentation, 'asked'> {
  const asked = writeAsked(
    routing,
    others.map(({ model }) => model),
  );
  return Object.keys(asked).length === 0 ? {} : { asked };
}

/** In the sandbox a request may say what should go wrong with it. */
function sandboxFault(deps: FrontDeps, c: Ctx): Pick<Presentation, 'sandboxFault'> {
  const fault = deps.sandbox ? c.req.header('x-reelay-sandbox-fault') : undefined;
  return fault === undefined || !/^[a-z_]{1,40}$/.test(fault) ? {} : { sandboxFault: fault };
}

/** The caller's own tags, echoed with the video. */
function tagsOf(fields: CreateFields): Record<string, string> {
  return { ...fields.metadata };
}

/** The same request for each other model the caller would take; a model that cannot make it is told in a warning. */
function alternatives(
  deps: FrontDeps,
  caller: Caller,
  request: VideoRequest,
  names: readonly string[],
): { requests: VideoRequest[]; warnings: string[] } {
  const requests: VideoRequest[] = [];
  const warnings: string[] = [];
  for (const name of names) {
    const { model } = resolveModel(name, deps.aliases);
    if (model.id === request.model || requests.some((other) => other.model === model.id)) continue;
    const rule = model.tasks[request.task];
    const fits = rule && (request.seconds === null || allowsSeconds(rule.seconds, request.seconds));
    if (!mayAskFor(caller, model.id, deps.aliases)) warnings.push(`${model.id} is passed over: this key may not ask`);
    else if (!rule) warnings.push(`${model.id} is passed over: it does not do ${request.task}`);
    else if (!fits) warnings.push(`${model.id} is passed over: it makes ${describeSeconds(rule.seconds)} seconds`);
    else if (!rule.resolutions.includes(request.resolution)) {
      warnings.push(`${model.id} is passed over: it does not make ${request.resolution}`);
    } else if (request.audio && model.sound === 'never') warnings.push(`${model.id} is passed over: it makes no sound`);
    else requests.push({ ...request, model: model.id });
  }
  return { requests, warnings };
}

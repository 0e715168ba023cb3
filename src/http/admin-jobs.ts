/** The list of jobs, for operators: by state, tenant, provider, because one is in doubt, or a cost is suspected of it. */
import { z } from 'zod';
import { invalidValue } from '../ground/errors.ts';
import { isId } from '../ground/id.ts';
import { type Micros, sumMicros, toUsdNumber, ZERO_MICROS } from '../ground/money.ts';
import { jobPage, jobsInDoubt, type ListedJob } from '../ledger/job-list.ts';
import { openSuspected } from '../ledger/suspected.ts';
import { JOB_STATES } from '../store/schema.ts';
import { toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { type Route, readQuery } from './route-table.ts';

const PAGE_MAX = 100;

const jobsQuery = z.object({
  state: z.enum(JOB_STATES, { error: `expected one of ${JOB_STATES.join(', ')}` }).optional(),
  tenant: z.string().max(100).optional(),
  provider: z.string().max(100).optional(),
  suspected: z.enum(['true', 'false'], { error: "expected 'true' or 'false'" }).optional().meta({
    description: 'true: only jobs with a cost that a provider may have charged and nobody has resolved.',
  }),
  in_doubt: z.enum(['true', 'false'], { error: "expected 'true' or 'false'" }).optional().meta({
    description: 'true: only jobs whose task may exist although its answer was lost; `resolve` settles them by hand.',
  }),
  after: z.string().max(100).optional().meta({ description: 'The id of the last job of the page before.' }),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX, `expected 1 to ${PAGE_MAX}`).default(20),
});

const jobSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  key: z.string(),
  state: z.enum(JOB_STATES),
  in_doubt: z.boolean(),
  model: z.string(),
  task: z.string(),
  provider: z.string().nullable(),
  attempts: z.number().int(),
  hold_usd: z.number(),
  settled_usd: z.number(),
  suspected_usd: z.number(),
  error: z.string().nullable(),
  created_at: z.number().int(),
  ended_at: z.number().int().nullable(),
});

/** `GET /jobs`, newest first, page by page. */
export function jobListRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/jobs',
      summary: 'Jobs of all tenants, newest first, by state, tenant, provider, doubt or suspected cost',
      query: jobsQuery,
      answer: z.object({
        object: z.literal('list'),
        data: z.array(jobSchema),
        last_id: z.string().nullable(),
        has_more: z.boolean(),
      }),
      handle: (c) => list(deps, c),
    },
  ];
}

async function list({ jobs }: FrontDeps, c: Ctx): Promise<Response> {
  const { state = null, tenant = null, provider = null, after = null, limit, ...only } = readQuery(c, jobsQuery);
  if (after !== null && !isId(after, 'video')) {
    throw invalidValue('after', `Invalid value for 'after': expected the id of a job, got '${after.slice(0, 60)}'.`);
  }
  const [rows, open, doubtful] = await jobs.database.read(async (tx) => {
    const open = new Map<string, Micros>();
    for (const { jobId, amountMicros } of await openSuspected(tx)) {
      open.set(jobId, sumMicros(open.get(jobId) ?? ZERO_MICROS, amountMicros));
    }
    const doubtful = new Set(await jobsInDoubt(tx));
    const suspects = only.suspected === 'true' ? open : null;
    const among = only.in_doubt === 'true' ? [...doubtful].filter((id) => suspects?.has(id) ?? true) : suspects?.keys();
    const page = { state, tenantId: tenant, provider, among: among ? [...among] : null, after, limit: limit + 1 };
    return [await jobPage(tx, page), open, doubtful] as const;
  });
  const data = rows.slice(0, limit).map((job) => show(job, open.get(job.id) ?? ZERO_MICROS, doubtful.has(job.id)));
  return c.json({ object: 'list', data, last_id: data.at(-1)?.id ?? null, has_more: rows.length > limit });
}

const show = (job: ListedJob, suspected: Micros, inDoubt: boolean): z.infer<typeof jobSchema> => ({
  id: job.id,
  tenant: job.tenantId,
  key: job.keyId,
  state: job.state,
  in_doubt: inDoubt,
  model: job.model,
  task: job.task,
  provider: job.provider,
  attempts: job.attempts,
  hold_usd: toUsdNumber(job.holdMicros),
  settled_usd: toUsdNumber(job.settledMicros),
  suspected_usd: toUsdNumber(suspected),
  error: job.errorCode,
  created_at: toSeconds(job.createdAtMs) ?? 0,
  ended_at: toSeconds(job.endedAtMs),
});

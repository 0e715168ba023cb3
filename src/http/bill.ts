/** A tenant's bill for a month: its own prices by model, and what each key spent; for programs, spreadsheets and paper. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Micros, toUsdNumber } from '../ground/money.ts';
import { SECOND_MS, utcMonth } from '../ground/time.ts';
import type { Sums } from '../ledger/rollup.ts';
import { type Grouping, type SpendGroup, spendReport } from '../ledger/spend.ts';
import { findTenant, type Tenant } from '../ledger/tenant.ts';
import type { Ctx, FrontDeps } from './context.ts';
import { type Route, readQuery } from './route-table.ts';
import { tenantIdOf, totalOf } from './spend.ts';
import { answerCsv } from './spend-shapes.ts';

const billQuery = z.object({
  month: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'expected a month such as 2026-11')
    .optional()
    .meta({ description: 'The month of admission; this one when absent.' }),
  format: z.enum(['json', 'csv', 'html'], { error: "expected 'json', 'csv' or 'html'" }).optional(),
});

const line = z.object({
  model: z.string(),
  task: z.string(),
  resolution: z.string(),
  videos: z.number().int(),
  cancelled: z.number().int(),
  seconds: z.number(),
  usd: z.number(),
});
const billSchema = z.object({
  tenant: z.object({ id: z.string(), name: z.string() }),
  month: z.string(),
  final: z.boolean().meta({ description: 'The month is over and none of its videos is open: nothing will be added.' }),
  lines: z.array(line),
  keys: z.array(z.object({ key: z.string(), videos: z.number().int(), usd: z.number() })),
  total_usd: z.number(),
});
type Bill = z.infer<typeof billSchema>;

/** The admin route of bills. */
export function billRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/tenants/{id}/bill',
      summary: "A tenant's bill for a month: JSON, CSV, or a page to print",
      query: billQuery,
      answer: billSchema,
      handle: (c) => answerBill(deps, c),
    },
  ];
}

async function answerBill(deps: FrontDeps, c: Ctx): Promise<Response> {
  const id = await tenantIdOf(deps, c);
  const thisMonth = utcMonth(deps.jobs.clock.nowMs());
  const { month = thisMonth, format } = readQuery(c, billQuery);
  const bill = await billOf(deps, id, month, month < thisMonth);
  const accept = c.req.header('accept') ?? '';
  const wanted = format ?? (accept.startsWith('text/html') ? 'html' : accept.startsWith('text/csv') ? 'csv' : 'json');
  switch (wanted) {
    case 'json':
      return c.json(bill);
    case 'csv': {
      const rows = bill.lines.map((one) => [bill.tenant.id, month, ...Object.values(one)]);
      return answerCsv(c, `bill-${bill.tenant.id}-${month}.csv`, ['tenant', 'month', ...Object.keys(line.shape)], rows);
    }
    case 'html':
      return c.body(billPage(bill), 200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': PAGE_POLICY,
      });
  }
}

async function billOf(deps: FrontDeps, tenantId: string, month: string, over: boolean): Promise<Bill> {
  // No day of any month is after the 31st, as texts compare.
  const days = { tenantId, from: `${month}-01`, to: `${month}-31` };
  const by = (...groupBy: Grouping[]) => deps.jobs.database.read((tx) => spendReport(tx, { ...days, groupBy }));
  const [groups, keys] = [await by('model', 'task', 'resolution'), await by('key')];
  const tenant = await deps.jobs.database.read((tx) => findTenant(tx, tenantId));
  const total = totalOf(groups);
  return {
    tenant: nameOf(tenantId, tenant),
    month,
    final: over && openOf(total) === 0,
    lines: groups.filter(isBilled).map(({ names: [model, task, resolution], sums }) => ({
      model: model ?? '',
      task: task ?? '',
      resolution: resolution ?? '',
      videos: sums.completed,
      cancelled: sums.cancelled,
      seconds: sums.deliveredMs / SECOND_MS,
      usd: toUsdNumber(sums.settledMicros),
    })),
    keys: keys.filter(isBilled).map(({ names: [key], sums }) => ({
      key: key ?? '',
      videos: sums.completed,
      usd: toUsdNumber(sums.settledMicros),
    })),
    total_usd: toUsdNumber(total.settledMicros),
  };
}

const nameOf = (id: string, tenant: Tenant | null) => ({ id, name: tenant?.name ?? id });
const isBilled = ({ sums }: SpendGroup): boolean => sums.completed > 0 || sums.settledMicros !== noMoney;
const noMoney: Micros = totalOf([]).settledMicros;
const openOf = ({ jobs, completed, failed, cancelled }: Sums): number => jobs - completed - failed - cancelled;

const STYLE = `body{font:11pt/1.5 system-ui,sans-serif;max-width:50rem;margin:3rem auto;padding:0 1rem;color:#111}
table{border-collapse:collapse;width:100%;margin:1rem 0 2rem}th,td{text-align:left;padding:.3rem .5rem}
thead th,tfoot td{border-bottom:1px solid #999}tfoot td{font-weight:600;border-top:1px solid #999}
.n{text-align:right;font-variant-numeric:tabular-nums}.open{border:1px solid #999;padding:.5rem 1rem}
@media print{body{margin:0;max-width:none}}`;
/** Nothing is loaded and nothing runs; the one style is named by its digest. */
const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function billPage(bill: Bill): string {
  const { tenant, month, lines, keys } = bill;
  const open = bill.final
    ? ''
    : '<p class="open">Not final: the month is not over, or videos of it are still open.</p>';
  const total = `<td class="n">${usd(bill.total_usd)}</td>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Bill ${month}, ${escapeHtml(tenant.name)}</title><style>${STYLE}</style></head>
<body><h1>Bill for ${month}</h1><p>${escapeHtml(tenant.name)} (${escapeHtml(tenant.id)})</p>${open}
<table><thead><tr><th>Model<th>Task<th>Resolution<th class="n">Videos<th class="n">Seconds<th class="n">Cancelled<th class="n">USD</tr></thead>
<tbody>${lines.map(lineRow).join('')}</tbody><tfoot><tr><td colspan="6">Total</td>${total}</tr></tfoot></table>
<table><thead><tr><th>API key<th class="n">Videos<th class="n">USD</tr></thead>
<tbody>${keys.map(keyRow).join('')}</tbody></table>
<p>Videos count in the month in which they were ordered (UTC). Failed videos are free;
one that was cancelled after its provider had begun is charged.</p></body></html>
`;
}

const lineRow = ({ model, task, resolution, videos, seconds, cancelled, usd: amount }: Bill['lines'][number]): string =>
  `<tr><td>${escapeHtml(model)}<td>${escapeHtml(task)}<td>${escapeHtml(resolution)}<td class="n">${videos}` +
  `<td class="n">${seconds}<td class="n">${cancelled}<td class="n">${usd(amount)}</tr>`;

const keyRow = ({ key, videos, usd: amount }: Bill['keys'][number]): string =>
  `<tr><td>${escapeHtml(key)}<td class="n">${videos}<td class="n">${usd(amount)}</tr>`;

const usd = (amount: number): string => {
  const [whole, fraction = ''] = amount.toFixed(6).replace(/0+$/, '').split('.');
  return `${whole}.${fraction.padEnd(2, '0')}`;
};

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

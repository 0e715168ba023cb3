import { z } from 'zod';
import { protocolError, read } from '../answers.ts';
import type { Balance, Exchange, ReportedPack } from '../contract.ts';
import { authorize, type Credentials } from './credentials.ts';
import { classify } from './failures.ts';
import { claimsSuccess } from './new-tasks.ts';

const pack = z.object({
  resource_pack_name: z.string(),
  resource_pack_id: z.string(),
  total_quantity: z.number(),
  remaining_quantity: z.number(),
  invalid_time: z.number(),
  status: z.string(),
});
type Pack = z.infer<typeof pack>;

/** Two envelopes, each with a code of its own. */
const costs = z.object({
  code: z.literal(0),
  data: z.object({ code: z.literal(0), resource_pack_subscribe_infos: z.array(pack) }),
});

/**
 * The prepaid packs that videos draw on: free to ask, at most once a second, and up to 12 hours behind
 * (kling.ai/document-api, account, mirrored 2026-09-20).
 */
export const balance: Exchange<Credentials, { readonly fromMs: number; readonly toMs: number }, Balance> = {
  request: ({ fromMs, toMs }, context) => ({
    method: 'GET',
    path: `/account/costs?start_time=${fromMs}&end_time=${toMs}`,
    headers: authorize(context),
  }),
  response(response) {
    const answer = read(costs, response);
    if (!answer) {
      return claimsSuccess(response) ? protocolError(response, 'a list of packs') : classify(response, 'reading');
    }
    const packs = answer.data.resource_pack_subscribe_infos.filter(isForVideos);
    return { state: 'balance', packs: packs.map(packOf), ...slotsOf(packs) };
  },
};

/** Packs for images or sound alone are no use here; what a pack is for is in its name only. */
const isForVideos = ({ resource_pack_name: name }: Pack): boolean => /video/i.test(name) || !/image|audio/i.test(name);

const isActive = ({ status }: Pack): boolean => status === 'online';

const packOf = (found: Pack): ReportedPack => ({
  id: found.resource_pack_id,
  name: found.resource_pack_name,
  unitsTotal: String(found.total_quantity),
  unitsLeft: String(found.remaining_quantity),
  expiresAtMs: found.invalid_time,
  active: isActive(found),
});

/** The largest limit among active packs counts, not their sum; the name carries it: `…-100Units-5Con-…`. */
function slotsOf(packs: readonly Pack[]): { slots?: number } {
  const limits = packs.filter(isActive).flatMap(({ resource_pack_name: name }) => {
    const limit = /(\d+)Con\b/i.exec(name)?.[1];
    return limit === undefined ? [] : [Number(limit)];
  });
  return limits.length === 0 ? {} : { slots: Math.max(...limits) };
}

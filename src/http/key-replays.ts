/** Whether an account replays a repeated key: told by whoever has tried it, kept for the attempts in doubt. */
import { z } from 'zod';
import { GatewayError, invalidValue } from '../ground/errors.ts';
import { SECOND_MS } from '../ground/time.ts';
import type { Deps } from '../jobs/deps.ts';
import { credentialDigest, credentialPrint, isBelieved, REPLAY_BELIEVED_MS } from '../jobs/resend.ts';
import { putKeyReplay } from '../jobs/resend-rows.ts';
import type { KeyReplayRow } from '../store/schema-resend.ts';
import type { ProviderAccount } from '../wire/provider-account.ts';
import { bodyOf, toSeconds } from './admin-shapes.ts';
import type { Ctx, FrontDeps } from './context.ts';
import type { Route } from './route-table.ts';

const HELD_SECONDS_MAX = 86_400;

const told = z.strictObject({
  replays: z.boolean().meta({ description: 'Whether the repeat gave the task of the first submission.' }),
  held_seconds: z
    .number()
    .min(0)
    .max(HELD_SECONDS_MAX)
    .meta({ description: 'How old the key was when it was repeated: older ones are never repeated.' }),
  credential: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits, as reelay live makes them')
    .meta({ description: 'SHA-256 of the credentials it was tried with, as reelay live makes it.' }),
  dry_run: z.boolean().optional().meta({ description: 'True: only says whether it would be taken.' }),
});

/** What is known of an account's treatment of a repeated key. */
export const keyReplaySchema = z.object({
  replays: z.boolean(),
  held_seconds: z.number(),
  seen_at: z.number().int(),
  believed_until: z.number().int().meta({ description: 'To be tried again by then.' }),
  counts: z.boolean().meta({ description: 'False: it does not replay, was tried with another key, or too long ago.' }),
});
type ShownReplay = z.infer<typeof keyReplaySchema>;

/** The record as operators see it; null where nobody has looked. */
export function showKeyReplay(deps: Deps, account: ProviderAccount, row: KeyReplayRow | null): ShownReplay | null {
  return (
    row && {
      replays: row.replays,
      held_seconds: row.heldMs / SECOND_MS,
      seen_at: toSeconds(row.seenAtMs) ?? 0,
      believed_until: toSeconds(row.seenAtMs + REPLAY_BELIEVED_MS) ?? 0,
      counts: isBelieved(deps, account, row),
    }
  );
}

/** The admin route by which `reelay live` tells a running gateway what it has seen. */
export function keyReplayAdminRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'put',
      path: '/providers/{account}/key_replay',
      summary:
        'Whether the account answers a repeated key with the first task; only then is a lost answer asked for again',
      body: { schema: told },
      answer: keyReplaySchema,
      handle: (c) => put(deps.jobs, c),
    },
  ];
}

async function put(deps: Deps, c: Ctx): Promise<Response> {
  const id = c.req.param('account') ?? '';
  const account = deps.accounts.get(id);
  if (!account) {
    const known = [...deps.accounts.keys()].join(', ');
    throw new GatewayError('not_found', {
      message: `There is no such account. There are: ${known}.`,
      param: 'account',
    });
  }
  if (!account.provider.keyReplay) {
    throw invalidValue(
      'account',
      `${account.provider.name} documents no replay by key: nothing is ever repeated there.`,
    );
  }
  const { replays, held_seconds: heldSeconds, credential, dry_run: dryRun } = await bodyOf(c, told);
  if (credential !== credentialPrint(account)) {
    throw new GatewayError('conflict', {
      message:
        `This was tried with another key or address than the gateway's own for ${id}, so it says nothing about it. ` +
        'Try it with the environment that the gateway was started with.',
      param: 'credential',
    });
  }
  const row = {
    account: id,
    credentialDigest: credentialDigest(deps, credential),
    replays,
    heldMs: Math.floor(heldSeconds * SECOND_MS),
    seenAtMs: deps.clock.nowMs(),
  };
  if (dryRun !== true) {
    await deps.database.write((tx) => putKeyReplay(tx, row));
    deps.log.info('key replay seen', { account: id, detail: JSON.stringify({ replays, heldSeconds }) });
  }
  return c.json(showKeyReplay(deps, account, row) satisfies ShownReplay | null);
}

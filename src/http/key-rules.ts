/** What an API key and its tenant's policy let a caller ask for. */
import { GatewayError } from '../ground/errors.ts';
import { findModel } from '../ground/models.ts';
import { type Route as Decision, NOT_FOR_KEY } from '../routing/route.ts';
import type { Caller } from './context.ts';
import type { ModelAliases } from './normalise.ts';

/** Whether the caller may ask for the model, by its id. A list may name it by any of its names, or by an alias. */
export function mayAskFor({ tenant, key }: Caller, modelId: string, aliases: ModelAliases): boolean {
  const idOf = (name: string): string => {
    const alias = Object.hasOwn(aliases, name) ? aliases[name]?.model : undefined;
    return findModel(alias ?? name)?.id ?? name;
  };
  const lists = [tenant.policy.models ?? null, key.models].filter((list) => list !== null);
  return lists.every((list) => list.some((name) => idOf(name) === modelId));
}

/** Holds that the caller may ask for the model. Throws `permission_denied`, naming those it may. */
export function assertMayAskFor(caller: Caller, modelId: string, aliases: ModelAliases): void {
  if (mayAskFor(caller, modelId, aliases)) return;
  const allowed = caller.key.models ?? caller.tenant.policy.models ?? [];
  throw new GatewayError('permission_denied', {
    message:
      `This API key may not ask for ${modelId}. It may ask for: ${allowed.join(', ') || 'nothing'}. ` +
      'Ask the operator of this gateway for another key.',
    param: 'model',
  });
}

/**
 * Holds that the route is not empty for the key's own sake. Throws `permission_denied` when it is, with every
 * candidate's reason; a route that is empty for other reasons is somebody else's to refuse.
 */
export function assertProvidersLeft({ key }: Caller, { route, candidates }: Decision): void {
  if (route.length > 0 || !candidates.some(({ excluded }) => excluded === NOT_FOR_KEY)) return;
  const reasons = candidates.map(({ account, model, excluded }) => `${account} (${model}): ${excluded}`);
  throw new GatewayError('permission_denied', {
    message:
      `No provider is left that this API key may use: it is made for ${key.providers?.join(', ') || 'none'}. ` +
      `${reasons.join('; ')}.`,
    param: 'provider',
  });
}

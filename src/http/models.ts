import { z } from 'zod';
import { GatewayError } from '../ground/errors.ts';
import { describeSeconds, findModel, MODELS, type Model, type Resolution } from '../ground/models.ts';
import { toUnixSeconds } from '../ground/time.ts';
import type { FrontDeps } from './context.ts';
import type { Route } from './route-table.ts';

const modelSchema = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.number().int(),
    owned_by: z.string(),
    name: z.string(),
    alias_of: z.string().nullable(),
    tasks: z.record(z.string(), z.object({ seconds: z.string(), resolutions: z.array(z.string()) })),
    supported_resolutions: z.array(z.string()),
    supported_aspect_ratios: z.array(z.string()),
    supported_durations: z.array(z.number()),
    generate_audio: z.enum(['optional', 'always', 'never']),
    providers: z.array(z.string()).meta({ description: 'Configured providers that sell it.' }),
  })
  .meta({ id: 'Model' });
type ModelObject = z.infer<typeof modelSchema>;

/** The routes of `/v1/models`. */
export function modelRoutes(deps: FrontDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/models',
      summary: 'List models and aliases, with what each can make',
      answer: z.object({ object: z.literal('list'), data: z.array(modelSchema) }),
      handle: (c) => c.json({ object: 'list', data: allModels(deps) }),
    },
    {
      method: 'get',
      path: '/models/{model}',
      summary: 'Retrieve a model',
      answer: modelSchema,
      handle: (c) => {
        const id = c.req.param('model') ?? '';
        const found = allModels(deps).find((model) => model.id === id) ?? spelledOtherwise(deps, id);
        if (!found) throw new GatewayError('model_not_found', { status: 404, param: 'model' });
        return c.json(found);
      },
    },
  ];
}

function allModels(deps: FrontDeps): ModelObject[] {
  const own = MODELS.filter((model) => !model.referenceOnly).map((model) => show(deps, model, model.id, null));
  const aliases = Object.entries(deps.aliases).flatMap(([name, alias]) => {
    const model = findModel(alias.model);
    return model ? [show(deps, model, name, alias.resolution)] : [];
  });
  return [...own, ...aliases];
}

/** A model by one of its other names, such as `kling-v3-omni`. */
function spelledOtherwise(deps: FrontDeps, name: string): ModelObject | undefined {
  const model = findModel(name);
  return model && !model.referenceOnly ? show(deps, model, name, null) : undefined;
}

function show(deps: FrontDeps, model: Model, id: string, aliasResolution: Resolution | null): ModelObject {
  const rules = Object.entries(model.tasks);
  const resolutions = [...new Set(rules.flatMap(([, rule]) => rule.resolutions))];
  const sellers = deps.packs
    .sellers(deps.sellers)
    .filter((seller) => seller.capabilities.some((capability) => capability.model === model.id));
  return {
    id,
    object: 'model',
    created: toUnixSeconds(Date.parse(model.announced)),
    owned_by: 'klingai',
    name: model.id,
    alias_of: id === model.id ? null : aliasResolution === null ? model.id : `${model.id} ${aliasResolution}`,
    tasks: Object.fromEntries(
      rules.map(([task, rule]) => [
        task,
        { seconds: describeSeconds(rule.seconds), resolutions: [...rule.resolutions] },
      ]),
    ),
    supported_resolutions: resolutions,
    supported_aspect_ratios: [...model.aspectRatios],
    supported_durations: durationsOf(model),
    generate_audio: model.sound,
    providers: [...new Set(sellers.map((seller) => seller.provider))],
  };
}

/** Whole seconds that some task of the model can be ordered in. */
function durationsOf(model: Model): number[] {
  const durations = Object.values(model.tasks).flatMap(({ seconds }) => {
    if (seconds.kind === 'follows_video') return [];
    if (seconds.kind === 'list') return [...seconds.values];
    return Array.from({ length: seconds.max - seconds.min + 1 }, (_, index) => seconds.min + index);
  });
  return [...new Set(durations)].sort((a, b) => a - b);
}

/** What EvoLink tells about an account and its catalog: credits, models, price rules, estimates (2026-10). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { EmulatorContext } from './context.ts';
import type { Emulator } from './emulator.ts';
import { creditsFor, isModel, RULES } from './evolink-models.ts';
import { creditsTaken } from './evolink-tasks.ts';

const CREDITS_BOUGHT = 1_000_000;
const CREDITS_PER_USD = 68;
/** What is assumed of a source video that was not measured. */
const UNKNOWN_SECONDS = { motion_control: 10, video_edit: 5 };

type Refuse = (c: EmulatorContext, status: 400, code: string, message: string) => Response;

const rounded = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;

const estimateRequest = z.strictObject({
  model_id: z.string().refine(isModel, 'unknown model'),
  operation: z.string(),
  parameters: z.strictObject({
    duration_seconds: z.union([z.number().int(), z.enum(['5', '10'])]).optional(),
    output_seconds: z.number().optional(),
    input_seconds: z.number().optional(),
    quality: z.enum(['720p', '1080p', '4k']).optional(),
    sound: z.enum(['on', 'off']).optional(),
  }),
  expected_usage: z.strictObject({}),
});

/** The parameters that the rule of each model declares; another is refused. */
function declared(model: keyof typeof RULES): string[] {
  const { operation, by, silent, sounding } = RULES[model];
  const follows = operation === 'motion_control' || operation === 'video_edit';
  const lengths =
    by === 'input' ? ['input_seconds'] : follows ? ['output_seconds', 'input_seconds'] : ['duration_seconds'];
  return [...lengths, ...('1080p' in silent ? ['quality'] : []), ...(sounding ? ['sound'] : [])];
}

export function mountAccount(emulator: Emulator, refuse: Refuse): void {
  const { app } = emulator;
  app.get('/v1/credits', (c) => {
    const taken = emulator.list().reduce((sum, task) => sum + creditsTaken(emulator, task), 0);
    const left = rounded(CREDITS_BOUGHT - taken, 4);
    const user = { remaining_credits: left, used_credits: rounded(taken, 4) };
    const token = { remaining_credits: 0, used_credits: user.used_credits, unlimited_credits: true };
    return c.json({ success: true, message: '', data: { user, token } });
  });
  app.get('/v1/models', (c) => c.json({ data: Object.keys(RULES).map((id) => ({ id })) }));
  app.get('/v1/catalog/models', (c) => {
    const models = Object.keys(RULES).map((id) => ({ model_id: id, status: 'available' }));
    return c.json({ models });
  });
  app.get('/v1/catalog/health', (c) => c.json({ status: 'ok' }));
  app.post('/v1/agent-estimates', async (c) => {
    const checked = emulator.check(estimateRequest, await c.req.json().catch(() => null));
    if ('fault' in checked) return refuse(c, 400, 'invalid_parameters', checked.fault);
    const { model_id: model, operation, parameters } = checked.value;
    const known = declared(model);
    const stray = Object.keys(parameters).find((name) => !known.includes(name));
    if (stray !== undefined) return refuse(c, 400, 'unsupported_parameters', `${stray} is not a parameter of ${model}`);
    if (operation !== RULES[model].operation) return refuse(c, 400, 'invalid_parameters', 'operation');
    return c.json(estimate(emulator, model, parameters));
  });
}

type Parameters = z.infer<typeof estimateRequest>['parameters'];

function estimate(emulator: Emulator, model: keyof typeof RULES, parameters: Parameters): Record<string, unknown> {
  const { operation } = RULES[model];
  const { duration_seconds: ordered, output_seconds: delivered, input_seconds: input } = parameters;
  const assumed = operation === 'motion_control' ? UNKNOWN_SECONDS.motion_control : UNKNOWN_SECONDS.video_edit;
  const seconds = Number(ordered ?? delivered ?? input ?? assumed);
  const credits = creditsFor(model, {
    quality: parameters.quality ?? '720p',
    sounding: parameters.sound === 'on',
    seconds,
  });
  const usd = (credits / CREDITS_PER_USD).toFixed(8);
  return {
    estimate_id: `est_${randomBytes(6).toString('hex')}`,
    price_scope: 'account',
    model_id: model,
    operation,
    currency: 'USD',
    amount: usd,
    amounts: { uc: String(Math.round(credits * 10_000)), credits: String(credits), usd },
    expires_at: new Date(emulator.nowMs() + 300_000).toISOString(),
  };
}

/**
 * The parts of the README that are data: they are written from it by `npm run docs`, and a test compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AnyProvider } from '../providers/define.ts';
import { PROVIDERS } from '../providers/index.ts';
import { ERRORS, VIDEO_FAILURES } from './ground/errors.ts';
import { describeSeconds, MODELS, RESOLUTIONS, type SecondsRule, TASKS } from './ground/models.ts';
import type { Capability, Takes } from './pricing/capability.ts';

const SECTIONS: Readonly<Record<string, () => string[]>> = {
  errors: () =>
    Object.entries(ERRORS).map(([code, { status, sentence }]) => `| \`${code}\` | ${status} | ${sentence} |`),
  failures: () => Object.entries(VIDEO_FAILURES).map(([code, sentence]) => `| \`${code}\` | ${sentence} |`),
  sold: () => soldTable(PROVIDERS),
  extras: () => extrasTable(PROVIDERS),
};

/** The README with every generated section written anew. Throws where the markers of a section are missing. */
export function withGeneratedSections(readme: string): string {
  return Object.entries(SECTIONS).reduce((text, [name, rows]) => {
    const marked = new RegExp(`<!-- ${name} -->\n[\\s\\S]*?<!-- /${name} -->`);
    if (!marked.test(text)) throw new Error(`README.md has no <!-- ${name} --> … <!-- /${name} --> to write between`);
    return text.replace(marked, () => `<!-- ${name} -->\n${rows().join('\n')}\n<!-- /${name} -->`);
  }, readme);
}

/** What each provider sells: a row for each model and task, in each cell the resolutions, the sound and the seconds. */
export function soldTable(providers: readonly AnyProvider[]): string[] {
  const rows = MODELS.flatMap((model) =>
    TASKS.flatMap((task) => {
      const cells = providers.map(({ capabilities }) =>
        soldCell(
          capabilities.filter((capability) => capability.model === model.id && capability.task === task),
          model.tasks[task]?.seconds,
        ),
      );
      return cells.every((cell) => cell === '–') ? [] : [[`\`${model.id}\``, task.replaceAll('_', ' '), ...cells]];
    }),
  );
  return table(['model', 'task', ...providers.map(({ name }) => name)], rows);
}

function soldCell(capabilities: readonly Capability[], rule: SecondsRule | undefined): string {
  const sold = RESOLUTIONS.flatMap((resolution) => {
    const here = capabilities.filter(({ resolutions }) => resolutions.includes(resolution));
    return here.length === 0 ? [] : [`${resolution}${soundMark(here)}`];
  });
  if (sold.length === 0) return '–';
  const usual = rule && describeSeconds(rule);
  const [seconds, ...others] = new Set(
    capabilities.map((capability) => (capability.seconds ? describeSeconds(capability.seconds) : usual)),
  );
  const narrower =
    seconds && seconds !== usual && others.length === 0
      ? ` (${seconds.replace('as long as the source video, ', '')} s)`
      : '';
  return sold.join(' ') + narrower;
}

function soundMark(capabilities: readonly Capability[]): string {
  if (capabilities.every(({ sound }) => sound === 'always')) return '♫';
  return capabilities.some(({ sound }) => sound !== 'never') ? '♪' : '';
}

/** The fields beyond prompt and first frame, and the models with which each provider takes them. */
export function extrasTable(providers: readonly AnyProvider[]): string[] {
  const rows = Object.entries(EXTRAS).map(([field, taken]) => [
    field,
    ...providers.map(({ capabilities }) => modelsOf(capabilities.filter(({ takes }) => taken(takes)))),
  ]);
  return table(['field', ...providers.map(({ name }) => name)], rows);
}

const EXTRAS: Readonly<Record<string, (takes: Takes) => unknown>> = {
  '`image_tail`': (takes) => takes.lastFrame,
  '`reference_images`': (takes) => takes.references,
  '`video_url`': (takes) => takes.video,
  '`negative_prompt`': (takes) => takes.negativePrompt,
  '`cfg_scale`': (takes) => takes.cfgScale,
  '`multi_shot`': (takes) => takes.multiShot,
  '`element_list`': (takes) => takes.elements,
  '`voice_list`': (takes) => takes.voices,
  '`camera_control`': (takes) => takes.camera,
  '`static_mask`, `dynamic_masks`': (takes) => takes.masks,
  '`watermark`': (takes) => takes.watermark,
};

const modelsOf = (capabilities: readonly Capability[]): string =>
  [...new Set(capabilities.map(({ model }) => model.replace('kling-', '')))].join(', ') || '–';

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  writeFileSync(README, withGeneratedSections(readFileSync(README, 'utf8')));
}

/** The samples of the README, copied as they stand, do what they say; a browser plays what they save. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inspectVideo } from '../../src/jobs/inspect.ts';
import { chromiumPath, openChromium } from '../support/chromium.ts';
import { spawnGateway } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The first code block of that language below that line. */
function sample(language: string, below: string): string {
  const from = readme.indexOf(below);
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme.slice(from));
  if (from === -1 || !block?.[1]) throw new Error(`README has no ${language} sample below "${below}"`);
  return block[1];
}

/** A folder in which `openai` is installed, as it is for a user who follows the README. */
function folderWithSdk(): string {
  const folder = mkdtempSync(join(root, 'node_modules', '.sample-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('a new user', () => {
  it('makes a clip with the SDK sample, and it is as long as ordered', async () => {
    const gateway = await spawnGateway({ REELAY_DATA_DIR: temporaryFolder() });
    const folder = folderWithSdk();
    const code = sample('js', 'With the official Node SDK').replace('http://127.0.0.1:8787', gateway.url);
    writeFileSync(join(folder, 'sample.mjs'), code);
    const { stdout } = await run(process.execPath, ['sample.mjs'], { cwd: folder });
    expect(stdout).toMatch(/kite\.mp4, made by atlas for \$0\.568/);
    const facts = await inspectVideo(join(folder, 'kite.mp4'));
    expect(facts).toMatchObject({ durationMs: 8_000, width: 1_280, height: 720 });
    if (chromiumPath !== null) await expectToPlay(join(folder, 'kite.mp4'), 8);
  });

  it('makes a clip with the curl sample, and sees the decision', async () => {
    const gateway = await spawnGateway({ REELAY_DATA_DIR: temporaryFolder() });
    const folder = temporaryFolder();
    const code = sample('sh', 'With curl').replaceAll('http://127.0.0.1:8787', gateway.url);
    const { stdout } = await run('sh', ['-ec', code], { cwd: folder });
    expect(JSON.parse(stdout)).toMatchObject({ route: ['atlas', 'evolink', 'kling', 'fal'] });
    expect(await inspectVideo(join(folder, 'kite.mp4'))).toMatchObject({ durationMs: 5_000 });
  });

  it('makes a clip on the command line, with a table before and a file after', async () => {
    const gateway = await spawnGateway({ REELAY_DATA_DIR: temporaryFolder() });
    const folder = temporaryFolder();
    const reelay = (...args: string[]) =>
      run(process.execPath, [join(root, 'dist/src/cli.js'), ...args], {
        cwd: folder,
        env: { PATH: process.env.PATH, REELAY_URL: gateway.url } as NodeJS.ProcessEnv,
      });
    const quote = await reelay('quote', '--seconds', '5');
    expect(quote.stdout).toMatch(/atlas .*\$0\.355/);
    expect(quote.stdout).toMatch(/route: atlas > evolink > kling > fal {3}hold: \$0\.42/);
    const created = await reelay('create', 'a red kite', '--seconds', '5', '-o', 'kite.mp4');
    expect(created.stdout).toMatch(/saved kite\.mp4 {2}\(atlas, \$0\.355\)/);
    expect(await inspectVideo(join(folder, 'kite.mp4'))).toMatchObject({ durationMs: 5_000 });
    await expect(reelay('create')).rejects.toMatchObject({ code: 2 });
    await expect(reelay('create', 'x', '--seconds', '99')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/3 to 15/),
    });
  });

  it('is told how to go on when no gateway runs', async () => {
    const env = { PATH: process.env.PATH, REELAY_URL: 'http://127.0.0.1:1' } as NodeJS.ProcessEnv;
    const asked = run(process.execPath, [join(root, 'dist/src/cli.js'), 'quote'], { env });
    await expect(asked).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/npm start/) });
  });
});

/** Plays the file in a real browser and looks whether its clock moves. */
async function expectToPlay(file: string, seconds: number): Promise<void> {
  const bytes = readFileSync(file);
  const page = '<!doctype html><video id="clip" src="/clip.mp4" muted></video>';
  const server = createServer((request, response) => {
    const isClip = request.url === '/clip.mp4';
    response.setHeader('content-type', isClip ? 'video/mp4' : 'text/html');
    response.end(isClip ? bytes : page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await openChromium();
  try {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const played = await tab.evaluate(async () => {
      const clip = document.getElementById('clip') as HTMLVideoElement;
      await clip.play();
      await new Promise((resolve) => {
        clip.ontimeupdate = () => clip.currentTime > 0.2 && resolve(null);
      });
      return { duration: clip.duration, width: clip.videoWidth, error: clip.error };
    });
    expect(played).toMatchObject({ width: 1_280, error: null });
    expect(played.duration).toBeCloseTo(seconds, 1);
  } finally {
    await browser.close();
    server.close();
  }
}

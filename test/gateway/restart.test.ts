/**
 * Killed at any moment, a gateway loses no clip and buys none twice. The emulated providers run in a process of their
 * own: what they were asked to make is the truth about buying twice.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gatewayOn, PROVIDER_IDS as PROVIDERS } from '../support/emulated.ts';
import { endOf } from '../support/gateway.ts';
import { spawnGateway, spawnSandbox } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

describe('a killed gateway', () => {
  it('finishes every clip whose task it knew, each made once', async () => {
    const folder = temporaryFolder();
    const sandbox = await spawnSandbox({ REELAY_DATA_DIR: join(folder, 'sandbox'), REELAY_SANDBOX_SECONDS: '1.5' });
    const first = await gatewayOn(sandbox.urls, join(folder, 'data'));
    const ids = await Promise.all(PROVIDERS.map((provider) => first.create(provider)));
    await until('all five tasks to be accepted', async () => {
      const videos = await Promise.all(ids.map((id) => first.show(id)));
      return videos.every((video) => video.attempts[0]?.status === 'in_progress');
    });
    await first.kill();

    const second = await gatewayOn(sandbox.urls, join(folder, 'data'), first.key);
    for (const id of ids) expect((await endOf(second, id)).status).toBe('completed');
    for (const provider of PROVIDERS) expect(await sandbox.tasks(provider)).toHaveLength(1);
    expect(await second.audit()).toMatchObject({ ok: true, differences: [] });
  });

  it('shows a clip killed between its row and its answer as in doubt, finds it at Kling, and sends it never twice', async () => {
    const folder = temporaryFolder();
    const sandbox = await spawnSandbox({ REELAY_DATA_DIR: join(folder, 'sandbox'), REELAY_SANDBOX_SECONDS: '0.5' });
    await sandbox.orderFault('kling', 'hang');
    await sandbox.orderFault('piapi', 'hang');
    const first = await gatewayOn(sandbox.urls, join(folder, 'data'));
    const kling = await first.create('kling');
    const piapi = await first.create('piapi');
    await until('both tasks to be made', async () => {
      return (await sandbox.tasks('kling')).length === 1 && (await sandbox.tasks('piapi')).length === 1;
    });
    await first.kill();

    const second = await gatewayOn(sandbox.urls, join(folder, 'data'), first.key);
    expect((await endOf(second, kling)).status).toBe('completed');
    const doubtful = await second.show(piapi);
    expect(doubtful).toMatchObject({ status: 'in_progress', attempts: [{ provider: 'piapi', status: 'in_doubt' }] });
    expect(await sandbox.tasks('kling')).toHaveLength(1);
    expect(await sandbox.tasks('piapi')).toHaveLength(1);
    expect(await second.audit()).toMatchObject({ ok: true, differences: [] });
  });

  it('stops on SIGTERM with exit code 0 and leaves its clips to the next one', async () => {
    const folder = temporaryFolder();
    const first = await spawnGateway({ REELAY_DATA_DIR: folder, REELAY_SANDBOX_SECONDS: '1' });
    const { id } = await first.create({ model: 'kling-v3', seconds: 3 });
    expect(await first.kill('SIGTERM')).toBe(0);
    const second = await spawnGateway({ REELAY_DATA_DIR: folder, REELAY_SANDBOX_SECONDS: '1' });
    expect((await endOf(second, id)).status).toBe('completed');
  });

  it('keeps its data directory to itself', async () => {
    const folder = temporaryFolder();
    await spawnGateway({ REELAY_DATA_DIR: folder });
    await expect(spawnGateway({ REELAY_DATA_DIR: folder })).rejects.toThrow(/another reelay is running/);
  });
});

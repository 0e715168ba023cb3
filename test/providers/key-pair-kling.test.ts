/** An account with an access key and a secret key reaches the legacy generation only, with tokens that it signs itself. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { SANDBOX_KEY_PAIR } from '../../src/sandbox/kling-answers.ts';
import { startTestGateway } from '../support/gateway.ts';
import { startKlingEmulator } from '../support/kling-emulator.ts';
import { allCompleted, EXTRAS, endsOf } from './extras-kling.ts';
import { sold } from './sold/kling.ts';

describe('an account with a key pair', () => {
  it('is sold by the legacy generation what that makes', async () => {
    const { emulator: legacy, stop } = await startKlingEmulator(0.05);
    onTestFinished(stop);
    legacy.slots = 100;
    const paired = await startTestGateway({
      REELAY_SANDBOX: '0',
      REELAY_ALLOW_NETWORKS: '127.0.0.0/8',
      KLING_ACCESS_KEY: SANDBOX_KEY_PAIR.accessKey,
      KLING_SECRET_KEY: SANDBOX_KEY_PAIR.secretKey,
      KLING_BASE_URL: legacy.url,
      KLING_CONCURRENCY: '100',
    });
    onTestFinished(() => paired.remove());
    const tenant = (await (await paired.admin('POST', '/tenants', { name: 'Acme' })).json()) as { id: string };
    const made = await (await paired.admin('POST', `/tenants/${tenant.id}/keys`, {})).json();
    const { key } = made as { key: string };

    const older = sold.filter(({ model, fields }) => model !== 'kling-v3-turbo' && fields.video_use !== 'feature');
    const small = older.filter(
      ({ model, resolution, audio }) => !audio && (resolution === '720p' || model === 'kling-v2-1-master'),
    );
    const orders = small.map(
      ({ model, resolution, audio, fields }) => [model, { ...fields, resolution, generate_audio: audio }] as const,
    );
    expect(await endsOf(paired, [...orders, ...EXTRAS], key)).toEqual(allCompleted([...orders, ...EXTRAS]));
    expect(legacy.violations).toEqual([]);
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from './ground/id.ts';
import { Secret } from './ground/secret.ts';

/** A secret of this installation, made at the first start and kept beside the data, readable by its owner only. */
export function ownSecret(folder: string, name: 'pepper.key' | 'secret.key', random: Random): Secret {
  const path = join(folder, name);
  try {
    return new Secret(readFileSync(path, 'utf8').trim());
  } catch {
    const made = Buffer.from(random.bytes(32)).toString('base64');
    writeFileSync(path, `${made}\n`, { mode: 0o600, flag: 'wx' });
    return new Secret(made);
  }
}

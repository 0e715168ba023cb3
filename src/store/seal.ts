import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../ground/id.ts';
import type { Secret } from '../ground/secret.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a signature is made for: one made for a purpose proves nothing for another. */
export type SealPurpose = 'media link' | 'hook secret' | 'credential' | 'submission';

/** Encrypts what must be stored but may not lie in clear: signed links, tenants' webhook secrets. AES-256-GCM. */
export class Sealer {
  readonly #key: Buffer;
  readonly #random: Random;

  /** Any secret of enough chance serves: the key is its SHA-256. */
  constructor(secret: Secret, random: Random) {
    this.#key = createHash('sha256').update('reelay seal').update(secret.reveal()).digest();
    this.#random = random;
  }

  /** The text, sealed, as base64. */
  seal(text: string): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64');
  }

  /** The text; null when it was sealed with another key, or has been changed. */
  open(sealed: string): string | null {
    const bytes = Buffer.from(sealed, 'base64');
    if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    try {
      const text = decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch {
      return null;
    }
  }

  /** A signature over the text that only this installation can make. Hex. */
  sign(purpose: SealPurpose, text: string): string {
    return createHmac('sha256', this.#key).update(`${purpose}\n${text}`).digest('hex');
  }

  /** Whether the signature is ours, compared in constant time. */
  verify(purpose: SealPurpose, text: string, signature: string): boolean {
    const expected = Buffer.from(this.sign(purpose, text));
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}

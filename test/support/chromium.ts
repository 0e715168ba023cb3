import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where a Chromium is installed; null when none is, and page tests say that they were skipped for that. */
export const chromiumPath: string | null = PLACES.find((place) => existsSync(place)) ?? null;

/** Starts it without a window, without a sandbox (tests may run as root) and without any network of its own. */
export async function openChromium(): Promise<Browser> {
  if (chromiumPath === null) throw new Error('no Chromium is installed');
  return await chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
}

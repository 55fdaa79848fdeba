/** A real browser for a test: Debian's Chromium, headless, driven by playwright-core. */
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Browser, chromium } from 'playwright-core';

const program = '/usr/bin/chromium';

const quiet = [
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why a test that needs Chromium is skipped, for `test`'s options; false where it runs, and always under CI. */
export const withoutChromium: string | false =
  existsSync(program) || process.env.CI ? false : `${program} is not installed (apt-get install chromium)`;

/** A browser that closes with the test. Further switches are Chromium's own. */
export async function startChromium(t: TestContext, switches: readonly string[] = []): Promise<Browser> {
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: program, args: [...quiet, ...asRoot, ...switches] });
  t.after(() => browser.close());
  return browser;
}

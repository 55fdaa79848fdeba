/** A real browser for a test: Debian's Chromium, headless, driven by playwright-core. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

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
  const browser = await chromium.launch({ executablePath: program, args: argumentsOf(switches) });
  t.after(() => browser.close());
  return browser;
}

/**
 * A browser with a profile on disk, as a user has it; `env` adds to the environment it starts in. Only such a profile signs
 * in by itself with a Kerberos ticket: the pages of `startChromium` are private ones.
 */
export async function startChromiumProfile(
  t: TestContext,
  switches: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<BrowserContext> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-chromium-'));
  const options = { executablePath: program, args: argumentsOf(switches), env: { ...process.env, ...env } };
  const context = await chromium.launchPersistentContext(folder, options);
  t.after(async () => {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  });
  return context;
}

function argumentsOf(switches: readonly string[]): string[] {
  return [...quiet, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), ...switches];
}

/** Real browsers for tests: Debian's Chromium, headless, driven by playwright-core. */
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContext, type BrowserServer, chromium } from 'playwright-core';
import { tieToParent } from './server-process.ts';
import { shared } from './shared/shared.ts';

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

/** The browser that the run shares, in which a test's pages see nothing of those of others: each context starts empty. */
export async function shareChromium(t: TestContext): Promise<Browser> {
  const { endpoint } = await shared(t, { kind: 'chromium' });
  const browser = await chromium.connect(endpoint);
  t.after(() => browser.close());
  return browser;
}

/**
 * Starts a browser for several processes, who reach it at its endpoint. It is killed with this process: left to itself, it goes on
 * to write into its profile for a while.
 */
export function serveChromium(folder: string): Promise<BrowserServer> {
  const executablePath = join(folder, 'chromium.sh');
  writeFileSync(executablePath, `#!/bin/sh\nexec ${tieToParent.join(' ')} ${program} "$@"\n`, { mode: 0o700 });
  const signals = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
  return chromium.launchServer({ executablePath, args: argumentsOf([]), host: '127.0.0.1', ...signals });
}

/**
 * A browser with a profile on disk, as a user has it; `env` adds to the environment it starts in. Only such a profile signs
 * in by itself with a Kerberos ticket: the pages of the shared browser are private ones.
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

/** A real HAProxy on a known port, with its own folder and its own process, ended with the test. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../tools/folder.ts';
import { startFront } from './front-server.ts';

const program = '/usr/sbin/haproxy';

/** Options for a test that needs HAProxy: without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsHaproxy = {
  skip: existsSync(program) || process.env.CI ? false : `${program} is not installed: apt-get install haproxy`,
};

/** Starts a server on a configuration that listens on this port. */
export async function startHaproxy(t: TestContext, configuration: string, port: number): Promise<{ output(): string }> {
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'haproxy.cfg'), configuration);
  return startFront(t, { program, parameters: ['-db', '-f', 'haproxy.cfg'], folder, port });
}

/** What `haproxy -c` says of a configuration. */
export async function testHaproxy(t: TestContext, configuration: string): Promise<{ ok: boolean; output: string }> {
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'haproxy.cfg'), configuration);
  const result = spawnSync(program, ['-c', '-f', 'haproxy.cfg'], { cwd: folder, encoding: 'utf8' });
  return { ok: result.status === 0, output: result.stdout + result.stderr };
}

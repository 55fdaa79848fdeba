/** A real Caddy on a known port, with its own folder and its own process, ended with the test. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../tools/folder.ts';
import { startFront } from './front-server.ts';

const program = '/usr/bin/caddy';

/** Options for a test that needs Caddy: without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsCaddy = {
  skip: existsSync(program) || process.env.CI ? false : `${program} is not installed: apt-get install caddy`,
};

/** Nothing but the sites: no admin listener on a fixed port, nothing written outside the folder. */
const general = '{\n  admin off\n  auto_https off\n}\n';

/** Starts a server on a Caddyfile that listens on this port. */
export async function startCaddy(t: TestContext, caddyfile: string, port: number): Promise<{ output(): string }> {
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'Caddyfile'), general + caddyfile);
  const parameters = ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'];
  return startFront(t, { program, parameters, folder, port, env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } });
}

/** What `caddy validate` says of a Caddyfile. */
export async function testCaddy(t: TestContext, caddyfile: string): Promise<{ ok: boolean; output: string }> {
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, 'Caddyfile'), general + caddyfile);
  const result = spawnSync(program, ['validate', '--config', 'Caddyfile', '--adapter', 'caddyfile'], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    encoding: 'utf8',
  });
  return { ok: result.status === 0, output: result.stderr };
}

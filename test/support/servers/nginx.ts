/** A real nginx on a free port, with its own folder and its own process, ended with the test. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';

const program = '/usr/sbin/nginx';

/** A running server. */
export interface Nginx {
  readonly url: string;
  readonly port: number;
  /** What it has written to its error log so far. */
  errorLog(): string;
  /** Asks it to end, and waits for that. */
  stop(): Promise<void>;
}

/** Options for a test that needs nginx: without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsNginx = {
  skip: existsSync(program) || process.env.CI ? false : `${program} is not installed: apt-get install nginx-light`,
};

/**
 * Starts a server; it ends and its folder goes with the test. `http` gives what stands inside `http { … }` for the port it
 * is to listen on at 127.0.0.1: a free one, unless others already know which.
 */
export async function startNginx(t: TestContext, http: (port: number) => string, known?: number): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-nginx-'));
  const errorLog = () => (existsSync(join(folder, 'error.log')) ? readFileSync(join(folder, 'error.log'), 'utf8') : '');
  let child: ChildProcess | undefined;
  const stop = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  };
  t.after(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });
  // Between the probe of a port and the start somebody else may take it.
  for (let attempt = 1; ; attempt += 1) {
    const port = known ?? (await freePort());
    writeFileSync(join(folder, 'nginx.conf'), configOf(folder, http(port)));
    child = run(folder);
    if (await listens(child, port)) return { url: `http://127.0.0.1:${port}`, port, errorLog, stop };
    if (attempt === 5 || known !== undefined || !errorLog().includes('Address already in use'))
      throw new Error(`nginx did not start: ${errorLog()}`);
  }
}

/** What `nginx -t` says of the inside of `http { … }`, without starting anything. */
export function testNginx(http: string): { ok: boolean; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-nginx-'));
  try {
    writeFileSync(join(folder, 'nginx.conf'), configOf(folder, http));
    const result = spawnSync(program, ['-t', '-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], {
      encoding: 'utf8',
    });
    return { ok: result.status === 0, output: result.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(folder: string): ChildProcess {
  return spawn(program, ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' });
}

/** One process in the foreground: it ends when it is told to, and writes with the rights of the test. */
function configOf(folder: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    'daemon off;',
    'master_process off;',
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log notice;`,
    'events { worker_connections 512; }',
    'http {',
    'access_log off;',
    ...temporary.map((name) => `${name}_temp_path ${folder}/${name};`),
    http,
    '}',
    '',
  ].join('\n');
}

/** True once it accepts connections, false when it has ended instead. */
async function listens(child: ChildProcess, port: number): Promise<boolean> {
  const state = await until(
    'nginx accepts connections',
    async () => (child.exitCode !== null ? 'ended' : (await answers(port)) && 'listens'),
    60_000,
  );
  return state === 'listens' && child.exitCode === null;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

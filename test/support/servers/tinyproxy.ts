/** A real forward proxy (tinyproxy) on a port of its own, which says what it was asked for, and ends with the test. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import { startFront } from './front-server.ts';

const program = '/usr/bin/tinyproxy';

/** Options for a test that needs the proxy: without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsTinyproxy = {
  skip: existsSync(program) || process.env.CI ? false : `${program} is not installed: apt-get install tinyproxy-bin`,
};

/** A running proxy. */
export interface Tinyproxy {
  /** Its address without credentials, and with those that it wants. */
  readonly origin: string;
  readonly url: string;
  /** What it was asked for, as `CONNECT 127.0.0.1:4711` or `GET http://…`. */
  requests(): string[];
}

/** What a proxy asks of whoever uses it. */
interface TinyproxyOptions {
  readonly user?: string;
  readonly password?: string;
  /** The ports to which it opens tunnels; all when absent. */
  readonly ports?: readonly number[];
}

/** Starts one. */
export async function startTinyproxy(t: TestContext, options: TinyproxyOptions = {}): Promise<Tinyproxy> {
  const { user, password, ports = [] } = options;
  const [folder, port] = [await temporaryFolder(t), await freePort()];
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Allow 127.0.0.1',
    'LogLevel Connect',
    ...(user === undefined ? [] : [`BasicAuth ${user} ${password}`]),
    ...ports.map((allowed) => `ConnectPort ${allowed}`),
  ];
  writeFileSync(join(folder, 'tinyproxy.conf'), `${lines.join('\n')}\n`);
  const front = await startFront(t, { program, parameters: ['-d', '-c', 'tinyproxy.conf'], folder, port });
  const credentials = user === undefined ? '' : `${user}:${encodeURIComponent(password ?? '')}@`;
  return {
    origin: `http://127.0.0.1:${port}`,
    url: `http://${credentials}127.0.0.1:${port}`,
    requests: () =>
      [...front.output().matchAll(/Request \(file descriptor \d+\): (\S+ \S+)/g)].map(([, line = '']) => line),
  };
}

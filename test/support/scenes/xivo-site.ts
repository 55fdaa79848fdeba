/** A site of XiVO's that has moved: the gateway as a process of its own, with nothing but XiVO's environment. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startUpstream, type TestUpstream } from '../servers/upstream.ts';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';
import { Visitor } from './visitor.ts';

const program = path.resolve(import.meta.dirname, '../../../src/cli/main.ts');

/** The settings of a site, and the application behind it. */
export interface XivoSite {
  readonly env: Readonly<Record<string, string>>;
  readonly url: URL;
  /** Where it keeps its files; also the working directory of its commands. */
  readonly folder: string;
  readonly upstream: TestUpstream;
  /** Runs a command of the gateway in the same environment. */
  command(words: readonly string[], input?: string): { status: number | null; stdout: string; stderr: string };
}

/** A gateway that serves a site. */
export interface ServedSite {
  readonly child: ChildProcess;
  readonly visitor: () => Visitor;
  /** Everything that it has said so far. */
  readonly log: () => string;
}

/** A site with XiVO's variables; `more` adds to or replaces them. */
export async function xivoSite(t: TestContext, more: Readonly<Record<string, string>> = {}): Promise<XivoSite> {
  const folder = await temporaryFolder(t);
  const upstream = await startUpstream(t);
  const url = new URL(`http://127.0.0.1:${await freePort()}`);
  const env = {
    XUC_HOST: '127.0.0.1',
    LOGIN_TIMEOUT_MS: '7000',
    GATEHOUSE_XUC_HOST: `127.0.0.1:${upstream.port}`,
    GATEHOUSE_LISTEN: url.origin,
    GATEHOUSE_PUBLIC_URL: url.origin,
    GATEHOUSE_ADMIN_LISTEN: 'http://127.0.0.1:0',
    GATEHOUSE_DATA: path.join(folder, 'data'),
    ...more,
  };
  const command: XivoSite['command'] = (words, input = '') =>
    spawnSync(process.execPath, [program, ...words], { cwd: folder, env, input, encoding: 'utf8' });
  return { env, url, folder, upstream, command };
}

/** Starts the gateway of a site; it ends with the test. */
export async function serveSite(t: TestContext, { env, folder, url }: XivoSite): Promise<ServedSite> {
  const child = spawn(process.execPath, [program, 'serve'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    if ('passed' in t && t.passed === false) t.diagnostic(`the gateway has said:\n${lines.join('')}`);
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => lines.push(String(text)));
  await until(
    'the gateway is ready',
    () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended: ${lines.join('')}`);
      return lines.some((line) => line.includes('the gateway is ready'));
    },
    60_000,
  );
  return { child, visitor: () => new Visitor(url), log: () => lines.join('') };
}

/** A trust store with one certificate, as the manual's keytool makes it of a full chain, and the words of JAVA_OPTS for it. */
export function trustStoreOptions(folder: string, certificate: string, password = 'changeit'): string {
  const store = path.join(folder, 'ldapCertTrustStore');
  const words = ['pkcs12', '-export', '-nokeys', '-in', certificate, '-out', store, '-passout', `pass:${password}`];
  execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  return `-Djavax.net.ssl.trustStore=${store} -Djavax.net.ssl.trustStorePassword=${password}`;
}

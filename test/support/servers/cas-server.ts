/**
 * Real CAS servers for tests. Most tests share the server of the run, in which each has people of its own; one that stops or
 * freezes the server starts its own.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CasBrowser } from './cas-browser.ts';
import { type CasUser, endCas, gunicorn, prepareCas, serveCas, signalCas, writeCasUsers } from './cas-process.ts';
import { shared } from './shared/shared.ts';

/** Who is known to the server, and how it is reached. */
export interface CasServerOptions {
  readonly users: readonly CasUser[];
  readonly tls?: boolean;
}

/** A server to sign in at. */
export interface CasServer {
  /** The base address, as it stands in the configuration of the gateway. */
  readonly url: string;
  /** A browser that has not signed in here yet. */
  browser(): CasBrowser;
}

/** A server of the test's own. */
export interface OwnCasServer extends CasServer {
  /** Freezes it: connections are still accepted by the kernel, nothing is answered (SIGSTOP). */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** Starts it again after a stop, at the same address and with what it knew. */
  start(): Promise<void>;
}

/** Options for a test that needs the server. Without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsCas: { readonly skip: string | false } = {
  skip:
    (existsSync('/usr/lib/python3/dist-packages/cas_server') && existsSync(gunicorn)) || process.env.CI === 'true'
      ? false
      : 'django-cas-server is not installed: apt-get install python3-django-cas-server gunicorn',
};

/** The server that the run shares, with these people. */
export async function shareCas(t: TestContext, { users, tls = false }: CasServerOptions): Promise<CasServer> {
  const { folder, port, number } = await shared(t, { kind: tls ? 'casTls' : 'cas' });
  const test = `test${number}`;
  writeCasUsers(folder, test, users);
  return serverAt(port, test, tls);
}

/** Starts a server; it ends and its folder goes with the test. */
export async function startCas(t: TestContext, { users, tls = false }: CasServerOptions): Promise<OwnCasServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-cas-'));
  prepareCas(folder);
  writeCasUsers(folder, 'own', users);
  let { child, port } = await serveCas(folder, { tls });
  t.after(async () => {
    await endCas(child);
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    ...serverAt(port, 'own', tls),
    pause: () => signalCas(child, 'SIGSTOP'),
    resume: () => signalCas(child, 'SIGCONT'),
    stop: () => endCas(child),
    start: async () => {
      ({ child, port } = await serveCas(folder, { port, tls }));
    },
  };
}

function serverAt(port: number, test: string, tls: boolean): CasServer {
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}/${test}/cas`;
  return { url, browser: () => new CasBrowser(url) };
}

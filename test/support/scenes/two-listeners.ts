/** One https port with two listeners: `people.test` asks nobody for a certificate, `machines.test` asks everybody. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import type { TestContext } from 'node:test';
import { connect, getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import type { Clock } from '../../../src/core/clock.ts';
import { type CertificateFiles, issueCertificate, testCertificates } from '../tools/certificates.ts';
import { freePort } from '../tools/free-port.ts';
import type { Yaml } from './gateway.ts';
import { type Site, site } from './site.ts';

/** Certificates of clients, made once. */
interface ClientFiles {
  readonly good: CertificateFiles;
  readonly serverOnly: CertificateFiles;
  readonly anyUse: CertificateFiles;
  readonly foreign: CertificateFiles;
}

/** What a client got: a status, or how its connection ended. */
export interface Got {
  readonly status: number | undefined;
  readonly text: string;
  readonly error?: string;
}

/** Such a site. */
export interface TwoListeners extends Site {
  readonly port: number;
  readonly listeners: Yaml;
  readonly clients: ClientFiles;
  readonly ca: string;
  /** One request over HTTP/1.1 on a connection of its own. */
  get(servername: string, options?: GetOptions): Promise<Got>;
  /** A connection of HTTP/2, closed with the test. */
  http2(servername: string, client?: CertificateFiles): http2.ClientHttp2Session;
  /** A bare connection after its handshake. */
  tls(servername: string, client?: CertificateFiles): Promise<TLSSocket>;
}

interface GetOptions {
  readonly host?: string;
  readonly path?: string;
  readonly client?: CertificateFiles;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: https.Agent;
}

let clients: ClientFiles | undefined;

function clientFiles(): ClientFiles {
  clients ??= {
    good: issueCertificate('machine-1', 'DNS:machine-1.test'),
    serverOnly: issueCertificate('server-only', 'DNS:server-only.test', [], undefined, { uses: 'serverAuth' }),
    anyUse: issueCertificate('any-use', 'DNS:any-use.test', [], undefined, { uses: '' }),
    foreign: issueCertificate('foreign', 'DNS:foreign.test', [], undefined, { byOther: true }),
  };
  return clients;
}

let served: { people: CertificateFiles; machines: CertificateFiles } | undefined;

/** The certificates of the two; that of people is also for the machines, as one wildcard certificate is. */
export function servedFiles() {
  served ??= {
    people: issueCertificate('people', 'DNS:people.test,DNS:machines.test'),
    machines: issueCertificate('machines', 'DNS:machines.test'),
  };
  return served;
}

const asLoaded = ({ certificate, key }: CertificateFiles) => ({
  cert: readFileSync(certificate),
  key: readFileSync(key),
});

/** Starts one. Further keys go over the usual ones. */
export async function twoListeners(
  t: TestContext,
  { config = {}, clock, machines = {} }: { config?: Yaml; clock?: Clock; machines?: Yaml } = {},
): Promise<TwoListeners> {
  const { people, machines: own } = servedFiles();
  const port = await freePort();
  const listen = `https://127.0.0.1:${port}`;
  const listeners = {
    people: { listen, hosts: ['people.test'], tls: people },
    machines: {
      listen,
      hosts: ['machines.test'],
      tls: own,
      clientCertificates: { ask: 'required', authorities: testCertificates().ca },
      ...machines,
    },
  };
  const started = await site(t, {
    ...(clock && { clock }),
    config: {
      ...config,
      server: { listen: undefined, publicUrl: `https://people.test:${port}`, drain: '1s' },
      listeners,
    },
  });
  const ca = readFileSync(testCertificates().ca, 'utf8');
  const target = (servername: string, client?: CertificateFiles) => ({
    ...{ port, host: '127.0.0.1', servername, ca },
    ...(client && asLoaded(client)),
  });
  return {
    ...{ ...started, port, listeners, ca, clients: clientFiles() },
    get: (servername, { host = servername, path: target_ = '/public', client, headers = {}, agent } = {}) =>
      new Promise((resolve) => {
        const request = https.request(
          {
            ...target(servername, client),
            path: target_,
            headers: { host: `${host}:${port}`, ...headers },
            agent: agent ?? new https.Agent({ maxCachedSessions: 0 }),
          },
          (response) => {
            let text = '';
            response.setEncoding('utf8');
            response.on('data', (chunk: string) => (text += chunk));
            response.on('end', () => resolve({ status: response.statusCode, text }));
            response.on('error', (error) => resolve({ status: undefined, text, error: String(error) }));
          },
        );
        request.on('error', (error) => resolve({ status: undefined, text: '', error: String(error) }));
        request.end();
      }),
    http2: (servername, client) => {
      const session = http2.connect(`https://${servername}:${port}`, { ...target(servername, client) });
      session.on('error', () => undefined);
      t.after(() => session.destroy());
      return session;
    },
    tls: (servername, client) =>
      new Promise((resolve, reject) => {
        const socket = connect({ ...target(servername, client), ALPNProtocols: ['http/1.1'] });
        socket.once('secureConnect', () => resolve(socket)).on('error', reject);
        t.after(() => socket.destroy());
      }),
  };
}

/** Has Node take a CA for one of the public ones, for as long as the test lasts: a context without `ca` would trust it. */
export function publicCa(t: TestContext, file: string): void {
  const before = getCACertificates('default');
  setDefaultCACertificates([readFileSync(file, 'utf8')]);
  t.after(() => setDefaultCACertificates(before));
}

/** What `openssl s_client` prints, with a request on its input. */
export function sClient(port: number, words: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...words], { stdio: 'pipe' });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('close', () => resolve(text));
  });
}

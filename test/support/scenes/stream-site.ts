/** A gateway with streams, servers behind them that remember what they got, and clients over TCP and TLS. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../../../src/core/clock.ts';
import { type CertificateFiles, testCertificates } from '../tools/certificates.ts';
import { until } from '../tools/poll.ts';
import { gateway, type TestGateway, type Yaml } from './gateway.ts';

/** A server behind a stream. */
export interface BackServer {
  readonly port: number;
  /** All that has come, over all connections. */
  received(): Buffer;
  /** Its connections, in the order in which they came. */
  readonly sockets: readonly Socket[];
}

/** What a server does with a connection; takes what comes and says nothing when absent. */
type Behave = (socket: Socket) => void;

/** Sends back what comes, and ends when the client does. */
export const echo: Behave = (socket) => void socket.pipe(socket);

/** A server over TCP, or over TLS with these options. */
export async function backServer(
  t: TestContext,
  behave: Behave = () => undefined,
  tls?: TlsOptions,
): Promise<BackServer> {
  const chunks: Buffer[] = [];
  const sockets: Socket[] = [];
  const take = (socket: Socket): void => {
    sockets.push(socket);
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk));
    behave(socket);
  };
  const server = tls
    ? createTlsServer({ ...tls, allowHalfOpen: true } as TlsOptions, take)
    : createServer({ allowHalfOpen: true }, take);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, received: () => Buffer.concat(chunks), sockets };
}

/** A certificate and its key as Node takes them. */
export const loaded = ({ certificate, key }: CertificateFiles) => ({
  cert: readFileSync(certificate),
  key: readFileSync(key),
});

/** A client's end, with what has come and how it ended. */
export interface StreamClient {
  readonly socket: Socket;
  readonly text: () => string;
  readonly bytes: () => Buffer;
  /** `end`, or the code of the error. */
  readonly ended: Promise<string>;
}

function clientOf(t: TestContext, socket: Socket): StreamClient {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  let failure: string | undefined;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error.code ?? error.message;
  });
  const ended = new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('close', () => resolve(failure ?? 'close'));
  });
  t.after(() => socket.destroy());
  const bytes = (): Buffer => Buffer.concat(chunks);
  return { socket, bytes, text: () => bytes().toString('latin1'), ended };
}

/** A running gateway with streams. */
export interface StreamSite extends TestGateway {
  /** Where a stream really listens. */
  port(origin: string): number;
  tcp(port: number): StreamClient;
  tls(port: number, options?: { readonly servername?: string; readonly client?: CertificateFiles }): StreamClient;
  /** The records of ends, once there are as many. */
  ends(count: number): Promise<Record<string, unknown>[]>;
  /** Reads another configuration; fails where it is not taken. */
  reload(streams: Yaml, more?: Yaml): Promise<void>;
}

/** Starts one. */
export async function streamSite(
  t: TestContext,
  streams: Yaml,
  more: { readonly clock?: Clock; readonly config?: Yaml } = {},
): Promise<StreamSite> {
  const config = (given: Yaml, extra: Yaml = more.config ?? {}): Yaml => ({
    routes: [{ location: '/', respond: { status: 200, body: 'ok' }, access: 'public' }],
    ...extra,
    streams: given,
  });
  const started = await gateway(t, { config: config(streams), ...(more.clock && { clock: more.clock }) });
  const ca = readFileSync(testCertificates().ca);
  return {
    ...started,
    port: (origin) => {
      const place = started.running.front.places.find(([configured]) => configured === origin);
      if (!place) throw new Error(`nothing listens at ${origin}`);
      return Number(new URL(place[1]).port);
    },
    tcp: (port) => clientOf(t, connect({ port, host: '127.0.0.1', allowHalfOpen: true })),
    tls: (port, { servername = 'localhost', client } = {}) => {
      const transport = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const own = client && loaded(client);
      return clientOf(t, tlsConnect({ socket: transport, servername, ca, ...own, rejectUnauthorized: false }));
    },
    ends: (count) =>
      until(`${count} ends of streams`, () => {
        const found = started.audit('stream');
        return found.length >= count && found;
      }),
    reload: async (given, extra) => {
      await started.write(config(given, extra));
      const answer = await started.running.reload({ actor: 'signal' });
      if (answer.kind !== 'reloaded') throw new Error(JSON.stringify(answer));
    },
  };
}

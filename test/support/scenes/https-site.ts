/** A site over https, and clients of HTTP/1.1 and HTTP/2 that trust its CA. */

import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { Agent } from 'undici';
import type { Clock } from '../../../src/core/clock.ts';
import { testCertificates } from '../tools/certificates.ts';
import { freePort } from '../tools/free-port.ts';
import type { Yaml } from './gateway.ts';
import { type Site, site } from './site.ts';
import { Visitor } from './visitor.ts';

/** A site over https. */
export interface HttpsSite extends Omit<Site, 'visitor'> {
  /** `https://localhost:PORT`, which is the public address. */
  readonly origin: string;
  readonly port: number;
  readonly ca: string;
  visitor(protocol?: 'h1' | 'h2'): Visitor;
  /** A connection of HTTP/2, closed with the test. */
  http2(): http2.ClientHttp2Session;
  /** A bare TLS connection after its handshake. */
  tls(options?: { readonly servername?: string; readonly alpn?: readonly string[] }): Promise<TLSSocket>;
}

/** Starts one. Further keys of `server` and of the whole configuration go over the usual ones. */
export async function httpsSite(
  t: TestContext,
  options: { readonly server?: Yaml; readonly config?: Yaml; readonly clock?: Clock } = {},
): Promise<HttpsSite> {
  const certificates = testCertificates();
  const ca = readFileSync(certificates.ca, 'utf8');
  const port = await freePort();
  const origin = `https://localhost:${port}`;
  const started = await site(t, {
    ...(options.clock && { clock: options.clock }),
    config: {
      ...options.config,
      server: {
        listen: `https://127.0.0.1:${port}`,
        publicUrl: origin,
        tls: certificates.good,
        drain: '1s',
        ...options.server,
      },
    },
  });
  return {
    ...started,
    origin,
    port,
    ca,
    visitor: (protocol = 'h1') => {
      const agent = new Agent({ allowH2: protocol === 'h2', connect: { ca } });
      t.after(() => agent.destroy());
      return new Visitor(new URL(origin), agent);
    },
    http2: () => {
      const session = http2.connect(origin, { ca });
      session.on('error', () => undefined);
      t.after(() => session.destroy());
      return session;
    },
    tls: ({ servername = 'localhost', alpn = ['http/1.1'] } = {}) =>
      new Promise((resolve, reject) => {
        const socket = connect({
          port,
          host: '127.0.0.1',
          servername,
          ca,
          ALPNProtocols: [...alpn],
          rejectUnauthorized: false,
        });
        socket.once('secureConnect', () => resolve(socket)).on('error', reject);
        t.after(() => socket.destroy());
      }),
  };
}

/** An answer over HTTP/2. */
export interface Http2Answer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly text: string;
  /** What came before it. */
  readonly informational: readonly number[];
  /** With which the stream ended; 0 is well. */
  readonly code: number;
}

/** One request over HTTP/2, its answer read to the end. */
export function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders | readonly string[],
  body?: string | Buffer,
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  return new Promise((resolve) => {
    const informational: number[] = [];
    let found: http2.IncomingHttpHeaders = {};
    let text = '';
    stream.setEncoding('utf8');
    stream
      .on('headers', (more) => informational.push(Number(more[':status'])))
      .on('response', (response) => {
        found = response;
      })
      .on('data', (chunk: string) => {
        text += chunk;
      })
      .on('error', () => undefined)
      .once('close', () =>
        resolve({
          status: Number(found[':status'] ?? 0),
          headers: found,
          text,
          informational,
          code: stream.rstCode ?? 0,
        }),
      );
    if (body !== undefined) stream.end(body);
  });
}

/**
 * Speaks to a forward proxy: connects to it, and asks it for a tunnel (CONNECT, RFC 9110 §9.3.6). What fails here is the proxy's
 * and says so, with the step and its time; at the end of a tunnel the server must be who it says it is, as without one.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Failure } from '../core/failure.ts';
import { connectTls, type TlsClientOptions, tlsClientOptions } from '../tls/client.ts';
import { networkFailure } from './network-error.ts';
import type { ForwardProxy } from './outbound-proxy.ts';

/** A server as a tunnel leads to it. */
export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
}

const maxHeadBytes = 16_384;

/** A connection to the proxy itself. */
export async function dialProxy(proxy: ForwardProxy, signal: AbortSignal): Promise<Socket> {
  const { protocol, hostname, port } = new URL(proxy.origin);
  const isSecure = protocol === 'https:';
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (isSecure ? 443 : 80)) };
  return atProxy(proxy, 'connect', () =>
    isSecure
      ? ready(connectTls(target, tlsClientOptions()), 'secureConnect', signal)
      : ready(connect(target.port, target.host), 'connect', signal),
  );
}

/** A connection to the target by way of the proxy. */
export async function openTunnel(proxy: ForwardProxy, target: TunnelTarget, signal: AbortSignal): Promise<Socket> {
  const socket = await dialProxy(proxy, signal);
  const authority = authorityOf(target);
  try {
    await atProxy(proxy, `CONNECT ${authority}`, async () => {
      const who = proxy.authorization ? `Proxy-Authorization: ${proxy.authorization.reveal()}\r\n` : '';
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${who}\r\n`);
      const refused = refusal(statusIn(await readHead(socket, signal)), proxy);
      if (refused) throw refused;
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** TLS with the target through a tunnel: the certificate is the target's own, and judged as without a proxy. */
export async function secureTunnel(
  {
    proxy,
    target,
    tls,
  }: { readonly proxy: ForwardProxy; readonly target: TunnelTarget; readonly tls: TlsClientOptions },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = await openTunnel(proxy, target, signal);
  try {
    return await ready(connectTls({ host: target.host, socket }, tls), 'secureConnect', signal);
  } catch (error) {
    socket.destroy();
    const failure = networkFailure(error, `${authorityOf(target)} through the proxy ${proxy.origin}: TLS`);
    throw failure ?? error;
  }
}

const ownCas =
  'a proxy is judged by the CAs of this machine, not by ca: add its CA there, or name it in NODE_EXTRA_CA_CERTS';

/** One that names its proxy already. */
class ProxyFailure extends Failure {}

/** Runs a step at the proxy; what goes wrong in it is a Failure that names both, and how long it took. */
export async function atProxy<T>(proxy: ForwardProxy, step: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProxyFailure) throw error;
    const where = `the proxy ${proxy.origin}: ${step}`;
    const failure = error instanceof Failure ? error : networkFailure(error, where);
    if (!failure) throw error;
    const said = failure === error ? `${where}: ${failure.message}` : failure.message;
    const after = `after ${Math.round(performance.now() - start)} ms`;
    const advice = failure.reason === 'tls-failed' ? ownCas : failure.hint;
    const hint = [advice, `the proxy is that of ${proxy.from}`].filter(Boolean).join('; ');
    throw new ProxyFailure(failure.reason, `${said} (${after})`, { hint });
  }
}

/**
 * What the proxy's own refusals mean, of a tunnel or of a request that it was to pass on; undefined for any other status, which
 * may be the server's.
 */
export function proxyRefusal(status: number, { authorization }: ForwardProxy): Failure | undefined {
  if (status === 407) return unwelcome(status, authorization !== undefined);
  if (status === 504) return new Failure('timed-out', 'it has no answer of the server (504)', { hint: farHint });
  return status === 502
    ? new Failure('unreachable', 'it does not reach the server (502)', { hint: farHint })
    : undefined;
}

function unwelcome(status: number, hasCredentials: boolean): Failure {
  const what = hasCredentials ? 'it does not take our credentials' : 'it wants credentials';
  const hint = 'write them into its address: http://USER:PASSWORD@HOST:PORT';
  return new Failure('misconfigured', `${what} (${status})`, { hint });
}

const farHint = 'check the address of the server, and whether the proxy may and can reach it; its log says more';

function refusal(status: number, proxy: ForwardProxy): Failure | undefined {
  if (status >= 200 && status < 300) return undefined;
  // tinyproxy says 401 of wrong credentials.
  const known = status === 401 ? unwelcome(status, proxy.authorization !== undefined) : proxyRefusal(status, proxy);
  if (known) return known;
  return status >= 500
    ? new Failure('unreachable', `it answers ${status}`, { hint: farHint })
    : new Failure('misconfigured', `it answers ${status}`, { hint: 'have it allow CONNECT to this host and port' });
}

function statusIn(head: string): number {
  const [, digits] = /^HTTP\/1\.[01] (\d{3})(?:[ \r\n])/.exec(head) ?? [];
  if (digits !== undefined) return Number(digits);
  throw new Failure('protocol-error', 'its answer is not HTTP', { hint: 'check that a forward proxy listens there' });
}

/** The head of an answer; nothing may follow it, since it is for us to speak first then. */
async function readHead(socket: Socket, signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    const part = await nextPart(socket, signal);
    if (!part) throw new Failure('unreachable', 'it hung up', { hint: 'its log says more' });
    parts.push(part);
    length += part.length;
    const head = Buffer.concat(parts).toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end !== -1 && end + 4 === head.length) return head;
    // Of a refusal, whose connection ends here, the page does not matter.
    if (end !== -1 && !/^HTTP\/1\.[01] 2/.test(head)) return head;
    if (end !== -1 || length > maxHeadBytes)
      throw new Failure('protocol-error', 'it sends more than the head of an answer', {
        hint: 'check what listens there',
      });
    if (length > 12) statusIn(head);
  }
}

/** What comes next on a socket that nobody else reads; undefined at its end. */
async function nextPart(socket: Socket, signal: AbortSignal): Promise<Buffer | undefined> {
  const part: unknown = socket.read();
  if (Buffer.isBuffer(part)) return part;
  if (socket.readableEnded || socket.destroyed) return undefined;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  try {
    await Promise.race([once(socket, 'readable', { signal: either }), once(socket, 'end', { signal: either })]);
  } finally {
    stop.abort();
  }
  return nextPart(socket, signal);
}

async function ready<S extends Socket>(socket: S, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<S> {
  try {
    await once(socket, event, { signal });
    // Errors later are those of whoever reads; without a listener they would end the process.
    return socket.on('error', () => undefined);
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
}

function authorityOf({ host, port }: TunnelTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

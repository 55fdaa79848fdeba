/**
 * Sockets to a directory: TCP, TLS and StartTLS, each ended by a signal. LDAP itself is spoken by `connection.ts` over what
 * is made here.
 */

import { connect as connectTcp, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Failure } from '../../core/failure.ts';
import { abortable } from '../../remote/deadline.ts';
import type { Authorities } from '../../tls/authorities.ts';
import { connectTls, type TlsClientOptions } from '../../tls/client.ts';

/** Where a directory listens. */
export interface Server {
  /** As configured: `ldaps://host:636`. */
  readonly label: string;
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly secure: boolean;
}

/** How connections are protected. */
export interface Security {
  readonly startTls: boolean;
  /** The name in the certificate, where it is not the host of the URL. */
  readonly servername: string | undefined;
  /** Instead of the machine's. */
  readonly authorities: Authorities | undefined;
  /** Made on first use: reading the machine's CAs takes time that plain LDAP need not spend. */
  tls(): TlsClientOptions;
}

/** Reads `ldap://host[:port]` or `ldaps://host[:port]`; undefined for anything else. */
export function readServer(text: string): Server | undefined {
  const url = /^ldaps?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (!url?.hostname || url.username || url.password || url.search || url.hash || !/^\/?$/.test(url.pathname))
    return undefined;
  const secure = url.protocol === 'ldaps:';
  const port = url.port === '' ? (secure ? 636 : 389) : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { label: `${url.protocol}//${url.hostname}:${port}`, host, port, secure };
}

/** A connected socket, with TLS as the server and the options want it. The signal destroys it until then, not afterwards. */
export async function openSocket(server: Server, security: Security, signal: AbortSignal): Promise<Socket> {
  const plain = await openTcp(server, signal);
  if (!server.secure && !security.startTls) return plain;
  if (!server.secure) await requestStartTls(plain, signal);
  return secureSocket(plain, server, security, signal);
}

/** A plain TCP connection, to `address` where one of several is meant. */
export async function openTcp(server: Server, signal: AbortSignal, address = server.host): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connectTcp({ host: address, port: server.port, noDelay: true, keepAlive: true });
  await opened(socket, 'connect', signal);
  return socket;
}

/** Shakes hands over a plain connection; chain, name and pins are checked before this returns. */
export async function secureSocket(
  plain: Socket,
  server: Server,
  security: Security,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secure = connectTls({ socket: plain, host: security.servername ?? server.host }, security.tls());
  secure.once('close', () => plain.destroy());
  await opened(secure, 'secureConnect', signal);
  return secure;
}

// ExtendedRequest with message id 1 and the name 1.3.6.1.4.1.1466.20037, RFC 4511 §4.14.
const startTlsRequest = Buffer.concat([
  Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16]),
  Buffer.from('1.3.6.1.4.1.1466.20037'),
]);

/**
 * Asks for StartTLS. The answer must be all there is: bytes that follow it in plain text come from somebody in between who
 * wants them read as if they had come through TLS, where they could end as a forged answer to a bind (CVE-2011-0411's kind).
 */
export async function requestStartTls(socket: Socket, signal: AbortSignal): Promise<void> {
  const answer = await exchange(socket, startTlsRequest, signal);
  // LDAPMessage, message id 1, ExtendedResponse, resultCode: all with short lengths but for the outer ones.
  const body = contentOf(answer);
  const response = body?.subarray(0, 3).equals(Buffer.from([0x02, 0x01, 0x01])) ? body.subarray(3) : undefined;
  const result = response?.[0] === 0x78 ? contentOf(response) : undefined;
  if (result?.[0] !== 0x0a || result[1] !== 0x01) {
    socket.destroy();
    throw new Failure('protocol-error', 'the answer to StartTLS is not LDAP', { hint: 'check the port in url' });
  }
  if (result[2] !== 0) {
    socket.destroy();
    throw new Failure('tls-failed', `the server refuses StartTLS (result code ${result[2]})`, {
      hint: 'give the server a certificate, or use ldaps://',
    });
  }
}

async function exchange(socket: Socket, request: Buffer, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let received = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const length = received[0] === 0x30 ? messageLength(received) : -1;
    if (length === undefined) return;
    if (length === received.length) resolve(received);
    else if (length < 0 || length < received.length || length > 4096) {
      reject(
        new Failure('protocol-error', 'the answer to StartTLS is not one LDAP message', {
          hint: 'check the port in url',
        }),
      );
    }
  };
  const onClose = () => reject(new Failure('unreachable', 'the server hung up when asked for StartTLS'));
  socket.on('data', onData).once('close', onClose).once('error', reject);
  try {
    socket.write(request);
    return await orDestroyed(socket, promise, signal);
  } finally {
    socket.pause().off('data', onData).off('close', onClose).off('error', reject);
  }
}

/** The length of the whole message that begins here; undefined until its head is there. */
export function messageLength(bytes: Buffer): number | undefined {
  const first = bytes[1];
  if (first === undefined) return undefined;
  if (first < 0x80) return 2 + first;
  const size = first & 0x7f;
  if (size === 0 || size > 4) return -1;
  return bytes.length < 2 + size ? undefined : 2 + size + bytes.readUIntBE(2, size);
}

function contentOf(message: Buffer): Buffer | undefined {
  const first = message[1];
  if (first === undefined) return undefined;
  return message.subarray(first < 0x80 ? 2 : 2 + (first & 0x7f));
}

async function opened(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(Object.assign(new Error('closed before it was open'), { code: 'ECONNRESET' }));
  socket.once(event, resolve).once('error', reject).once('close', onClose);
  try {
    await orDestroyed(socket, promise, signal);
  } finally {
    socket.off(event, resolve).off('error', reject).off('close', onClose);
  }
}

/** What is waited for on a socket; where it fails, or the signal comes first, the socket is no more. */
async function orDestroyed<T>(socket: Socket, work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await abortable(
      signal,
      () => work,
      () => socket.destroy(),
    );
  } catch (error) {
    socket.on('error', ignore).destroy();
    throw error;
  }
}

function ignore(): void {}

/** A peer that speaks LDAP as badly as a test wants: for hangs, lies and servers that cannot be installed. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { BerReader, BerWriter } from 'ldapts';
import { testCertificates } from '../tools/certificates.ts';

/** A request as it came. */
export interface FakeRequest {
  readonly id: number;
  readonly operation: 'bind' | 'unbind' | 'search' | 'modify' | 'extended' | 'other';
  /** The DN of a bind or a modification, the base of a search, the OID of an extended request. */
  readonly name: string;
  /** Of a bind. */
  readonly password: string;
  /** The whole message. */
  readonly message: Buffer;
  readonly socket: Socket;
}

/** A running fake. */
export interface FakeLdap {
  readonly url: string;
  readonly requests: FakeRequest[];
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
}

/** How it answers: bytes to send, or nothing. */
export type FakeAnswer = (request: FakeRequest) => Buffer | undefined;

const operations: Readonly<Record<number, FakeRequest['operation']>> = {
  96: 'bind',
  66: 'unbind',
  99: 'search',
  102: 'modify',
  119: 'extended',
};

/** Listens with TLS from the start where `secure`; a request for StartTLS is a request like any other. */
export async function fakeLdap(
  t: TestContext,
  answer: FakeAnswer,
  { secure = false, port = 0 }: { readonly secure?: boolean; readonly port?: number } = {},
): Promise<FakeLdap> {
  const requests: FakeRequest[] = [];
  const { url, sockets } = await fakePeer(
    t,
    (plain) => {
      const socket = secure ? overTls(plain) : plain;
      let pending = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        pending = Buffer.concat([pending, chunk]);
        for (let length = lengthOf(pending); length <= pending.length; length = lengthOf(pending)) {
          const request = readRequest(pending.subarray(0, length), socket);
          pending = pending.subarray(length);
          requests.push(request);
          const bytes = answer(request);
          if (bytes) socket.write(bytes);
        }
      });
    },
    port,
  );
  return { url: secure ? url.replace('ldap:', 'ldaps:') : url, requests, sockets };
}

/** Listens and leaves every byte to the test. */
export async function fakePeer(
  t: TestContext,
  accept: (socket: Socket) => void,
  port = 0,
): Promise<{ url: string; sockets: ReadonlySet<Socket> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    accept(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

/** The server's side of TLS on a connection, with the good certificate. */
export function overTls(plain: Socket): TLSSocket {
  const { good } = testCertificates();
  const secureContext = createSecureContext({ cert: readFileSync(good.certificate), key: readFileSync(good.key) });
  return new TLSSocket(plain, { isServer: true, secureContext }).on('error', () => undefined);
}

/** An answer to a bind (97), a search (101), a modification (103) or an extended request (120). */
export function result(id: number, tag: 97 | 101 | 103 | 120, code: number, text = ''): Buffer {
  return message(id, (writer) => {
    writer.startSequence(tag);
    writer.writeEnumeration(code);
    writer.writeString('');
    writer.writeString(text);
    writer.endSequence();
  });
}

/** An entry in the answer to a search. */
export function entry(id: number, dn: string, attributes: Readonly<Record<string, readonly string[]>>): Buffer {
  return message(id, (writer) => {
    writer.startSequence(100);
    writer.writeString(dn);
    writer.startSequence();
    for (const [name, values] of Object.entries(attributes)) {
      writer.startSequence();
      writer.writeString(name);
      writer.startSequence(0x31);
      for (const value of values) writer.writeString(value);
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
    writer.endSequence();
  });
}

/** A reference in the answer to a search. */
export function reference(id: number, url: string): Buffer {
  return message(id, (writer) => {
    writer.startSequence(115);
    writer.writeString(url);
    writer.endSequence();
  });
}

function message(id: number, write: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  write(writer);
  writer.endSequence();
  return Buffer.from(writer.buffer);
}

function readRequest(bytes: Buffer, socket: Socket): FakeRequest {
  const reader = new BerReader(Buffer.from(bytes));
  reader.readSequence();
  const id = reader.readInt() ?? 0;
  const tag = bytes[reader.offset] ?? 0;
  const operation = operations[tag] ?? 'other';
  if (operation === 'unbind' || operation === 'other')
    return { id, operation, name: '', password: '', message: bytes, socket };
  reader.readSequence(tag);
  if (operation === 'bind') reader.readInt();
  const name = (operation === 'extended' ? reader.readString(0x80) : reader.readString()) ?? '';
  const password = operation === 'bind' && bytes[reader.offset] === 0x80 ? (reader.readString(0x80) ?? '') : '';
  return { id, operation, name, password, message: bytes, socket };
}

function lengthOf(bytes: Buffer): number {
  const first = bytes[1];
  if (first === undefined) return Number.POSITIVE_INFINITY;
  const size = first < 0x80 ? 0 : first & 0x7f;
  if (bytes.length < 2 + size) return Number.POSITIVE_INFINITY;
  return size === 0 ? 2 + first : 2 + size + bytes.readUIntBE(2, size);
}

/** One LDAP connection: ldapts on a socket of ours, every operation ended by a signal that destroys the socket. */

import type { Socket } from 'node:net';
import { Client } from 'ldapts';
import { Failure } from '../../core/failure.ts';
import { abortable } from '../../remote/deadline.ts';
import { directoryFailure } from './failure.ts';
import { messageLength, openSocket, type Security, type Server } from './transport.ts';

const largestMessage = 16 * 1024 * 1024;

/** An open connection. One operation at a time: ldapts mixes up binds that overlap. */
export class Connection {
  readonly server: Server;
  /** Whether TLS protects it. */
  readonly isSecure: boolean;
  readonly #socket: Socket;
  readonly #client: Client;
  #fault: Failure | undefined;

  private constructor(server: Server, socket: Socket) {
    this.server = server;
    this.#socket = socket;
    this.isSecure = 'encrypted' in socket && socket.encrypted === true;
    let isTaken = false;
    this.#client = new Client({
      url: 'ldap://connected',
      // Called by the first operation, and again by one that finds the connection gone: that one must fail, not hang.
      createConnection: () => {
        if (isTaken || socket.destroyed) throw new Error('Socket connection is gone');
        isTaken = true;
        watchMessages(socket, (fault) => this.#fail(fault));
        return socket;
      },
    });
    socket.on('error', () => undefined);
  }

  /** Connects and protects; does not bind. */
  static async open(server: Server, security: Security, signal: AbortSignal): Promise<Connection> {
    try {
      return new Connection(server, await openSocket(server, security, signal));
    } catch (error) {
      throw prefixed(directoryFailure(error, `${server.label}: connect`), server);
    }
  }

  /** A connection over a socket that is open already; for the probe, which opens it step by step. */
  static over(server: Server, socket: Socket): Connection {
    return new Connection(server, socket);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.readyState === 'open';
  }

  /** Runs one operation. Errors of sockets and the protocol become Failures; results of LDAP stay what they are. */
  async run<T>(signal: AbortSignal, work: (client: Client) => Promise<T>): Promise<T> {
    try {
      return await abortable(
        signal,
        () => work(this.#client),
        () => this.destroy(),
      );
    } catch (error) {
      throw this.#fault ?? error;
    }
  }

  /** Calls back once when the connection ends. */
  onClose(listener: () => void): void {
    if (this.#socket.destroyed) listener();
    else this.#socket.once('close', listener);
  }

  /** Takes leave as RFC 4511 §4.3 has it, then closes. */
  close(): void {
    // ldapts knows nothing to take leave of when no operation has run.
    if (!this.isOpen || !this.#client.isConnected) {
      this.destroy();
      return;
    }
    this.#socket.setTimeout(1000, () => this.destroy());
    this.#client.unbind().catch(() => this.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #fail(fault: Failure): void {
    this.#fault = prefixed(fault, this.server);
    this.destroy();
  }
}

/** Ends a connection whose other side does not speak LDAP: ldapts would wait for the rest of a message for ever. */
function watchMessages(socket: Socket, fail: (fault: Failure) => void): void {
  let head: number[] = [];
  let rest = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (rest > 0) {
        const skipped = Math.min(rest, chunk.length - at);
        rest -= skipped;
        at += skipped;
        continue;
      }
      head.push(chunk.readUInt8(at++));
      const length = head[0] === 0x30 ? messageLength(Buffer.from(head)) : -1;
      if (length === undefined) continue;
      if (length < 0 || length > largestMessage) return fail(notLdap(head[0]));
      rest = length - head.length;
      head = [];
    }
  });
}

function notLdap(first: number | undefined): Failure {
  const isTls = first === 0x15 || first === 0x16;
  return new Failure(
    'protocol-error',
    isTls ? 'the server speaks TLS here, not plain LDAP' : 'the server does not speak LDAP',
    {
      hint: isTls ? 'use ldaps:// in url' : 'check host and port in url',
    },
  );
}

function prefixed(fault: Failure, server: Server): Failure {
  if (fault.message.startsWith(server.label)) return fault;
  return new Failure(fault.reason, `${server.label}: ${fault.message}`, {
    hint: fault.hint,
    cause: fault.cause,
  });
}

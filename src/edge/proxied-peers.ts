/**
 * Who is at the other end of a connection that a balancer passes on. Its PROXY header is read before anything else, and the
 * address in it is the socket's from then on, for all that asks; TLS over the socket has it, too.
 */
import type { Server, Socket } from 'node:net';
import type { Log } from '../core/log.ts';
import { type Peer, readProxyHeader } from './proxy-protocol.ts';

interface ProxiedPeersParts {
  /** Whether a peer must begin each connection with the header. Nobody else may: to HTTP and TLS it is no valid beginning. */
  readonly mustTell: (address: string) => boolean;
  /** For the header to arrive, in milliseconds. */
  readonly headTimeout: number;
  readonly log: Log;
  /** Told once a socket has another peer than before. */
  readonly onTold: (socket: Socket) => void;
}

/** The peers of one listener that were told. */
export class ProxiedPeers {
  readonly #parts: ProxiedPeersParts;
  /** By both ends of the connection beneath, which TLS over it shows as well. */
  readonly #told = new Map<string, Peer>();
  readonly #waiting = new Set<Socket>();

  constructor(parts: ProxiedPeersParts) {
    this.#parts = parts;
  }

  /** Stands before whoever takes the connections of a server at this moment. */
  standBefore(server: Server): void {
    const takers = server.listeners('connection');
    server.removeAllListeners('connection');
    const handOn = (socket: Socket): void => {
      for (const take of takers) take.call(server, socket);
    };
    server.on('connection', (socket: Socket) => {
      if (this.#parts.mustTell(socket.remoteAddress ?? '')) this.#read(socket, handOn);
      else handOn(socket);
    });
  }

  /** Gives a TLS socket the peer of the connection beneath. */
  show(socket: Socket): void {
    const peer = this.#told.get(keyOf(socket));
    if (peer) setPeer(socket, peer);
  }

  /** Ends the connections that have yet to say whose they are. */
  close(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  #read(socket: Socket, handOn: (socket: Socket) => void): void {
    let bytes = Buffer.alloc(0);
    const own = socket.remoteAddress;
    const stopReading = (): void => {
      clearTimeout(deadline);
      this.#waiting.delete(socket);
      socket.off('readable', read).off('end', end).off('close', stopReading).off('error', ignore);
    };
    const refuse = (detail: string): void => {
      this.#parts.log.info({ address: own, detail }, 'a connection has no PROXY header that its peer must send');
      socket.destroy();
    };
    const read = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      bytes = Buffer.concat([bytes, chunk]);
      const header = readProxyHeader(bytes);
      if (header.kind === 'incomplete') return;
      if (header.kind === 'refused') return void refuse(header.detail);
      stopReading();
      if (header.peer) this.#rememberPeer(socket, header.peer);
      if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length));
      handOn(socket);
    };
    // A balancer that only looks whether the port is open says nothing, and there is nothing to tell.
    const end = (): void => (bytes.length > 0 ? refuse('the connection ended within it') : void socket.destroy());
    const deadline = setTimeout(() => refuse('it did not come within server.headTimeout'), this.#parts.headTimeout);
    this.#waiting.add(socket);
    socket.on('readable', read).once('end', end).once('close', stopReading).on('error', ignore);
  }

  #rememberPeer(socket: Socket, peer: Peer): void {
    const key = keyOf(socket);
    this.#told.set(key, peer);
    // Both ends may already be those of the next connection.
    socket.once('close', () => this.#told.get(key) === peer && this.#told.delete(key));
    setPeer(socket, peer);
    this.#parts.onTold(socket);
  }
}

function setPeer(socket: Socket, { address, port }: Peer): void {
  Object.defineProperties(socket, {
    remoteAddress: { value: address, configurable: true },
    remotePort: { value: port, configurable: true },
    remoteFamily: { value: address.includes(':') ? 'IPv6' : 'IPv4', configurable: true },
  });
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ');
}

function ignore(): void {}

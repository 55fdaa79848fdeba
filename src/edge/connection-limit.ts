/**
 * Room on a crowded listener: connections that have asked for nothing make way for fresh ones, the longest-waiting first. Who
 * opens thousands and says nothing, or a byte at a time, holds up nobody who has something to ask.
 */
import type { Socket } from 'node:net';

/** How many connections a listener can have, and what it can close besides those that have never asked. */
interface ConnectionLimitParts {
  readonly maxConnections: number;
  /** Closes connections whose requests have all been answered. */
  readonly closeIdle: () => void;
  /** Told when it gets crowded, at most once a minute. */
  readonly onCrowded: (waiting: number) => void;
}

/** Of ten connections, how many are kept for those that come when it is crowded. */
const reservedShare = 1 / 10;
const closingInterval = 1000;
const tellingInterval = 60_000;

/** Either side of TLS: the same connection has the same peer. */
interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** The connections of one listener. */
export class ConnectionLimit {
  readonly #parts: ConnectionLimitParts;
  /** Above it there is less patience: the rest is for those who come while others are being closed. */
  readonly #lowWater: number;
  /** Above it there is none. */
  readonly #highWater: number;
  /** So many may wait between the two: those who have just come need a moment to say what they want. */
  readonly #patience: number;
  /** Each with its peer. */
  readonly #all = new Map<Socket, string>();
  /** Those that have asked for nothing yet, by their peer, in the order in which they came. */
  readonly #waiting = new Map<string, Socket>();
  #closedAt = Number.NEGATIVE_INFINITY;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ConnectionLimitParts) {
    this.#parts = parts;
    const reserved = Math.ceil(parts.maxConnections * reservedShare);
    this.#lowWater = parts.maxConnections - reserved;
    this.#highWater = parts.maxConnections - Math.ceil(reserved / 4);
    this.#patience = reserved / 2;
  }

  /** Takes in a connection, before its handshake; those that become WebSockets stay counted. */
  enter(socket: Socket): void {
    if (this.#all.size >= this.#lowWater) this.#makeRoom();
    const key = keyOf(socket);
    this.#all.set(socket, key);
    this.#waiting.set(key, socket);
    socket.once('close', () => {
      this.#stopWaiting(socket);
      this.#all.delete(socket);
    });
  }

  /** Takes note that a connection has another peer than it came with: a balancer has said whose it is. */
  rename(socket: Socket): void {
    const key = keyOf(socket);
    if (this.#stopWaiting(socket)) this.#waiting.set(key, socket);
    this.#all.set(socket, key);
  }

  /** A request has come on the connection with this peer. */
  serve(peer: Peer): void {
    if (this.#waiting.size > 0) this.#waiting.delete(keyOf(peer));
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#all.keys()) socket.destroy();
  }

  #stopWaiting(socket: Socket): boolean {
    const key = this.#all.get(socket) ?? '';
    return this.#waiting.get(key) === socket && this.#waiting.delete(key);
  }

  #makeRoom(): void {
    const now = performance.now();
    if (now - this.#toldAt >= tellingInterval) {
      this.#toldAt = now;
      this.#parts.onCrowded(this.#waiting.size);
    }
    const [longest] = this.#waiting.values();
    if (longest && (this.#waiting.size > this.#patience || this.#all.size >= this.#highWater)) {
      longest.destroy();
    } else if (now - this.#closedAt >= closingInterval) {
      this.#closedAt = now;
      this.#parts.closeIdle();
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}

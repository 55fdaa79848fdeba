/**
 * One address that clients connect to, whichever listeners stand behind it: counts connections, reads PROXY headers, and where
 * several listeners share it tells them apart by the server name of the ClientHello (`docs/architecture.md`, "Order at a
 * listener").
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Log } from '../core/log.ts';
import { readHello } from './client-hello.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { listen } from './listen.ts';
import { placeOf } from './listener-plan.ts';
import { ProxiedPeers } from './proxied-peers.ts';

interface DoorParts {
  readonly address: URL;
  readonly limits: { readonly maxConnections: number; readonly headTimeout: number };
  readonly log: Log;
  /** Other processes listen there, too. */
  readonly reusePort?: boolean;
  /** Whether a peer begins its connections with a PROXY header; asked at each, so that a reload counts. */
  readonly mustTell: (address: string) => boolean;
}

/** What takes the connections of an address. */
interface Taker {
  /** Never throws. */
  take(socket: Socket): void;
  /** Ends what has nothing to say. */
  closeIdle(): void;
}

/** A listener with the server names that are its own; without any it takes the rest. */
interface Behind {
  readonly listener: Taker;
  readonly hosts: readonly string[];
}

/** RFC 6066 §3: no listener has that name. */
const unrecognizedName = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/** An address that is open. */
export class Door {
  readonly #parts: DoorParts;
  readonly #server: Server;
  readonly #limit: ConnectionLimit;
  readonly #peers: ProxiedPeers;
  /** Those that have yet to say for which host they come. */
  readonly #greeting = new Set<Socket>();
  /** Those that came before there was a listener. */
  readonly #early = new Set<Socket>();
  #behind: readonly Behind[] | undefined;
  #byHost: ReadonlyMap<string, Taker> = new Map();
  #rest: Taker | undefined;
  #asksForHost = false;
  #isClosing = false;

  private constructor(parts: DoorParts) {
    const { limits, log, address, mustTell } = parts;
    const { maxConnections, headTimeout } = limits;
    this.#parts = parts;
    const onCrowded = (waiting: number): void =>
      log.warn(
        { listener: placeOf(address), maxConnections, waiting },
        'a listener is nearly full: connections that ask for nothing make way for others',
      );
    this.#limit = new ConnectionLimit({ maxConnections, onCrowded, closeIdle: () => this.#closeIdle() });
    this.#peers = new ProxiedPeers({ mustTell, headTimeout, log, onTold: (socket) => this.#limit.rename(socket) });
    // As the servers of `node:http` have it, and those of `node:tls`.
    this.#server = createServer({ noDelay: true, allowHalfOpen: address.protocol !== 'https:' });
    this.#server.maxConnections = maxConnections;
    this.#server.on('connection', (socket: Socket) => this.#lead(socket));
    this.#peers.standBefore(this.#server);
    this.#server.prependListener('connection', (socket: Socket) => this.#limit.enter(socket));
    // One that cannot listen is reported by `listen`; one that fails later must not take the process with it.
    this.#server.once('listening', () =>
      this.#server.on('error', (error) => log.error({ error }, 'a listener reported an error')),
    );
  }

  /** Listens; throws an OperatorError that says what stands in the way. Who comes waits until `serve`. */
  static async open(parts: DoorParts): Promise<Door> {
    const door = new Door(parts);
    await listen(door.#server, parts.address, parts.address.protocol === 'https:' ? 443 : 80, parts);
    return door;
  }

  /** Where it really listens: a configured port of 0 has become a free one. */
  get address(): URL {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the listener has no address');
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return new URL(`${this.#parts.address.protocol}//${host}:${address.port}`);
  }

  /** Connections that come from here on are these listeners'; those that are there stay where they are. */
  serve(behind: readonly Behind[]): void {
    this.#behind = behind;
    this.#byHost = new Map(behind.flatMap(({ listener, hosts }) => hosts.map((host) => [host, listener] as const)));
    this.#rest = behind.find(({ hosts }) => hosts.length === 0)?.listener;
    this.#asksForHost = behind.length > 1 || this.#byHost.size > 0;
    const early = [...this.#early];
    this.#early.clear();
    for (const socket of early) this.#lead(socket);
  }

  /** A request has come on the connection with this peer. */
  noteRequest(peer: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined }): void {
    this.#limit.serve(peer);
  }

  /** Gives a TLS socket the peer of the connection beneath. */
  show(socket: Socket): void {
    this.#peers.show(socket);
  }

  /** Takes no more connections; resolves when the last has ended, which is the listeners' to see to. */
  close(): Promise<void> {
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#peers.close();
    for (const socket of [...this.#greeting, ...this.#early]) socket.destroy();
    return closed;
  }

  /** Ends what is left. */
  cut(): void {
    this.#limit.cut();
  }

  #closeIdle(): void {
    for (const { listener } of this.#behind ?? []) listener.closeIdle();
  }

  #lead(socket: Socket): void {
    if (this.#isClosing) return void socket.destroy();
    if (!this.#behind) return void this.#hold(socket);
    if (this.#asksForHost) return void this.#askForHost(socket);
    if (this.#rest) this.#rest.take(socket);
    else socket.destroy();
  }

  #hold(socket: Socket): void {
    this.#early.add(socket);
    socket.on('error', ignore).once('close', () => this.#early.delete(socket));
  }

  async #askForHost(socket: Socket): Promise<void> {
    const { limits, log } = this.#parts;
    this.#greeting.add(socket);
    const hello = await readHello(socket, limits.headTimeout);
    this.#greeting.delete(socket);
    if (hello.kind === 'gone' || socket.destroyed || this.#isClosing) return void socket.destroy();
    const { remoteAddress: address } = socket;
    if (hello.kind === 'refused') {
      log.info({ address, detail: hello.detail }, 'a connection brings no TLS hello that can be read');
      return void socket.destroy();
    }
    const listener = this.#byHost.get(hello.servername ?? '') ?? this.#rest;
    if (listener) return listener.take(socket);
    log.info({ address, servername: hello.servername }, 'a connection comes for a host that no listener has');
    socket.on('error', ignore).end(unrecognizedName, () => socket.destroy());
  }
}

function ignore(): void {}

/**
 * The lane of a listener: it stands before `node:http` and reads the requests that are simple beyond doubt from the sockets
 * themselves; all else goes to `node:http` on the same connection, as if the lane were not there.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { LaneConnection } from './connection.ts';
import type { ConnectionContext, Returnable } from './connection-context.ts';
import type { LaneExchange } from './exchange.ts';
import { HeadReader } from './head.ts';
import { LentSocket } from './lent-socket.ts';

const sweepInterval = 1000;

/** How a listener's lane is made; times in milliseconds, sizes in bytes. */
interface LaneParts {
  readonly limits: { readonly maxHeaderSize: number; readonly headTimeout: number; readonly keepAlive: number };
  /** Asked at each connection, so that a reload counts; false leaves all of it to `node:http`. */
  readonly isOn: () => boolean;
  /** Takes a request; false leaves it to `node:http`. Never throws. */
  readonly take: (exchange: LaneExchange) => boolean;
  /** Told of a client that is cut since it sends requests without end and waits for no answer. */
  readonly onFlood: (socket: Socket) => void;
}

/** The connections that a listener's lane reads. */
export class Lane {
  readonly #parts: LaneParts;
  readonly #connections = new Set<LaneConnection>();
  readonly #lent = new WeakMap<object, Returnable>();
  #context: ConnectionContext | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Takes the place of whoever serves the connections of a server at this moment; they get what the lane does not take. */
  standBefore(server: Server, event: 'connection' | 'secureConnection'): void {
    const servers = server.listeners(event);
    server.removeAllListeners(event);
    const { limits, take } = this.#parts;
    const serve = (socket: Socket): void => {
      for (const one of servers) one.call(server, socket);
    };
    this.#context = {
      take,
      reader: new HeadReader(limits.maxHeaderSize),
      handOver: (socket, bytes) => {
        socket.pause();
        socket.unshift(bytes);
        serve(socket);
        socket.resume();
      },
      lend: (lent, connection) => {
        this.#lent.set(lent, connection);
        serve(lent as unknown as Socket);
      },
      refuse: (code, socket) =>
        server.emit('clientError', Object.assign(new Error('no valid request'), { code }), socket),
      cutFlood: (socket) => {
        this.#parts.onFlood(socket);
        socket.destroy();
      },
      isClosing: () => this.#isClosing,
      keepAlive: Math.floor(limits.keepAlive / 1000),
      onLeft: (connection) => this.#connections.delete(connection as LaneConnection),
    };
    server.on(event, (socket: Socket) => {
      if (this.#parts.isOn()) this.#enter(socket);
      else serve(socket);
    });
    this.#timer = setInterval(() => this.#sweep(), sweepInterval).unref();
  }

  /** Reads a connection. */
  #enter(socket: Socket): void {
    if (this.#context) this.#connections.add(new LaneConnection(socket, this.#context));
  }

  /** Call it with each response of the server: a lent connection comes back when its answer is out. */
  watch(response: ServerResponse, socket: unknown): void {
    const connection = socket instanceof LentSocket ? this.#lent.get(socket) : undefined;
    if (connection) response.once('close', () => connection.takeBack());
  }

  /** Ends the connections whose requests have all been answered. */
  closeIdle(): void {
    for (const connection of this.#connections) if (connection.isIdle) connection.cut();
  }

  /** Ends what is idle; what is under way ends with its answer. */
  close(): void {
    this.#isClosing = true;
    this.closeIdle();
    this.#sweep();
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.sweep(now, this.#parts.limits);
    // While it closes, who never completes a request must not hold up the end.
    if (this.#isClosing && this.#connections.size === 0) clearInterval(this.#timer);
  }
}

/** What a connection of the lane asks of the listener that it belongs to. */
import type { Socket } from 'node:net';
import type { LaneExchange } from './exchange.ts';
import type { HeadReader } from './head.ts';
import type { LentSocket } from './lent-socket.ts';

/** A connection that can be lent, and comes back. */
export interface Returnable {
  takeBack(): void;
}

/** What a connection works with. */
export interface ConnectionContext {
  readonly reader: HeadReader;
  /** Takes a request; false lends it at once. */
  readonly take: (exchange: LaneExchange) => boolean;
  /** Leaves a connection to `node:http` for good, with bytes that nobody has answered. */
  readonly handOver: (socket: Socket, bytes: Buffer) => void;
  /** Serves one request by it, on what stands for the connection. */
  readonly lend: (lent: LentSocket, connection: Returnable) => void;
  /** Tells that the request of a lent connection came to nothing that HTTP has: as Node's parser would. */
  readonly refuse: (code: string, socket: Socket) => void;
  readonly isClosing: () => boolean;
  /** How long an idle connection is kept, in seconds. */
  readonly keepAlive: number;
  /** Cuts a client that sends requests without end and waits for no answer. */
  readonly cutFlood: (socket: Socket) => void;
  /** It is no longer the lane's. */
  readonly onLeft: (connection: Returnable) => void;
}

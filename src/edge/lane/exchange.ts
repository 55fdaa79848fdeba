/** One request on the lane, as whoever answers it sees it and its client. */
import type { Socket } from 'node:net';
import type { LentSocket } from './lent-socket.ts';
import type { LaneHead } from './lines.ts';

/** What whoever answers a request hears of its client. */
export interface ClientEvents {
  /** A part of the body; false holds the next until `resumeBody`. */
  onBody(chunk: Buffer): boolean;
  onBodyEnd(): void;
  /** The client takes more again, after a `write` that said false. */
  onTaken(): void;
  /** The client has gone, or been cut; nothing else is heard. */
  onGone(): void;
}

/** One request on the lane, towards whoever takes it: answered, lent, or cut, and one of them once. */
export interface LaneExchange {
  readonly head: LaneHead;
  readonly socket: Socket;
  /** The peer of the connection. */
  readonly peer: string;
  /** True where it is TLS. */
  readonly encrypted: boolean;
  /** When its head had come, by the clock of `performance`. */
  readonly cameAt: number;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Seconds for which the connection is kept after this answer; undefined where it ends. */
  readonly keepAlive: number | undefined;
  /** False once the client has gone. */
  readonly isOpen: boolean;
  /** True while nothing of the body has been given and nothing of an answer written. */
  readonly isUntouched: boolean;
  /** Keeps the reading of its head, `isVouched` where a live session speaks for it; false where it is none to keep. */
  keepReading(isVouched: boolean): boolean;
  /** Who answers; another may take over as long as nothing has been written. */
  watch(events: ClientEvents): void;
  /** Begins to give the body. */
  takeBody(): void;
  /** Goes on after an `onBody` that said false. */
  resumeBody(): void;
  /** Text is Latin-1. False: wait for `onTaken` before more. */
  write(bytes: Buffer | string): boolean;
  /** The answer is complete; false ends the connection with it. `now` is by the clock of `performance`. */
  finish(keepsAlive: boolean, now?: number): void;
  cut(): void;
  /** The connection itself, which is no longer the lane's: the caller answers on it and ends it. */
  leave(): Socket;
  /** Leaves the answer to `node:http`, which reads the request anew: only while nothing of either body has moved. */
  lend(): LentSocket;
}

/** What carries a gateway's verdicts out, whatever opens the connections. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { LaneExchange } from '../../edge/lane/exchange.ts';

/** What listeners need of a gateway; a reload puts another in its place. */
export interface Carrier {
  /** Takes a request that the lane has read; absent where `server.lane` is off. */
  lane?(exchange: LaneExchange): void;
  http(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** False where a WebSocket gets the same answer as any request: a front proxy asks about it. */
  takesUpgrade(target: string | undefined): boolean;
  /** Answers what comes over plain http where all of it belongs on https; absent where http is served. */
  redirect?(request: IncomingMessage, response: ServerResponse): void;
  /** `Strict-Transport-Security` of answers over https that bring none of their own. */
  readonly hsts?: string | undefined;
}

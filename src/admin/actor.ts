/** Who speaks in a request to the admin listener, and how the audit has it. */
import type { Response } from 'express';
import type { OperationRecord } from '../telemetry/audit.ts';
import type { Caller } from './guard.ts';

/** Who did something here and from where, as the audit has it; by the socket there is no address. */
export type Actor = Pick<OperationRecord, 'actor' | 'address'>;

/** Who speaks; known once the guard has let a request pass. */
export function callerOf({ locals }: Pick<Response, 'locals'>): Caller {
  return locals.caller;
}

/** Who does what a request asks for. */
export function actorOf(response: Response): Actor {
  const address = response.req.socket.remoteAddress;
  return { actor: callerOf(response).actor, ...(address !== undefined && { address }) };
}

/** From Node's request to the plain data that the pipeline reads. */
import type { IncomingMessage } from 'node:http';
import type { GatewayRequest } from '../core/verdict.ts';
import { arrivalOf } from '../edge/arrival.ts';
import { headOf } from '../edge/head-of.ts';
import { createRequestId } from '../telemetry/trace.ts';

/** Reads a request; `gone` aborts when the client has left. */
export function readRequest(request: IncomingMessage, gone: AbortSignal, upgrade = false): GatewayRequest {
  const arrival = arrivalOf(request.socket);
  return {
    ...(arrival && { arrival }),
    id: createRequestId(),
    method: request.method ?? 'GET',
    target: request.url ?? '',
    headers: headOf(request),
    peer: request.socket.remoteAddress ?? '',
    encrypted: 'encrypted' in request.socket && request.socket.encrypted === true,
    upgrade,
    signal: gone,
  };
}

/** Our own refusals to gRPC clients: answers of trailers alone, whose status they understand (gRPC over HTTP/2, "Responses"). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from '../core/answer.ts';
import { headOf } from './head-of.ts';
import { isHttp2Response } from './http2/response.ts';

/** gRPC's codes by ours of HTTP; what is not listed is UNKNOWN. */
const statuses: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  413: 8,
  421: 14,
  429: 8,
  502: 14,
  503: 14,
  504: 4,
};

/** Whether a request is a gRPC call. */
export function isGrpcCall(request: IncomingMessage): boolean {
  return (
    request.httpVersionMajor === 2 &&
    /^application\/grpc(?:[+;]|$)/i.test(headOf(request).single('content-type')?.trim() ?? '')
  );
}

/** Writes an answer as a gRPC client reads it, all in the head; `message` is public. */
export function writeGrpcRefusal(
  response: ServerResponse,
  { status, headers: { 'x-request-id': requestId } }: Answer,
  message: string,
): void {
  if (response.headersSent || response.destroyed || !isHttp2Response(response)) return;
  response.endWithHead(200, [
    ...['content-type', 'application/grpc', 'grpc-status', String(statuses[status] ?? 2)],
    ...['grpc-message', encodeURIComponent(message).replaceAll('%20', ' ')],
    ...(typeof requestId === 'string' ? ['x-request-id', requestId] : []),
  ]);
}

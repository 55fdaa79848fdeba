/**
 * `Expect: 100-continue` (RFC 9110 §10.1.1): the client holds its body back until somebody wants it. Nobody answers before the
 * request is judged: who reads the body asks for it, and who refuses lets the client keep it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { headOf } from './head-of.ts';

const awaiting = new WeakMap<IncomingMessage, ServerResponse>();

/** Notes that the client waits to be asked for its body. */
export function noteExpectation(request: IncomingMessage, response: ServerResponse): void {
  awaiting.set(request, response);
}

/** Whether the client still waits to be asked. */
export function awaitsContinue(request: IncomingMessage): boolean {
  return headOf(request).has('expect') && awaiting.has(request);
}

/** Asks for the body where the client waits for that, once. */
export function askForBody(request: IncomingMessage): void {
  const response = awaiting.get(request);
  if (!response) return;
  awaiting.delete(request);
  if (!response.headersSent && !response.destroyed) response.writeContinue();
}

/**
 * What the requests of one HTTP/1.1 connection may do to one another: none stands behind one whose end two servers could see
 * in different places, none waits behind more than a browser ever sends ahead, and no upgrade overtakes an answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { plainAnswer } from '../core/answer.ts';
import type { Log } from '../core/log.ts';
import { headOf } from './head-of.ts';
import { writeAnswer } from './write-answer.ts';

/** Takes requests of a listener. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Takes upgrades of a listener. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Requests whose answers a client has not waited for: as many as it may have open on a connection of HTTP/2. */
const maxAhead = 100;

/** Keeps requests from those that are served which could harm their neighbours, and all that follow on their connection. */
export function guardConnections(
  { serve, upgrade }: { readonly serve: Serve; readonly upgrade: Upgrade },
  log: Log,
): { readonly serve: Serve; readonly upgrade: Upgrade } {
  const over = new WeakSet<Duplex>();
  const ahead = new WeakMap<Duplex, number>();
  const latest = new WeakMap<Duplex, ServerResponse>();
  const isTooMany = (socket: Duplex, response: ServerResponse): boolean => {
    // Node gives a response its socket when it is the next to be sent: only what is sent ahead has none.
    if (response.socket !== null) return false;
    const count = (ahead.get(socket) ?? 0) + 1;
    ahead.set(socket, count);
    response.once('close', () => ahead.set(socket, (ahead.get(socket) ?? 1) - 1));
    return count > maxAhead;
  };
  return {
    serve: (request, response) => {
      const { socket } = request;
      // Node reads on in what has arrived, also when the connection is at its end.
      if (over.has(socket)) return;
      latest.set(socket, response);
      const fault = framingFault(request);
      if (fault === undefined && !isTooMany(socket, response)) return serve(request, response);
      over.add(socket);
      log.info(
        { address: socket.remoteAddress, detail: fault ?? 'too many requests wait for their answers' },
        'a client sent what is no valid request',
      );
      if (fault === undefined) socket.destroy();
      else writeAnswer(request, response.setHeader('connection', 'close'), plainAnswer(400));
    },
    upgrade: (request, socket, head) => {
      // Its answer is written to the socket itself, before any that is still to come: that one would follow among its frames.
      const isAhead = latest.get(socket)?.writableFinished === false;
      if (!over.has(socket) && !isAhead) return upgrade(request, socket, head);
      if (isAhead)
        log.info(
          { address: request.socket.remoteAddress, detail: 'an upgrade does not wait for the answers before it' },
          'a client sent what is no valid request',
        );
      socket.destroy();
    },
  };
}

/** Why another server could see the end of a request elsewhere (RFC 9112 §6.1); Node's parser refuses the rest. */
function framingFault(request: IncomingMessage): string | undefined {
  const { httpVersionMajor, httpVersionMinor } = request;
  if (httpVersionMajor !== 1) return 'the request line names another version of HTTP';
  const framing = headOf(request).framing(httpVersionMinor);
  return framing.kind === 'faulty' ? framing.detail : undefined;
}

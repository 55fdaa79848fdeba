/** How `node:http` alone reads the same bytes: where requests end, and what belongs to each. It decides nothing. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Case } from './grammar.ts';
import { bytesOf, send, type Until } from './side.ts';

/** A request as it was read. */
interface Reading {
  readonly method: string;
  readonly marker: string;
  readonly body: string;
}

/** A server that runs. */
export interface BareNode {
  /** Every request that it finds in the bytes of a conversation. */
  read(one: Case, until: Until): Promise<readonly Reading[]>;
}

/** As the gateway has it: whatever asks for another protocol than WebSocket is a request like any other, with its body. */
const shouldUpgradeCallback = ({ headers }: IncomingMessage): boolean => /^websocket$/i.test(headers.upgrade ?? '');

/** Starts one that ends with the test. */
export async function startBareNode(t: TestContext): Promise<BareNode> {
  const readings: Reading[] = [];
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    let body = '';
    request.setEncoding('latin1').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      readings.push({ method: request.method ?? '', marker: markerOf(request), body });
      response.end('read');
    });
  };
  const server = createServer({ maxHeaderSize: 65_536, shouldUpgradeCallback }, take).on('checkExpectation', take);
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    readings.push({ method: request.method ?? '', marker: markerOf(request), body: '' });
    socket.destroy();
  });
  server.on('clientError', (_error: Error, socket: Socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    read: async (one, until) => {
      const from = readings.length;
      const bytes = bytesOf(one, { host: `127.0.0.1:${port}`, cookie: 'gatehouse=x' }, until);
      await send(port, bytes, [], { until });
      return readings.slice(from);
    },
  };
}

function markerOf({ url = '' }: IncomingMessage): string {
  return /marker=(\d+)/.exec(url)?.[1] ?? 'none';
}

/**
 * What reached an upstream, as `Observed.received` has it, that `node:http` did not read out of the same bytes: a body or a request that somebody has made up.
 */
export function inventions(received: readonly string[], readings: readonly Reading[]): string[] {
  const known = readings.map(({ method, marker, body }) => JSON.stringify([method, marker, body]));
  return received.flatMap((text) => {
    const [head = '', body = ''] = [text.slice(0, text.indexOf('\n\n')), text.slice(text.indexOf('\n\n') + 2)];
    const [method = ''] = head.split(' ', 1);
    const marker = /^\S+ \S*?marker=(\d+)/.exec(head)?.[1] ?? 'none';
    const at = known.indexOf(JSON.stringify([method, marker, body]));
    if (at === -1) return [text];
    known.splice(at, 1);
    return [];
  });
}

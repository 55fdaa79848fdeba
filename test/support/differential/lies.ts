/**
 * An upstream whose answers lie about where they end, and what must hold all the same: whoever asks next gets the answer to what
 * they asked, or an error, and never a piece of somebody else's.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { gateway, type TestGateway } from '../scenes/gateway.ts';
import { siteConfig } from '../scenes/site.ts';
import { trials } from '../tools/properties.ts';

const page = (marker: string): string => `page of ${marker}`;

/** The answers to a request with a marker, by what is wrong with them; each is written in these pieces. */
const lies: Readonly<Record<string, (marker: string) => readonly string[]>> = {
  none: (marker) => [ok(marker, [`Content-Length: ${page(marker).length}`], page(marker))],
  'in pieces': (marker) => [...ok(marker, [`Content-Length: ${page(marker).length}`], page(marker))],
  'a length too short': (marker) => [ok(marker, [`Content-Length: ${page(marker).length - 3}`], page(marker))],
  'a length too long': (marker) => [ok(marker, [`Content-Length: ${page(marker).length + 3}`], page(marker))],
  'two lengths': (marker) => [
    ok(marker, ['Content-Length: 3', `Content-Length: ${page(marker).length}`], page(marker)),
  ],
  'a length and chunks': (marker) => [
    ok(marker, ['Content-Length: 3', 'Transfer-Encoding: chunked'], chunked(page(marker))),
  ],
  'an answer behind the end': (marker) => {
    const first = ok(marker, [`Content-Length: ${page(marker).length}`], page(marker));
    return [first + ok('999999', ['Content-Length: 4'], 'evil')];
  },
  'an answer behind the chunks': (marker) => [
    ok(marker, ['Transfer-Encoding: chunked'], chunked(page(marker))) + ok('999999', ['Content-Length: 4'], 'evil'),
  ],
  'a chunk of no size': (marker) => [ok(marker, ['Transfer-Encoding: chunked'], `z\r\n${page(marker)}\r\n0\r\n\r\n`)],
  'a chunk without an end': (marker) => [
    ok(marker, ['Transfer-Encoding: chunked'], `${page(marker).length}\r\n${page(marker)}`),
  ],
  'hints before': (marker) => [
    'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n',
    ok(marker, [`Content-Length: ${page(marker).length}`], page(marker)),
  ],
  'a switch that nobody asked for': () => [
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
  ],
  'no status': () => ['HTTP/1.1 abc\r\n\r\n'],
  'a body of 204': (marker) => [`HTTP/1.1 204 No Content\r\nX-Marker: ${marker}\r\nContent-Length: 4\r\n\r\nevil`],
  'line ends that are none': (marker) => [`HTTP/1.1 200 OK\nX-Marker: ${marker}\nContent-Length: 4\n\nevil`],
};

function ok(marker: string, lines: readonly string[], body: string): string {
  return ['HTTP/1.1 200 OK', `X-Marker: ${marker}`, ...lines, '', body].join('\r\n');
}

function chunked(body: string): string {
  return `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
}

/** A gateway before such an upstream. */
export interface Liar {
  readonly gate: TestGateway;
}

/** Starts both; they end with the test. */
export async function startLiar(t: TestContext): Promise<Liar> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let text = '';
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        answer(socket, text.slice(0, end));
        text = text.slice(end + 4);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const routes = [{ name: 'public', location: '/', upstream: origin, access: 'public', timeout: '100ms' }];
  const gate = await gateway(t, { config: { ...siteConfig(origin), routes, audit: { requests: 'all' } } });
  return { gate };
}

function answer(socket: Socket, head: string): void {
  const [, marker = '', lie = '0'] = /marker=(\d+)&lie=(\d+)/.exec(head) ?? [];
  const pieces = [...(Object.values(lies)[Number(lie)]?.(marker) ?? [])];
  const next = (): void => {
    const piece = pieces.shift();
    if (piece === undefined || socket.destroyed) return;
    socket.write(piece, 'latin1');
    setImmediate(next);
  };
  next();
}

/** Draws chains of requests that go side by side, of which every second is answered with a lie; how many answers were looked at. */
export async function answersBelong({ gate }: Liar, cases: number, seed: number): Promise<number> {
  let [looked, marker] = [0, 0];
  const walk = async (kinds: readonly number[]): Promise<void> => {
    for (const kind of kinds.flatMap((kind) => [kind, 0])) {
      marker += 1;
      const own = String(marker);
      const { status, marked, body } = await ask(gate, { marker: own, kind });
      looked += 1;
      if (status >= 500) continue;
      assert.equal(marked, own, `an answer with the lie ${kind} is one to its own request`);
      assert.ok(page(own).startsWith(body), `"${body}" is of ${page(own)}`);
    }
  };
  const chain = fc.array(fc.nat({ max: Object.keys(lies).length - 1 }), { minLength: 1, maxLength: 6 });
  const chains = fc.array(chain, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(chains, async (some) => void (await Promise.all(some.map(walk)))),
    { ...trials(cases), seed },
  );
  return looked;
}

/** One request on a connection of its own; the upstream's connections are what is shared. */
async function ask(gate: TestGateway, { marker, kind }: { marker: string; kind: number }) {
  const socket = connect(Number(gate.url.port), '127.0.0.1').setNoDelay(true);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.write(`GET /x?marker=${marker}&lie=${kind} HTTP/1.1\r\nHost: ${gate.url.host}\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  const final = text.slice(text.search(/HTTP\/1\.1 [2-5]/));
  const [head = '', rest = ''] = final.split('\r\n\r\n', 2);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? '599');
  const isChunked = /^transfer-encoding: chunked/im.test(head);
  const body = isChunked ? (rest.replace(/^[0-9a-f]+\r\n/i, '').split('\r\n')[0] ?? '') : rest;
  return { status, marked: /^x-marker: (.*)$/im.exec(head)?.[1] ?? '', body };
}

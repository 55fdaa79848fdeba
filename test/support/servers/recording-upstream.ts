/** An upstream on bare sockets that records what it gets byte by byte, and answers each request with a marker of its own. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** A request as it came. */
export interface Recorded {
  /** The request line and the header lines. */
  readonly lines: readonly string[];
  readonly body: string;
}

/** A running upstream. */
export interface RecordingUpstream {
  readonly origin: string;
  readonly received: readonly Recorded[];
}

/** Starts one, ended with the test. Bodies have a length or chunks, as a gateway sends them. */
export async function startRecordingUpstream(t: TestContext): Promise<RecordingUpstream> {
  const received: Recorded[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let text = '';
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        text += chunk.toString('latin1');
        for (let next = readRequest(text); next; next = readRequest(text)) {
          received.push(next.request);
          text = text.slice(next.length);
          const [first = ''] = next.request.lines;
          const body = first.startsWith('HEAD ') ? '' : 'ok';
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Marker: ${markerOf(next.request)}\r\n\r\n${body}`);
        }
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

/** What the request itself says it is. */
function markerOf({ lines }: Recorded): string {
  return /^\S+ \S*?marker=(\d+)/.exec(lines[0] ?? '')?.[1] ?? 'none';
}

function readRequest(text: string): { readonly request: Recorded; readonly length: number } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const lines = text.slice(0, end).split('\r\n');
  const start = end + 4;
  if (lines.some((line) => /^transfer-encoding: chunked$/i.test(line))) return readChunks(text, lines, start);
  const length = Number(/^content-length: (\d+)$/im.exec(lines.join('\n'))?.[1] ?? 0);
  if (text.length < start + length) return undefined;
  return { request: { lines, body: text.slice(start, start + length) }, length: start + length };
}

function readChunks(
  text: string,
  lines: readonly string[],
  start: number,
): { readonly request: Recorded; readonly length: number } | undefined {
  let body = '';
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (text.length < next) return undefined;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    if (size === 0) return { request: { lines, body }, length: next };
    at = next;
  }
}

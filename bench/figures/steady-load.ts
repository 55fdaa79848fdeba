/** So many requests a second whatever the answers take, over kept connections: what a user waits, and not what a proxy can do. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Contender, commonLines } from '../contenders/contender.ts';

/** One connection, and since when it waits for an answer. */
interface Line {
  readonly socket: Socket;
  since: number | undefined;
  missing: number;
}

/** Asks for some seconds; the times of all answers in milliseconds. Throws where one is not right. */
export async function steadyLoad(
  { url, users, title }: Contender,
  { perSecond, seconds, path }: { perSecond: number; seconds: number; path: string },
): Promise<number[]> {
  const { hostname, port, host } = new URL(url);
  const requests = users.map(
    ({ line }) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${[...commonLines, line].join('\r\n')}\r\n\r\n`,
  );
  const took: number[] = [];
  let fault: Error | undefined;
  const lines = await Promise.all(
    Array.from({ length: 64 }, async (): Promise<Line> => {
      const socket = connect(Number(port), hostname).setNoDelay(true);
      await once(socket, 'connect');
      const line: Line = { socket, since: undefined, missing: 0 };
      socket.on('error', (error) => {
        fault = error;
      });
      socket.on('data', (part) => {
        if (line.missing === 0) {
          const head = part.toString('latin1', 0, part.indexOf('\r\n\r\n'));
          const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 'NaN');
          if (!head.startsWith('HTTP/1.1 200 ')) fault = new Error(`${title} answers ${head.slice(0, 60)}`);
          line.missing = head.length + 4 + length;
        }
        line.missing -= part.length;
        if (line.missing > 0 || line.since === undefined) return;
        took.push(performance.now() - line.since);
        line.since = undefined;
        line.missing = 0;
      });
      return line;
    }),
  );
  const startedAt = performance.now();
  let sent = 0;
  for (let now = startedAt; now - startedAt < seconds * 1000 && !fault; now = performance.now()) {
    const due = Math.floor(((now - startedAt) / 1000) * perSecond);
    for (; sent < due; sent += 1) {
      const free = lines.find(({ since }) => since === undefined);
      if (!free) break;
      free.since = performance.now();
      free.socket.write(requests[sent % requests.length] ?? '');
    }
    // Not a timer: those of Node come a millisecond late.
    await new Promise(setImmediate);
  }
  for (const { socket } of lines) socket.destroy();
  if (fault) throw fault;
  return took;
}

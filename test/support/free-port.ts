/**
 * Ports for servers that must be told their own. They lie below the range from which the system gives ports to connections
 * and to listeners on port 0, so that nobody takes one between the choice and the start.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const lowest = 10_240;
const highest = 32_000;

/** A port of 127.0.0.1 on which nothing listens; not the same twice in a row. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

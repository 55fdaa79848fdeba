/**
 * Ports for servers that must be told their own. They lie below the range from which the system gives ports to connections
 * and to listeners on port 0, and one process of the tests leaves alone what another has chosen, so that nobody takes a
 * port between the choice and the start.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';

const lowest = 10_240;
const highest = Math.min(32_000, lowestOfTheSystem());

/** A port of 127.0.0.1 on which nothing listens, and which no other call gives while this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest);
    if ((await isOurs(port)) && (await isFree(port))) return port;
  }
}

/** Where the ports begin that the system gives by itself: 16000 on some systems, 32768 on Linux as it comes. */
function lowestOfTheSystem(): number {
  try {
    const [lowest = ''] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/);
    return Number(lowest) > 12_000 ? Number(lowest) : 32_000;
  } catch {
    return 16_000;
  }
}

/**
 * Takes the port for this process, until it ends, by a socket in the abstract namespace of Linux: it stands beside the
 * ports in each network namespace, leaves no file, and goes with the process however that ends.
 */
async function isOurs(port: number): Promise<boolean> {
  return process.platform !== 'linux' || listens({ path: `\0gatehouse-test-port-${port}` }, true);
}

function isFree(port: number): Promise<boolean> {
  return listens({ port, host: '127.0.0.1', exclusive: true }, false);
}

function listens(where: ListenOptions, isKept: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().unref();
    server.once('error', () => resolve(false));
    server.listen(where, () => (isKept ? resolve(true) : server.close(() => resolve(true))));
  });
}

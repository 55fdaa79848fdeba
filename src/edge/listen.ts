/** A server put on its address, and what stands in the way of that in words. */
import { createServer, type Server } from 'node:net';
import { OperatorError } from '../core/errors.ts';

/**
 * Connections that the kernel keeps until they are taken; it takes its own bound (`net.core.somaxconn`) where that is lower. Node's
 * 511 are used up when thousands come back at once: whoever finds no room tries again after 1, 3, 7, 15 and 31 seconds.
 */
const backlog = 16_384;

/**
 * Listens; throws an OperatorError that says what stands in the way. With `reusePort` the kernel spreads connections over all
 * processes of this user that listen there in that way.
 */
export async function listen(
  server: Server,
  address: URL,
  standardPort: number,
  { reusePort = false }: { readonly reusePort?: boolean } = {},
): Promise<void> {
  const port = Number(address.port || standardPort);
  const host = address.hostname.replace(/^\[(.*)\]$/, '$1');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explainListenError(error, address)));
    server.listen({ port, host, reusePort, backlog }, () => resolve());
  });
}

/**
 * Another gateway of this user that shares its port would share it with this one, too: each would get a part of the visitors, by
 * its own configuration. So the port is tried once in the way in which it can be had alone only.
 */
export async function refuseTaken(addresses: readonly URL[]): Promise<void> {
  for (const address of addresses) {
    if (address.port === '0') continue;
    const server = createServer();
    await listen(server, address, address.protocol === 'https:' ? 443 : 80);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function explainListenError(error: NodeJS.ErrnoException, address: URL): Error {
  const where = `cannot listen on ${originText(address)}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `${where}: the port is in use`,
        `stop the other program, or choose another port in server.listen (ss -ltnp shows who has it)`,
        error,
      );
    case 'EACCES':
      return new OperatorError(
        `${where}: not permitted`,
        'ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one in server.listen',
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new OperatorError(`${where}: this machine has no such address`, 'correct server.listen', error);
    default:
      return new OperatorError(`${where}: ${error.message}`, 'correct server.listen', error);
  }
}

/** An address as people write it, of streams as well, which have no origin. */
function originText({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

/** A data plane as a process: started with the upstream's origin, says its port, then its memory whenever it is asked. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/core/clock.ts';
import type { Log } from '../../../src/core/log.ts';
import { Connections } from '../../../src/proxy/connections.ts';
import { Forwarder } from '../../../src/proxy/forward.ts';
import { UpstreamPools } from '../../../src/proxy/upstream-pool.ts';
import { stickyParts } from '../tools/sticky-parts.ts';
import { testRoute } from './data-plane.ts';

const ignore = (): void => undefined;
const log: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
const route = testRoute([process.argv[2] ?? '']);
const forwarder = new Forwarder({
  pools: new UpstreamPools({ log, clock: systemClock, ...stickyParts }),
  connections: new Connections(),
  rules: { isOwnCookie: () => false },
});

const server = createServer((request, response) => {
  const upstreamPath = request.url ?? '/';
  const forward = {
    route,
    client: { address: '127.0.0.1', scheme: 'http' as const, userAgent: '' },
    target: { path: upstreamPath, query: '', host: 'a', port: '80' },
    upstreamPath,
    headers: new Map(),
    reply: {},
  };
  void forwarder.forward({ request, response, forward });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('message', () => process.send?.({ rss: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit());

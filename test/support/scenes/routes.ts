/** Routes for tests of what comes before and after the upstream: a location, and defaults for the rest. */
import type { ForwardingRoute, Upstream } from '../../../src/core/route.ts';
import { parseLocation } from '../../../src/routing/location-text.ts';

/** A route at a location as the configuration writes it. */
export function routeAt(location: string, more: Partial<ForwardingRoute> = {}): ForwardingRoute {
  const reading = parseLocation(location);
  if (reading.kind === 'invalid') throw new Error(`the location ${location} ${reading.message}`);
  const origin = 'http://127.0.0.1:1';
  return {
    name: location,
    ...reading.location,
    upstream: { servers: [{ origin, url: new URL(origin) }] },
    access: { roles: [], providers: [] },
    headers: [],
    websocket: false,
    bind: 'httpOnly',
    idleActivity: true,
    timeouts: { connect: 1000, response: 1000, idle: 1000 },
    encodedSlashes: false,
    pathParameters: false,
    replayPosts: false,
    maxBody: 0,
    allowedOrigins: [],
    preserveHost: true,
    ...more,
  };
}

/** An upstream whose URL has this path. */
export function upstreamAt(path: string): Upstream {
  const origin = 'http://127.0.0.1:1';
  return { servers: [{ origin, url: new URL(origin) }], path };
}

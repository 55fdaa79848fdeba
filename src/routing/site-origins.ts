/**
 * The origins under which browsers know a site: the public one, and one for each host that a route writes out. Scheme and port
 * are the public ones, unless a route's host names a port. Hosts that a wildcard or `server.hosts` brings have none.
 */
import type { Route } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { defaultPort, readRouteHost } from './host.ts';
import { defaultPublicUrl } from './options.ts';

/** What of a target says at which origin it was asked for. */
type At = Pick<CanonicalTarget, 'host' | 'port'>;

/** The origins of one configuration. */
export class SiteOrigins {
  readonly publicOrigin: string;
  readonly #publicHost: string;
  /** By the host as its routes write it. */
  readonly #origins = new Map<string, string>();

  constructor(publicUrl: URL, routes: readonly Pick<Route, 'host'>[]) {
    this.publicOrigin = publicUrl.origin;
    this.#publicHost = publicUrl.hostname;
    // Where nobody has said what browsers see, no other host has an origin either.
    if (publicUrl === defaultPublicUrl) return;
    const publicPort = publicUrl.port || defaultPort(publicUrl.protocol);
    for (const { host } of routes) {
      const read = host === undefined ? undefined : readRouteHost(host);
      if (!read || read.name.startsWith('*.')) continue;
      const { name, port } = read;
      const { origin } = new URL(`${publicUrl.protocol}//${name}:${port ?? publicPort}`);
      if (origin !== publicUrl.origin) this.#origins.set(port === undefined ? name : `${name}:${port}`, origin);
    }
  }

  /** The origin at which browsers have asked for a target; undefined where the configuration tells none. */
  of({ host, port }: At): string | undefined {
    const written = this.#origins.get(`${host}:${port}`) ?? this.#origins.get(host);
    return written ?? (host === this.#publicHost ? this.publicOrigin : undefined);
  }

  /** The origin whose pages are ours at a target: its own, else the public one. */
  trustedAt(target: At): string {
    return this.of(target) ?? this.publicOrigin;
  }
}

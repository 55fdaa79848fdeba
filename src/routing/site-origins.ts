/**
 * The origins under which browsers know a site: the public one, and one for each host that a route writes out. Scheme and port
 * are the public ones, unless a route's host names a port. Hosts that a wildcard or `server.hosts` brings have none.
 */
import type { Route } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { defaultPort, readRouteHost } from './host.ts';
import { defaultPublicUrl } from './options.ts';

/** What of a target says at which origin it was asked for. */
export type At = Pick<CanonicalTarget, 'host' | 'port'>;

/** A host beside the public one that a route writes out: who signs in at the public one is handed over to it. */
export interface FurtherHost {
  /** As its routes write it. */
  readonly name: string;
  readonly origin: string;
  /** The host for whose cookie it has tokens of its own; undefined where it shares that of the public host, being a port of it. */
  readonly tokenHost: string | undefined;
}

/** The origins of one configuration. */
export class SiteOrigins {
  readonly publicOrigin: string;
  readonly #publicHost: string;
  /** By the name. */
  readonly #further = new Map<string, FurtherHost>();

  constructor(publicUrl: URL, routes: readonly Pick<Route, 'host'>[]) {
    this.publicOrigin = publicUrl.origin;
    this.#publicHost = publicUrl.hostname;
    // Where nobody has said what browsers see, no other host has an origin either.
    if (publicUrl === defaultPublicUrl) return;
    const publicPort = publicUrl.port || defaultPort(publicUrl.protocol);
    for (const { host } of routes) {
      const read = host === undefined ? undefined : readRouteHost(host);
      if (!read || read.name.startsWith('*.')) continue;
      const { origin } = new URL(`${publicUrl.protocol}//${read.name}:${read.port ?? publicPort}`);
      if (origin === publicUrl.origin) continue;
      const name = read.port === undefined ? read.name : `${read.name}:${read.port}`;
      // Browsers keep cookies by the host, whatever the port.
      const tokenHost = read.name === publicUrl.hostname ? undefined : read.name;
      this.#further.set(name, { name, origin, tokenHost });
    }
  }

  /** The further host of a target; undefined at the public one, and where a wildcard or `server.hosts` alone names it. */
  furtherAt({ host, port }: At): FurtherHost | undefined {
    return this.#further.size === 0 ? undefined : (this.#further.get(`${host}:${port}`) ?? this.#further.get(host));
  }

  /** The further host of a name. */
  furtherNamed(name: string): FurtherHost | undefined {
    return this.#further.get(name);
  }

  /** The origin at which browsers have asked for a target; undefined where the configuration tells none. */
  of(target: At): string | undefined {
    return this.furtherAt(target)?.origin ?? (target.host === this.#publicHost ? this.publicOrigin : undefined);
  }

  /** The origin whose pages are ours at a target: its own, else the public one. */
  trustedAt(target: At): string {
    return this.of(target) ?? this.publicOrigin;
  }
}

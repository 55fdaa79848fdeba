/**
 * The applications that a person may open, for the start page: judged as a request from the same machine would be, by the
 * same rules, and without sending one.
 */
import type { Clock } from '../core/clock.ts';
import type { Principal } from '../core/principal.ts';
import type { Route, Tile, WordsForVisitors } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { Client } from '../core/verdict.ts';
import { decide } from '../policy/decide.ts';
import { doorOf } from '../policy/door.ts';
import type { Demand, Worth } from '../policy/levels.ts';
import type { Tenants } from '../policy/tenants.ts';
import { defaultPort, readRouteHost } from '../routing/host.ts';
import type { HostTest } from '../routing/known-hosts.ts';
import type { Locations } from '../routing/locations.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';

interface ApplicationsParts {
  readonly clock: Clock;
  readonly publicUrl: URL;
  readonly origins: SiteOrigins;
  readonly locations: Locations;
  readonly isOwnHost: HostTest;
  readonly worth: Worth;
  readonly tenants: Pick<Tenants, 'admits'>;
}

/** Who looks at the start page, and from where. */
interface Visitor {
  readonly principal: Principal;
  readonly session: Session;
  readonly client: Client;
}

/** A tile and the address that it leads to: a path, or another host's. */
type ShownTile = Tile & { readonly href: string };

/** The tiles of a configuration, in file order; a visitor is shown those that lead somewhere for them. */
export class Applications {
  readonly #parts: ApplicationsParts;
  readonly #tiles: readonly {
    readonly tile: Tile;
    readonly at: Parameters<Locations['match']>[0];
    readonly href: string;
  }[];

  constructor(routes: readonly Route[], parts: ApplicationsParts) {
    this.#parts = parts;
    this.#tiles = routes.flatMap((route) =>
      route.tile ? [{ tile: route.tile, ...this.#placeOf(route, route.tile) }] : [],
    );
  }

  /** Whether there is anything to show to anybody. */
  get isEmpty(): boolean {
    return this.#tiles.length === 0;
  }

  /** What a visitor may open. A fresh login that is asked for first keeps nothing out. */
  of(visitor: Visitor): readonly ShownTile[] {
    return this.#tiles.flatMap(({ tile, at, href }) => (this.#isOpen(at, visitor) ? [{ ...tile, href }] : []));
  }

  /** What visitors call an address of the public host, or of the one that a route names; undefined where nobody has named it. */
  labelAt(returnTo: string, host?: string): WordsForVisitors | undefined {
    return this.#routeOf(returnTo, host)?.label;
  }

  /** What the location of an address asks of the proofs of its visitors. */
  demandAt(address: string, host?: string): Demand {
    const access = this.#routeOf(address, host)?.access;
    if (typeof access !== 'object') return {};
    const { level, factors, maxAge } = access;
    return { ...(level && { level }), ...(factors && { factors }), ...(maxAge !== undefined && { maxAge }) };
  }

  #routeOf(address: string, host: string | undefined): Route | undefined {
    const [path = '/'] = address.split('?', 1);
    const { locations } = this.#parts;
    const at = this.#addressAt(host, path);
    return locations.match({ ...at, path: locations.closingSlash(at) ?? path })?.route;
  }

  #isOpen(at: Parameters<Locations['match']>[0], { principal, session, client }: Visitor): boolean {
    const { locations, isOwnHost, clock, tenants, worth } = this.#parts;
    const route = locations.match({ ...at, path: locations.closingSlash(at) ?? at.path })?.route;
    if (!route) return false;
    const door = doorOf(route, client, at, isOwnHost);
    if (door === 'closed' || door === 'outside' || !tenants.admits(principal.tenant, at)) return false;
    return door !== 'asks' || decide(principal, route, session, clock.now(), worth).kind !== 'deny';
  }

  #addressAt(written: string | undefined, path: string): Parameters<Locations['match']>[0] {
    const { publicUrl } = this.#parts;
    const read = written === undefined ? undefined : readRouteHost(written);
    const port = read?.port ?? (publicUrl.port || defaultPort(publicUrl.protocol));
    return { host: read?.name ?? publicUrl.hostname, port, path };
  }

  #placeOf({ host: written }: Route, { path, query }: Tile) {
    const { publicUrl, origins } = this.#parts;
    const at = this.#addressAt(written, path);
    const origin = origins.of(at);
    return { at, href: `${origin === undefined || origin === publicUrl.origin ? '' : origin}${path}${query}` };
  }
}

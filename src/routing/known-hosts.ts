/**
 * The hosts of a site: whoever comes by another name is told the right one. An application that is handed a stranger's host writes
 * it into its mails and redirects.
 */
import type { Route } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { canonicalRouteHost } from './host.ts';
import { defaultPublicUrl } from './options.ts';

/** What a configuration says of the hosts of its site. */
export interface SiteHosts {
  readonly publicUrl: URL;
  /** Further names. */
  readonly hosts: readonly string[];
  /** True: requests are taken by whatever host they name. */
  readonly anyHost: boolean;
}

/** Judges the host of a request, with its port. */
export type HostTest = (target: Pick<CanonicalTarget, 'host' | 'port'>) => boolean;

/** Whether a site has a host below a host of its own, whatever their ports. */
export function hostsBelow(
  site: Pick<SiteHosts, 'publicUrl' | 'hosts'>,
  routes: readonly Pick<Route, 'host'>[],
): (host: string) => boolean {
  const known = namesOf(site, routes).map((name) => name.replace(/:\d+$/, ''));
  return (host) => known.some((name) => name.endsWith(`.${host}`));
}

/**
 * Whether a request's host is one of the site, with whatever port unless a route's host names one. Without a public address of
 * its own a site has every host.
 */
export function knownHosts(site: SiteHosts, routes: readonly Pick<Route, 'host'>[]): HostTest {
  if (site.anyHost || site.publicUrl === defaultPublicUrl) return () => true;
  return ownHosts(site, routes);
}

/** The same, whichever other hosts are taken. */
export function ownHosts(
  site: Pick<SiteHosts, 'publicUrl' | 'hosts'>,
  routes: readonly Pick<Route, 'host'>[],
): HostTest {
  const known = new Set(namesOf(site, routes));
  const below = [...known].flatMap((host) => (host.startsWith('*.') ? [host.slice(1)] : []));
  return ({ host, port }) => {
    const withPort = `${host}:${port}`;
    return known.has(host) || known.has(withPort) || below.some((end) => host.endsWith(end) || withPort.endsWith(end));
  };
}

function namesOf(
  { publicUrl, hosts }: Pick<SiteHosts, 'publicUrl' | 'hosts'>,
  routes: readonly Pick<Route, 'host'>[],
): readonly string[] {
  const named = [publicUrl.hostname, ...hosts, ...routes.flatMap(({ host }) => host ?? [])];
  return named.flatMap((host) => canonicalRouteHost(host) ?? []);
}

/**
 * The hosts of a site: whoever comes by another name is told the right one. An application that is handed a stranger's host writes
 * it into its mails and redirects.
 */
import type { Route } from '../core/route.ts';
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

/** Whether a canonical host is one of the site. Without a public address of its own a site has every host. */
export function knownHosts(
  { publicUrl, hosts, anyHost }: SiteHosts,
  routes: readonly Pick<Route, 'host'>[],
): (host: string) => boolean {
  if (anyHost || publicUrl === defaultPublicUrl) return () => true;
  const named = [publicUrl.hostname, ...hosts, ...routes.flatMap(({ host }) => host ?? [])];
  const known = new Set(named.flatMap((host) => canonicalRouteHost(host) ?? []));
  const below = [...known].flatMap((host) => (host.startsWith('*.') ? [host.slice(1)] : []));
  return (host) => known.has(host) || below.some((end) => host.endsWith(end));
}

/** Which server has which host, where several could, and what nginx would say to it. */
import type { Findings } from './findings.ts';
import { unmatched } from './route-data.ts';
import type { ReadServer, ReadServers, ServerOptions } from './server.ts';

/** To nginx a star in front of a name is nearer than one behind it, and a whole name, as routes have it, than either. */
export function sayWildcards(
  { directive, starred }: ReadServer,
  hosts: readonly (string | undefined)[],
  sites: ReadServers['sites'],
  findings: Findings,
): void {
  for (const host of hosts) {
    if (host === undefined || !starred.includes(host)) continue;
    const other = sites.find(({ server }) =>
      server.names.some((name) => name.startsWith('*.') && host.endsWith(name.slice(1))),
    );
    if (other && other.server.directive !== directive)
      findings.add(
        'note',
        directive.place,
        `server ${host}`,
        `nginx gives this host to the server of ${placeOf(other.server)}, whose star stands in front; here the name counts that you gave with --domain`,
      );
  }
}

/** The hosts of each server. Of servers that share a name, each has it with its own ports, where routes can have ports. */
export function hostsByServer(
  ranked: readonly ReadServer[],
  { faultOf }: ServerOptions,
): ReadonlyMap<ReadServer, readonly string[]> {
  const taken = new Set<string>();
  const canHavePorts = (host: string): boolean => faultOf({ location: '/', host, upstream: unmatched }) === undefined;
  return new Map(
    ranked.map((server) => {
      const hosts = server.names.flatMap((name) => {
        const isShared = ranked.some((other) => other !== server && other.names.includes(name));
        const ports = [...new Set(server.listens.map(({ port }) => port))];
        const spelt = ports.map((port) => (/^(?:80|443)$/.test(port) ? name : `${name}:${port}`));
        const wanted = isShared && spelt.every(canHavePorts) ? spelt : [name];
        return wanted.filter((host) => !taken.has(host) && taken.add(host));
      });
      return [server, [...new Set(hosts)]] as const;
    }),
  );
}

/** Where a server stands. */
export function placeOf(server: ReadServer | undefined): string {
  return server ? `${server.directive.place.file}:${server.directive.place.line}` : 'elsewhere';
}

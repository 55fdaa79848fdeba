/** How far each proxy balances as the gateway does: which servers it is told of, and what its operator has to know beside that. */
import type { ForwardingRoute, UpstreamServer } from '../../core/route.ts';

/** Proxies that carry requests by themselves. */
type Carrying = 'nginx' | 'caddy' | 'traefik' | 'envoy';

type Ability = 'weight' | 'backup' | 'socket' | 'cookie' | 'address';

/** By what each has in a form that needs neither a module nor health checks that nobody has configured. */
const abilities: Readonly<Record<Carrying, ReadonlySet<Ability>>> = {
  nginx: new Set(['weight', 'backup', 'socket', 'address']),
  caddy: new Set(['socket', 'cookie', 'address']),
  traefik: new Set(['cookie']),
  envoy: new Set(['weight']),
};

/** The servers that a proxy is told of: none whose certificate is more than a CA's word, which none of them checks by server. */
export function exportedServers({ upstream }: ForwardingRoute, kind: Carrying): readonly UpstreamServer[] {
  return upstream.servers.filter(
    (server) =>
      upstream.protocol === undefined &&
      server.trust === undefined &&
      (server.socketPath === undefined || abilities[kind].has('socket')) &&
      (server.isBackup !== true || takesBackups(upstream.sticky, kind)),
  );
}

/** nginx takes no backup beside a hash. */
function takesBackups(sticky: ForwardingRoute['upstream']['sticky'], kind: Carrying): boolean {
  return abilities[kind].has('backup') && sticky !== 'address';
}

/** What a proxy does otherwise than the gateway. */
export function balancingNotes(routes: readonly ForwardingRoute[], kind: string): readonly string[] {
  if (!isCarrying(kind)) return [];
  const can = abilities[kind];
  return routes.flatMap((route) => {
    const { name, upstream, fixed } = route;
    const { servers, sticky, keepAlive, protocol } = upstream;
    if (fixed) return [];
    const found = [
      ...(servers.some(({ socketPath }) => socketPath !== undefined) && !can.has('socket')
        ? [`is told of no Unix socket: name a port of the application`]
        : []),
      ...(protocol === undefined
        ? []
        : [`is told of no server that speaks ${protocol}: lead the location to Gatehouse`]),
      ...(servers.some(({ trust }) => trust)
        ? ['is told of no server with a name, pins or a certificate of its own, which it would not check']
        : []),
      ...(servers.some(({ isBackup }) => isBackup) && !takesBackups(sticky, kind)
        ? ['is told of no backup server']
        : []),
      ...(servers.some(({ weight }) => weight !== undefined) && !can.has('weight')
        ? ['gives each server the same share']
        : []),
      ...(sticky !== undefined && !can.has(sticky) ? [`keeps no visitor at one server by ${sticky}`] : []),
      ...(sticky === 'cookie' && can.has(sticky) ? ['sets a cookie of its own, which applications see'] : []),
      ...(keepAlive !== undefined ? ['keeps connections for a time of its own'] : []),
    ];
    return found.length === 0 ? [] : [`${name}: ${kind} ${found.join(', ')}`];
  });
}

function isCarrying(kind: string): kind is Carrying {
  return Object.hasOwn(abilities, kind);
}

/** Whom nginx believes about the address of a client: balancers in front, by the PROXY protocol or by a header. */
import { isIP } from 'node:net';
import type { RouteFindings } from './findings.ts';
import type { Directive } from './parse.ts';
import { Scope } from './scope.ts';
import type { Listen, ReadServer } from './server.ts';

/** A server, and whom it believes by which header. */
interface Believed {
  readonly server: ReadServer;
  readonly header: string;
  readonly rules: readonly Directive[];
}

/** The peers for two keys of `server:`. */
interface Peers {
  readonly trustedProxies: readonly string[];
  readonly proxyProtocol: readonly string[];
}

/** Whom `server:` has to name; what its keys cannot say is said. Of `redirects` only the listeners count. */
export function readPeers(
  servers: readonly ReadServer[],
  redirects: readonly ReadServer[],
  http: readonly Directive[],
  findings: RouteFindings,
): Peers {
  const believed = servers.map(
    (server): Believed => ({ server, ...believedBy(new Scope([http, server.body], new Map())) }),
  );
  const proxied = proxiedPorts([...servers, ...redirects]);
  for (const one of believed) sayUnread(one, findings);
  return {
    trustedProxies: trustedProxies(believed, findings),
    proxyProtocol: proxied.size === 0 ? [] : balancers(believed, redirects, proxied, findings),
  };
}

function trustedProxies(believed: readonly Believed[], findings: RouteFindings): readonly string[] {
  const [first] = believed.filter(({ header, rules }) => header === 'x-forwarded-for' && rules.length > 0);
  if (!first || !areNetworks(first, believed, 'trustedProxies', findings)) return [];
  for (const { place, args } of first.rules)
    findings.add(
      'note',
      place,
      `set_real_ip_from ${args[0]}`,
      'as a trusted proxy it is believed about the scheme and the host, too; let it keep /_gate/auth from clients',
    );
  return peersOf(first);
}

/** Who begins connections with a PROXY header: those whom every server behind one believes about it. */
function balancers(
  believed: readonly Believed[],
  redirects: readonly ReadServer[],
  proxied: ReadonlyMap<string, Listen>,
  findings: RouteFindings,
): readonly string[] {
  const behind = believed.filter(({ server }) => server.listens.some((listen) => proxied.has(portOf(listen))));
  const [first] = behind.filter(({ header, rules }) => header === 'proxy_protocol' && rules.length > 0);
  const ports = [...proxied.values()];
  if (!first) {
    const written = [...new Set(behind.flatMap(peersOf))].join(', ');
    const whom = written === '' ? '' : `, perhaps ${written}`;
    for (const { place, address, port } of ports)
      findings.add(
        'refused',
        place,
        `listen ${address}:${port} proxy_protocol`,
        `nginx names no balancer that it believes about the PROXY header, and without a name each such connection is answered with 400: add proxyProtocol: [ … ] under server with the addresses from which the balancer connects${whom}`,
      );
    return [];
  }
  if (!areNetworks(first, behind, 'proxyProtocol', findings)) return [];
  const names = peersOf(first);
  const listens = [...believed.map(({ server }) => server), ...redirects].flatMap((server) => server.listens);
  for (const listen of listens.filter((one) => !proxied.has(portOf(one))))
    findings.add(
      'note',
      listen.place,
      `listen ${portOf(listen)}`,
      `nginx expects no PROXY header here, and server.proxyProtocol holds for every listener: ${names.join(', ')} must send one here, too`,
    );
  return names;
}

/** Whether peers can be named for the whole gateway; where not, why. */
function areNetworks(first: Believed, all: readonly Believed[], key: keyof Peers, findings: RouteFindings): boolean {
  const isSame = all.every((one) => peersOf(one).join(' ') === peersOf(first).join(' ') && one.header === first.header);
  const [wrong] = isSame ? first.rules.filter(({ args }) => !isNetwork(args[0] ?? '')) : first.rules;
  if (!wrong) return true;
  const why = isSame
    ? `server.${key} takes addresses and networks, but not all of them; without a name there ${key === 'proxyProtocol' ? 'the balancer’s connections are answered with 400' : 'its header is not believed'}`
    : `servers believe others: write server.${key} yourself`;
  findings.add('refused', wrong.place, `set_real_ip_from ${wrong.args[0]}`, why);
  return false;
}

/** Peers that the gateway cannot believe as nginx does. */
function sayUnread({ header, rules }: Believed, findings: RouteFindings): void {
  if (header === 'x-forwarded-for' || header === 'proxy_protocol') return;
  const why = `it believes ${header}, and the gateway X-Forwarded-For only`;
  for (const { args, place } of rules) findings.add('refused', place, `set_real_ip_from ${args[0]}`, why);
}

function believedBy(scope: Scope): Omit<Believed, 'server'> {
  const header = scope.find('real_ip_header')?.args[0] ?? 'X-Real-IP';
  return { header: header.toLowerCase(), rules: scope.all('set_real_ip_from') };
}

function peersOf({ rules }: Believed): readonly string[] {
  return rules.map(({ args }) => args[0] ?? '');
}

/** What is said of one server's socket is so for all servers that share it. */
function proxiedPorts(servers: readonly ReadServer[]): ReadonlyMap<string, Listen> {
  const listens = servers.flatMap((server) => server.listens).filter(({ isProxied }) => isProxied);
  return new Map(listens.map((listen) => [portOf(listen), listen]));
}

function portOf({ address, port }: Listen): string {
  return `${address}:${port}`;
}

/** An address, or a network that is not everybody. */
function isNetwork(text: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  const prefix = Number(bits ?? 32);
  return family !== 0 && prefix > 0 && prefix <= (family === 4 ? 32 : 128);
}

/** Whom nginx believes about the address of a client: balancers in front, by the PROXY protocol or by a header. */
import { isIP } from 'node:net';
import type { RouteFindings } from './findings.ts';
import type { Directive } from './parse.ts';
import { Scope } from './scope.ts';
import type { ReadServer } from './server.ts';

/** A server, and whom it believes by which header. */
interface Believed {
  readonly server: ReadServer;
  readonly header: string;
  readonly rules: readonly Directive[];
}

/** The peers for `server.trustedProxies`; what these cannot say is said. */
export function readPeers(
  servers: readonly ReadServer[],
  http: readonly Directive[],
  findings: RouteFindings,
): readonly string[] {
  const believed = servers.map(
    (server): Believed => ({ server, ...believedBy(new Scope([http, server.body], new Map())) }),
  );
  for (const one of believed) sayUnread(one, findings);
  const [first] = believed.filter(({ header, rules }) => header === 'x-forwarded-for' && rules.length > 0);
  if (!first) return [];
  const names = (rules: readonly Directive[]): string => rules.map(({ args }) => args[0]).join(' ');
  const isSame = believed.every(({ rules, header }) => names(rules) === names(first.rules) && header === first.header);
  const [wrong] = isSame ? first.rules.filter(({ args }) => !isNetwork(args[0] ?? '')) : first.rules;
  if (wrong) {
    const why = isSame
      ? 'trustedProxies takes addresses and networks, but not all of them'
      : 'servers believe others: write trustedProxies yourself';
    findings.add('refused', wrong.place, `set_real_ip_from ${wrong.args[0]}`, why);
    return [];
  }
  for (const { place, args } of first.rules)
    findings.add(
      'note',
      place,
      `set_real_ip_from ${args[0]}`,
      'as a trusted proxy it is believed about the scheme and the host, too; let it keep /_gate/auth from clients',
    );
  return first.rules.map(({ args }) => args[0] ?? '');
}

/** Peers that the gateway cannot believe as nginx does. */
function sayUnread({ server, header, rules }: Believed, findings: RouteFindings): void {
  const peers = rules.map(({ args }) => args[0]).join(', ');
  for (const { isProxied, place, address, port } of server.listens)
    if (isProxied)
      findings.add(
        'refused',
        place,
        `listen ${address}:${port} proxy_protocol`,
        `the gateway does not read the PROXY protocol, so that what ${peers || 'the balancer'} sends is answered with 400: let it speak plain HTTP with X-Forwarded-For, and name it under trustedProxies`,
      );
  if (header === 'x-forwarded-for' || header === 'proxy_protocol') return;
  const why = `it believes ${header}, and the gateway X-Forwarded-For only`;
  for (const { args, place } of rules) findings.add('refused', place, `set_real_ip_from ${args[0]}`, why);
}

function believedBy(scope: Scope): Omit<Believed, 'server'> {
  const header = scope.find('real_ip_header')?.args[0] ?? 'X-Real-IP';
  return { header: header.toLowerCase(), rules: scope.all('set_real_ip_from') };
}

/** An address, or a network that is not everybody. */
function isNetwork(text: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && bits !== '0' && Number(bits ?? 0) <= (family === 4 ? 32 : 128);
}

/** nginx's servers: which of them become routes, for which hosts, and what the listeners and the public address are. */
import type { Findings } from './findings.ts';
import type { Directive } from './parse.ts';
import type { Place } from './tokens.ts';

/** Where a server listens. */
export interface Listen {
  readonly place: Place;
  readonly address: string;
  readonly port: string;
  readonly isTls: boolean;
  readonly isDefault: boolean;
}

/** A server whose locations become routes. */
export interface ReadServer {
  readonly directive: Directive;
  readonly body: readonly Directive[];
  /** Exact hosts and `*.` ones, in lower case. */
  readonly names: readonly string[];
  readonly listens: readonly Listen[];
}

/** The servers of a configuration. */
export interface ReadServers {
  /** Each with the hosts of its routes; `undefined` stands for every host. */
  readonly sites: readonly { readonly server: ReadServer; readonly hosts: readonly (string | undefined)[] }[];
  /** The one that the public address is of. */
  readonly main: ReadServer | undefined;
  /** Whether a server does nothing but send browsers to https. */
  readonly redirects: readonly ReadServer[];
}

const hostName = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
const toHttps = /^https:\/\/\$(?:host|server_name|http_host)(?::443)?\$request_uri$/;
const rewriteToHttps = /^https:\/\/\$(?:host|server_name)(?:\$request_uri\??|\/?\$1)$/;

/** Reads the servers of `http`, and locations that stand outside of every server as one of their own. */
export function readServers(http: readonly Directive[], nameless: string | undefined, findings: Findings): ReadServers {
  const blocks = http.filter(({ name, body }) => name === 'server' && body);
  const [bare] = http.filter(({ name, body }) => name === 'location' && body);
  const all = blocks.map((directive) => readServer(directive, nameless, findings));
  if (bare)
    all.push({ ...readServer({ ...bare, name: 'server', args: [], body: http }, nameless, findings), directive: bare });
  const redirects = all.filter(isToHttps);
  const answering = all.filter((server) => !redirects.includes(server) && answers(server));
  const others = all.filter((server) => !redirects.includes(server) && !answering.includes(server));
  const serving = others.filter(({ body }) => body.some(({ name }) => name === 'location'));
  for (const { directive } of answering)
    findings.add(
      'ignored',
      directive.place,
      'server',
      'it serves nothing itself, and a host without routes is answered with 404',
    );
  for (const { directive } of others.filter((server) => !serving.includes(server)))
    findings.add('refused', directive.place, 'server', 'it has no location, and the gateway serves no files');
  const catches = answering.some(
    (server) => server.listens.some(({ isDefault }) => isDefault) || server.names.length === 0,
  );
  return { ...sitesOf(serving, catches, findings), redirects };
}

/** Each host is one server's: that with TLS, else the first. */
function sitesOf(serving: readonly ReadServer[], catches: boolean, findings: Findings): Omit<ReadServers, 'redirects'> {
  const ranked = serving.toSorted((a, b) => rank(b) - rank(a));
  const [main] = ranked;
  const needsHosts = serving.length > 1 || catches;
  if (!needsHosts) return { main, sites: serving.map((server) => ({ server, hosts: [undefined] })) };
  const owners = new Map<string, ReadServer>();
  for (const server of ranked) for (const name of server.names) if (!owners.has(name)) owners.set(name, server);
  const sites = serving.map((server) => ({
    server,
    hosts: server.names.filter((name) => owners.get(name) === server),
  }));
  if (serving.length === 1 && serving[0]?.names.length === 0)
    return { main, sites: [{ server: serving[0], hosts: [undefined] }] };
  for (const { server, hosts } of sites) {
    const { directive, names } = server;
    for (const name of names.filter((one) => !hosts.includes(one)))
      findings.add(
        'refused',
        directive.place,
        `server ${name}`,
        `another server has the host, ${place(owners.get(name))}`,
      );
    if (names.length === 0)
      findings.add(
        'refused',
        directive.place,
        'server',
        'it has no name that routes could go by: give it one with --host',
      );
    else if (server.listens.some(({ isDefault }) => isDefault))
      findings.add('note', directive.place, 'default_server', 'hosts that no server names are answered with 404');
  }
  const used = sites.filter(({ hosts }) => hosts.length > 0);
  return { main: ranked.find((server) => used.some((site) => site.server === server)), sites: used };
}

/** Servers with TLS come before the others, of each kind the default one first; else the order of the file holds. */
function rank({ listens }: ReadServer): number {
  const isTls = listens.some((one) => one.isTls);
  const isDefault = listens.some((one) => one.isDefault);
  return (isTls ? 2 : 0) + (isDefault ? 1 : 0);
}

function place(server: ReadServer | undefined): string {
  return server ? `${server.directive.place.file}:${server.directive.place.line}` : 'elsewhere';
}

function readServer(directive: Directive, nameless: string | undefined, findings: Findings): ReadServer {
  const { body = [] } = directive;
  const isOn = body.some(({ name, args }) => name === 'ssl' && args[0] === 'on');
  const listens = body.filter(({ name }) => name === 'listen').flatMap((one) => readListen(one, isOn, findings));
  const names = body.filter(({ name }) => name === 'server_name').flatMap((one) => readNames(one, findings));
  const named = names.length > 0 || nameless === undefined ? names : [nameless.toLowerCase()];
  return { directive, body, names: [...new Set(named)], listens };
}

function readNames({ args, place }: Directive, findings: Findings): string[] {
  return args.flatMap((written) => {
    const name = written.toLowerCase();
    if (name === '_' || name === '' || name === '$hostname') return [];
    if (hostName.test(name)) return [name];
    if (name.startsWith('.') && hostName.test(name.slice(1))) return [name.slice(1), `*${name}`];
    findings.add('refused', place, `server_name ${written}`, 'a route’s host is a name, or *. and a name');
    return [];
  });
}

function readListen({ args, place }: Directive, isOn: boolean, findings: Findings): Listen[] {
  const [at = '', ...options] = args;
  const [, address = '', port = ''] = /^(?:(\[[0-9a-f:.]*\]|[^:[\]]*):)?(\d{1,5})$/i.exec(at) ?? [];
  const host = port === '' ? at : address;
  if (at.startsWith('unix:') || at.includes('$') || !/^(?:\*|\[[0-9a-f:.]*\]|[\w.-]*)$/i.test(host)) {
    findings.add('refused', place, `listen ${at}`, 'the gateway listens at an address and a port');
    return [];
  }
  return [
    {
      place,
      address: host === '*' || host === '' ? '0.0.0.0' : host,
      port: String(Number(port || '80')),
      isTls: isOn || options.includes('ssl') || options.includes('quic'),
      isDefault: options.includes('default_server') || options.includes('default'),
    },
  ];
}

/** Whether it passes nothing on, and sends what it is asked to the same address over https. */
function isToHttps({ body }: ReadServer): boolean {
  const passes = (one: Directive): boolean => /_pass$/.test(one.name) || (one.body ?? []).some(passes);
  return !body.some(passes) && body.some((one) => sends(one) || (one.body ?? []).some(sends));
}

function sends({ name, args }: Directive): boolean {
  const [first = '', second = ''] = args;
  if (name === 'return') return toHttps.test(first) || (/^30[1278]$/.test(first) && toHttps.test(second));
  return name === 'rewrite' && /^\^(?:\/?\(\.\*\)\$?)?$/.test(first) && rewriteToHttps.test(second);
}

function answers({ body }: ReadServer): boolean {
  return body.some(({ name, args }) => name === 'return' || (name === 'ssl_reject_handshake' && args[0] === 'on'));
}

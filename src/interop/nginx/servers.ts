/** nginx's servers: which of them become routes, for which hosts, and what the listeners and the public address are. */
import type { Findings } from './findings.ts';
import { hostsByServer, placeOf, sayWildcards } from './hosts.ts';
import type { Directive } from './parse.ts';
import type { Listen, ReadServer, ReadServers, ServerOptions } from './server.ts';
import type { SourcePosition } from './tokens.ts';

const hostName = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
const toHttps = /^https:\/\/\$(?:host|server_name|http_host)(?::443)?\$request_uri$/;
const rewriteToHttps = /^https:\/\/\$(?:host|server_name)(?:\$request_uri\??|\/?\$1)$/;

/** Reads the servers of `http`, and locations that stand outside of every server as one of their own. */
export function readServers(http: readonly Directive[], options: ServerOptions, findings: Findings): ReadServers {
  const blocks = http.filter(({ name, body }) => name === 'server' && body);
  const [bare] = http.filter(({ name, body }) => name === 'location' && body);
  const all = blocks.map((directive) => readServer(directive, options, findings));
  if (bare)
    all.push({ ...readServer({ ...bare, name: 'server', args: [], body: http }, options, findings), directive: bare });
  const redirects = all.filter(isToHttps);
  const answering = all.filter((server) => !redirects.includes(server) && answers(server));
  const others = all.filter((server) => !redirects.includes(server) && !answering.includes(server));
  const moved = answering.filter(isMoved);
  const serving = [
    ...others.filter(({ body }) => body.some(({ name }) => name === 'location')),
    ...moved.map(withLocation),
  ];
  for (const { directive } of answering.filter((server) => !moved.includes(server)))
    findings.add(
      'ignored',
      directive.place,
      'server',
      'it serves nothing itself, and a host without routes is refused as unknown',
    );
  for (const { directive } of others.filter((server) => !serving.includes(server)))
    findings.add('refused', directive.place, 'server', 'it has no location, and the gateway serves no files');
  const catches = answering.some(
    (server) => server.listens.some(({ isDefault }) => isDefault) || server.names.length === 0,
  );
  return { ...sitesOf(serving, catches, options, findings), redirects };
}

/** Each host is one server's: that with TLS, else the first; servers on other ports have it with their port. */
function sitesOf(
  serving: readonly ReadServer[],
  catches: boolean,
  options: ServerOptions,
  findings: Findings,
): Omit<ReadServers, 'redirects'> {
  const ranked = serving.toSorted((a, b) => rank(b) - rank(a));
  const [main] = ranked;
  const isAlone = serving.length === 1 && (!catches || (main?.names.length === 0 && !main.hasOthers));
  if (isAlone) return { main, sites: serving.map((server) => ({ server, hosts: [undefined] })) };
  const hostsOf = hostsByServer(ranked, options);
  const owners = new Map(
    ranked.toReversed().flatMap((server) => (hostsOf.get(server) ?? []).map((host) => [host, server])),
  );
  const sites = serving.map((server) => ({ server, hosts: hostsOf.get(server) ?? [] }));
  for (const { server, hosts } of sites) {
    const { directive, names, listens, hasOthers } = server;
    const refuse = (what: string, why: string): void => findings.add('refused', directive.place, what, why);
    for (const name of names.filter((one) => !hosts.some((host) => host.replace(/:\d+$/, '') === one))) {
      const ports = [...new Set(listens.map(({ port }) => port))].join(', ');
      const owner = ranked.find((other) => other !== server && other.names.includes(name));
      refuse(
        `server ${name}`,
        `another server has the host, ${placeOf(owners.get(name) ?? owner)}; where port ${ports || '80'} leads somewhere else, give it a name of its own`,
      );
    }
    if (names.length === 0)
      refuse(
        'server',
        hasOthers
          ? 'none of its names is a host, so that it has no routes'
          : 'it has no name that routes could go by: give it one with --host',
      );
    else if (listens.some(({ isDefault }) => isDefault))
      findings.add('note', directive.place, 'default_server', 'hosts that no server names are answered with 404');
  }
  for (const { server, hosts } of sites) sayWildcards(server, hosts, sites, findings);
  const used = sites.filter(({ hosts }) => hosts.length > 0);
  return { main: ranked.find((server) => used.some((site) => site.server === server)), sites: used };
}

/** Servers with TLS come before the others, of each kind the default one first; else the order of the file holds. */
function rank({ listens }: ReadServer): number {
  const isTls = listens.some((one) => one.isTls);
  const isDefault = listens.some((one) => one.isDefault);
  return (isTls ? 2 : 0) + (isDefault ? 1 : 0);
}

function readServer(directive: Directive, { host, domains }: ServerOptions, findings: Findings): ReadServer {
  const { body = [] } = directive;
  const isOn = body.some(({ name, args }) => name === 'ssl' && args[0] === 'on');
  const listens = body.filter(({ name }) => name === 'listen').flatMap((one) => readListen(one, isOn, findings));
  const written = body
    .filter(({ name }) => name === 'server_name')
    .flatMap(({ args, place }) => args.map((name) => ({ name, place })))
    .filter(({ name }) => name !== '_' && name !== '');
  const read = written.map(({ name, place }) => ({
    name,
    hosts: readName(name.toLowerCase(), place, domains, findings),
  }));
  const names = read.flatMap(({ hosts }) => hosts);
  const starred = read.flatMap(({ name, hosts }) => (name.endsWith('.*') ? hosts : []));
  const all = written.length > 0 || host === undefined ? names : [host.toLowerCase()];
  return {
    directive,
    body,
    names: [...new Set(all)],
    starred,
    hasOthers: written.length > 0 && names.length === 0,
    listens,
  };
}

/** The hosts that a name stands for. */
function readName(name: string, place: SourcePosition, domains: readonly string[], findings: Findings): string[] {
  if (hostName.test(name)) return [name];
  if (name.startsWith('.') && hostName.test(name.slice(1))) return [name.slice(1), `*${name}`];
  const refuse = (why: string): string[] => {
    findings.add('refused', place, `server_name ${name}`, why);
    return [];
  };
  const [, stem] = /^((?:\*\.)?[^*]+)\.\*$/.exec(name) ?? [];
  if (stem !== undefined && hostName.test(stem)) {
    const hosts = domains.map((domain) => `${stem}.${domain.toLowerCase()}`);
    const hint = `import with --domain example.com, or write host: ${stem}.example.com at each of its routes`;
    return hosts.length > 0 ? hosts : refuse(`a route’s host needs its whole name: ${hint}`);
  }
  if (name.startsWith('~'))
    return refuse('a route’s host is no expression: write host: with each name that it takes, or *.example.com');
  if (name === '$hostname') return refuse('it is the name of nginx’s machine: write host: with that name');
  return refuse('a route’s host is a name, or *. and a name');
}

function readListen({ args, place }: Directive, isOn: boolean, findings: Findings): Listen[] {
  const [at = '', ...options] = args;
  const [, address = '', port = ''] = /^(?:(\[[0-9a-f:.]*\]|[^:[\]]*):)?(\d{1,5})$/i.exec(at) ?? [];
  const host = port === '' ? at : address;
  const refuse = (what: string, why: string): Listen[] => {
    findings.add('refused', place, what, why);
    return [];
  };
  if (at.startsWith('unix:') || at.includes('$') || !/^(?:\*|\[[0-9a-f:.]*\]|[\w.-]*)$/i.test(host))
    return refuse(`listen ${at}`, 'the gateway listens at an address and a port');
  if (options.includes('quic')) return refuse(`listen ${at} quic`, 'the gateway does not speak HTTP/3');
  const others = options.filter((one) => !/^(?:ssl|default(?:_server)?|proxy_protocol|http2|spdy)$/.test(one));
  if (others.length > 0)
    findings.add('ignored', place, `listen ${others.join(' ')}`, 'the gateway opens its sockets its own way');
  return [
    {
      place,
      address: host === '*' || host === '' ? '0.0.0.0' : host,
      port: String(Number(port || '80')),
      isTls: isOn || options.includes('ssl'),
      isDefault: options.includes('default_server') || options.includes('default'),
      isProxied: options.includes('proxy_protocol'),
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

/** A server whose only answer leads elsewhere: a host that has moved. */
function isMoved({ names, body }: ReadServer): boolean {
  const [first = '', second] = body.find(({ name }) => name === 'return')?.args ?? [];
  return names.length > 0 && (second === undefined ? !/^\d+$/.test(first) : /^30[12378]$/.test(first));
}

/** The same, whose answer stands in a location: nginx gives it before it looks at any. */
function withLocation(server: ReadServer): ReadServer {
  const [answer] = server.body.filter(({ name }) => name === 'return');
  if (!answer) return server;
  const rest = server.body.filter(({ name }) => name !== 'return' && name !== 'location');
  return { ...server, body: [...rest, { name: 'location', args: ['/'], place: answer.place, body: [answer] }] };
}

function answers({ body }: ReadServer): boolean {
  return body.some(({ name, args }) => name === 'return' || (name === 'ssl_reject_handshake' && args[0] === 'on'));
}

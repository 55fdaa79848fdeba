/** nginx's listeners and certificates as `server:` of our configuration. */
import type { Findings, RouteFindings } from './findings.ts';
import type { Directive } from './parse.ts';
import { readPeers } from './peers.ts';
import { Scope } from './scope.ts';
import type { Listen, ReadServer, ReadServers } from './server.ts';

/** The `server:` of the configuration, and what to say at the public address. */
interface ReadListeners {
  readonly data: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
}

/** Reads where the gateway has to listen to stand in nginx's place. */
export function readListeners(
  { sites, main, redirects }: ReadServers,
  http: readonly Directive[],
  options: { readonly host: string | undefined; readonly readable: (path: string) => string | undefined },
  findings: RouteFindings,
): ReadListeners {
  const servers = sites.map(({ server }) => server);
  const secure = servers.filter(({ listens }) => listens.some(({ isTls }) => isTls));
  const pairs = secure.map((server) => certificateOf(server, http, options.readable, findings));
  const certificates = pairs.flatMap((pair) => (pair ? [pair] : []));
  const hasTls = certificates.length > 0 && certificates.length === pairs.length;
  const listens = [...servers, ...redirects].flatMap((server) => server.listens);
  // Browsers that were sent to https must not be served without it.
  const used = secure.length > 0 && !hasTls ? [] : distinct(listens);
  const isPlain = used.some(({ isTls }) => !isTls);
  const { url, notes } = publicUrl(main, options.host);
  const hosts = furtherNames(sites, url);
  const tls = distinctPairs(certificates);
  const redirectHttp = hasTls && isPlain && redirects.length > 0 && url.startsWith('https:');
  if (secure.length > 0 && !hasTls)
    notes.push('The listeners are left out, since certificates of nginx cannot be read here: add listen and tls.');
  const { trustedProxies, proxyProtocol } = readPeers(servers, redirects, http, findings);
  return {
    data: {
      ...(used.length > 0 && {
        listen: used.map((one) => `${one.isTls ? 'https' : 'http'}://${one.address}:${one.port}`),
      }),
      publicUrl: url,
      ...(hosts.length > 0 && { hosts }),
      ...(hasTls && { tls: tls.length === 1 ? tls[0] : tls }),
      ...(redirectHttp && { redirectHttp }),
      ...(proxyProtocol.length > 0 && { proxyProtocol }),
      ...(trustedProxies.length > 0 && { trustedProxies }),
    },
    notes: [...notes, ...findings.notes],
  };
}

/** One address and port each; every address of a port stands for any of them. */
function distinct(listens: readonly Listen[]): Listen[] {
  const everywhere = new Set(listens.filter(({ address }) => address === '0.0.0.0').map(({ port }) => port));
  const seen = new Set<string>();
  return listens.filter(({ address, port }) => {
    const key = `${address}:${port}`;
    if (seen.has(key) || (address !== '0.0.0.0' && everywhere.has(port))) return false;
    seen.add(key);
    return true;
  });
}

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

function certificateOf(
  server: ReadServer,
  http: readonly Directive[],
  readable: (path: string) => string | undefined,
  findings: Findings,
): Pair | undefined {
  const scope = new Scope([http, server.body], new Map());
  const found = ['ssl_certificate', 'ssl_certificate_key'].map((name) => {
    const directive = scope.all(name)[0];
    const path = directive === undefined ? undefined : readable(directive.args[0] ?? '');
    if (directive && path === undefined)
      findings.add(
        'refused',
        directive.place,
        name,
        'the file cannot be read here, so there is no https listener: add server.tls by hand',
      );
    return path;
  });
  const [certificate, key] = found;
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

function distinctPairs(pairs: readonly Pair[]): Pair[] {
  return [...new Map(pairs.map((pair) => [JSON.stringify(pair), pair])).values()];
}

/** The names of servers whose routes are for any host: to those that no route and no publicUrl names, the answer would be 421. */
function furtherNames(sites: ReadServers['sites'], url: string): string[] {
  const names = sites.flatMap(({ server, hosts }) => (hosts.includes(undefined) ? server.names : []));
  return [...new Set(names)].filter((name) => name !== new URL(url).hostname);
}

/** The address that browsers use: the first name of the server with TLS, else of the first one. */
function publicUrl(main: ReadServer | undefined, given: string | undefined): { url: string; notes: string[] } {
  const listen = main?.listens.find(({ isTls }) => isTls) ?? main?.listens[0];
  const name = main?.names.find((one) => !one.startsWith('*.')) ?? given;
  const scheme = listen?.isTls ? 'https' : 'http';
  const port = listen === undefined || listen.port === (listen.isTls ? '443' : '80') ? '' : `:${listen.port}`;
  const notes = name === undefined ? ['nginx names no host: write the one that browsers use.'] : [];
  return { url: `${scheme}://${name ?? 'localhost'}${port}`, notes };
}

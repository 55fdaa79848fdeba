/** `gatehouse export`: the routes as the configuration of a proxy in front that carries requests, or passes them on. */
import { duration, networks } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { type ForwardingRoute, hasAnswersByIdentity, isForwarding, type Route } from '../core/route.ts';
import { addressesOf } from '../edge/listener-plan.ts';
import { identityNames, tokenHeaders } from '../gateway/composer.ts';
import type { Document } from '../gateway/document.ts';
import { routesOf } from '../gateway/routes.ts';
import { balancingNotes } from '../interop/front-proxies/balancing.ts';
import { exportCaddy } from '../interop/front-proxies/caddy.ts';
import { exportEnvoy } from '../interop/front-proxies/envoy.ts';
import { exportHaproxy } from '../interop/front-proxies/haproxy.ts';
import { exportNginx } from '../interop/front-proxies/nginx.ts';
import type { Exported, ExportSite } from '../interop/front-proxies/site.ts';
import { exportTraefik } from '../interop/front-proxies/traefik.ts';
import { namesOfProxies } from '../proxy/header-names.ts';
import { type Command, type Invocation, textOption, UsageError } from './command.ts';
import { configOption, requireConfiguration } from './configuration.ts';

const writers: Readonly<Record<string, (site: ExportSite) => Exported>> = {
  nginx: exportNginx,
  haproxy: exportHaproxy,
  traefik: exportTraefik,
  caddy: exportCaddy,
  envoy: exportEnvoy,
};

/** The command. `exportRoutes`, since `export` is a word of the language. */
export const exportRoutes: Command = {
  usage:
    'gatehouse export nginx|haproxy|traefik|caddy|envoy [--listen PORT] [--gateway URL] [--cache 5s] [--live] [--config FILE]',
  summary: 'write the routes as the configuration of a proxy in front',
  help: [
    'nginx, Traefik, Caddy and Envoy carry requests themselves and ask the gateway about each; HAProxy passes them to it.',
    '--listen      a port, or an address and a port, where the proxy listens; the one of server.publicUrl when absent',
    '--gateway     where the proxy reaches the gateway; server.listen when absent',
    '--certificate --key   files of the proxy with the certificate of an https publicUrl',
    '--cache       nginx only: how long a permission is kept. For as long it still counts after a logout',
    '--live        nginx and Caddy: WebSockets and event streams go through the gateway, which ends them at a logout',
    'The configuration goes to the standard output, what else has to be done to the standard error.',
  ].join('\n'),
  takesWords: true,
  options: {
    ...configOption,
    listen: { type: 'string' },
    gateway: { type: 'string' },
    certificate: { type: 'string' },
    key: { type: 'string' },
    cache: { type: 'string' },
    live: { type: 'boolean' },
  },
  run: runExport,
};

async function runExport(invocation: Invocation): Promise<number> {
  const { positionals, terminal } = invocation;
  const [kind = '', ...more] = positionals;
  const write = Object.hasOwn(writers, kind) ? writers[kind] : undefined;
  if (!write || more.length > 0) throw new UsageError('one kind of proxy is needed', exportRoutes.usage);
  const { document } = requireConfiguration(invocation);
  const site = siteOf(document, invocation, kind);
  const { text, notes } = write(site);
  terminal.stdout.write(text);
  const told = [
    ...notes,
    ...trustNote(document, site.gateway),
    ...answerNotes(site, kind),
    ...balancingNotes(site.routes, kind),
    ...passingNotes(site, kind),
  ];
  for (const note of told) terminal.stderr.write(`gatehouse: ${note}\n`);
  return 0;
}

function siteOf(document: Document, invocation: Invocation, kind: string): ExportSite {
  const { server, login } = document;
  const gateway = gatewayOf(document, textOption(invocation, 'gateway'));
  const routes = routesOf(document).map((route) => forwardingTo(gateway, route));
  const cache = cacheOf(textOption(invocation, 'cache'), kind);
  const name = server.publicUrl.hostname.replace(/[^a-z0-9.-]/gi, '');
  return {
    routes,
    publicUrl: server.publicUrl,
    gateway,
    listen: listenOf(document, textOption(invocation, 'listen')),
    certificate: plainPath(textOption(invocation, 'certificate') ?? `/etc/ssl/gatehouse/${name}.crt`, 'certificate'),
    key: plainPath(textOption(invocation, 'key') ?? `/etc/ssl/gatehouse/${name}.key`, 'key'),
    identityNames: identityNames(document, routes),
    tokenHeaders: tokenHeaders(routes),
    namesOfProxies,
    maxHeaderSize: server.maxHeaderSize,
    verdictTimeout: login.total + 5000,
    live: isLive(invocation, kind),
    ...(cache !== undefined && { cache }),
  };
}

/** What the gateway answers by itself has no application: the proxy is never told to forward it, and names the gateway there. */
function forwardingTo(gateway: URL, route: Route): ForwardingRoute {
  if (isForwarding(route)) return route;
  return { ...route, upstream: { servers: [{ origin: gateway.origin, url: gateway }] } };
}

/** A listener on every address is reached on this machine. */
function gatewayOf(document: Document, given: string | undefined): URL {
  const text = given ?? addressesOf(document)[0]?.href ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:')
    throw new OperatorError(`--gateway: ${text} is no http:// address`, 'write one such as http://127.0.0.1:8080');
  if (url.hostname === '0.0.0.0' || url.hostname === '[::]') url.hostname = '127.0.0.1';
  return url;
}

function listenOf({ server: { publicUrl } }: Document, given: string | undefined): string {
  if (given === undefined) return publicUrl.port || (publicUrl.protocol === 'https:' ? '443' : '80');
  if (!/^(?:(?:[\d.]+|\[[\da-f:]+\]):)?\d{1,5}$/i.test(given))
    throw new OperatorError(
      `--listen: ${given} is neither a port nor an address and a port`,
      'write 443 or 127.0.0.1:8443',
    );
  return given;
}

function cacheOf(given: string | undefined, kind: string): number | undefined {
  if (given === undefined) return undefined;
  if (kind !== 'nginx') throw new OperatorError(`--cache: ${kind} keeps no verdicts`, 'leave --cache out');
  const { data } = duration().safeParse(given);
  if (data === undefined || data < 1000 || data > 60_000)
    throw new OperatorError(
      `--cache: ${given} must be between 1s and 60s`,
      'an assertion lasts 60 s, and a permission counts as long after a logout',
    );
  return data;
}

function isLive({ values }: Invocation, kind: string): boolean {
  if (values.live !== true) return false;
  if (kind === 'nginx' || kind === 'caddy') return true;
  const why = kind === 'haproxy' ? 'everything goes through the gateway anyway' : `${kind} is not known to do it`;
  throw new OperatorError(`--live: ${why}`, 'leave --live out');
}

/** A path that every configuration language takes as one word. */
function plainPath(path: string, option: string): string {
  if (/^[\w./@+-]+$/.test(path)) return path;
  throw new OperatorError(
    `--${option}: ${path} has signs that configuration files give a meaning`,
    'use letters, digits and ./@+-_',
  );
}

/** Of answers that a proxy which asks sends by itself the gateway writes no line. */
function passingNotes({ routes }: ExportSite, kind: string): string[] {
  if (kind === 'haproxy') return [];
  return routes.flatMap((route) => {
    const { name, cors, fixed } = route;
    if (fixed) return [];
    const preflights = kind === 'nginx' ? '' : `; ${kind} has to answer preflights too`;
    return [
      ...(cors ? [`${name}: answers of the application bear its own CORS lines, not those of cors${preflights}`] : []),
      ...(hasAnswersByIdentity(route)
        ? [`${name}: the application has to say Vary: Cookie, and Cache-Control: private to whoever it knows`]
        : []),
    ];
  });
}

/** Of what the gateway answers by itself, all but nginx and HAProxy take a 2xx for a permission to forward. */
function answerNotes({ routes }: ExportSite, kind: string): string[] {
  if (kind === 'nginx' || kind === 'haproxy') return [];
  return routes.flatMap(({ name, fixed }) =>
    fixed && fixed.status < 300
      ? [
          `${name}: ${kind} can be told no answer of ${fixed.status} and gives 403 there; write it in ${kind}'s own words`,
        ]
      : [],
  );
}

/** A proxy that is not believed gets 401 for everything. */
function trustNote({ server }: Document, gateway: URL): string[] {
  if (server.trustedProxies.length === 0)
    return ['server.trustedProxies is empty: add the address of the proxy, or it is told 401 for every request'];
  const isLocal = gateway.hostname === '127.0.0.1' || gateway.hostname === 'localhost';
  const isTrusted = networks(server.trustedProxies)('127.0.0.1');
  return isLocal && !isTrusted
    ? ['the gateway listens on this machine, but 127.0.0.1 is not in server.trustedProxies']
    : [];
}

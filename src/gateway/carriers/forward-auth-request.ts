/**
 * What a front proxy asks about: the request behind a call of `/_gate/auth`, put together from what nginx, Traefik, Caddy
 * or Envoy say of it. One that is not said in full, or said in two ways, is refused: no rule is not a reason to permit.
 */
import type { ReadName } from '../../core/read-names.ts';
import type { Route } from '../../core/route.ts';
import type { Asked, GatewayRequest } from '../../core/verdict.ts';
import { type Authority, defaultPort, readAuthority } from '../../routing/host.ts';
import { knownHosts, type SiteHosts } from '../../routing/known-hosts.ts';

/** Where front proxies ask. Envoy writes the path that it asks about behind it. */
const forwardAuthPath = '/_gate/auth';

/** Whether a request target is the forward-auth address, in its one spelling. */
export function isForwardAuth(target: string | undefined): boolean {
  if (!target?.startsWith(forwardAuthPath)) return false;
  return target.length === forwardAuthPath.length || '/?'.includes(target[forwardAuthPath.length] ?? '');
}

/**
 * How the front proxy uses the answer: `check` takes the status alone (nginx), `pass` gives what is no permission to the
 * client as it is, `page` wants the client's answer to what has not been or will not be permitted.
 */
export type AnswerUse = 'check' | 'pass' | 'page';

/** The request that is asked about, or why there is none. */
export type AskedReading =
  | {
      readonly kind: 'ok';
      readonly request: GatewayRequest & { readonly asked: Asked };
      readonly use: AnswerUse;
      /** The answer to a `check` is fetched apart, so the check itself carries no challenge. */
      readonly answeredLater: boolean;
      /** The second question about one request: it is on record already. */
      readonly again: boolean;
      /** Asked in Envoy's way. */
      readonly isEnvoy: boolean;
    }
  | { readonly kind: 'refused'; readonly detail: string };

/** What the configuration says that matters to the reading. */
export interface AskedSetting {
  /** True for a host that is the public one or a route's; without a port it has that of the public scheme. */
  readonly isKnownHost: (authority: Authority) => boolean;
  /** True when some route is for one host only, so that a wrong host would find another rule. */
  readonly hasHosts: boolean;
  /** As in the public address. */
  readonly publicHost: string;
}

/** Which hosts can be asked about; a wildcard stands for the hosts below it. */
export function askedSetting(routes: readonly Route[], site: SiteHosts): AskedSetting {
  const isKnown = knownHosts({ ...site, anyHost: false }, routes);
  return {
    publicHost: site.publicUrl.host,
    hasHosts: routes.some(({ host }) => host !== undefined),
    isKnownHost: ({ host, port = defaultPort(site.publicUrl.protocol) }) => isKnown({ host, port }),
  };
}

const maxName = 256;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/;
/** Beside these, headers go to the pipeline as the proxy has passed them on. */
const aboutTheRequest = /^(?:host|x-original-.*|x-forwarded-(?:uri|method|host|upgrade))$/;

/** Reads a call of the forward-auth address that came from a trusted peer. */
export function readAsked(call: GatewayRequest, setting: AskedSetting): AskedReading {
  const options = readOptions(call.target);
  if (!options) return refused('the address has a parameter that is not known, or one twice');
  const target = one(call, ['x-original-uri', 'x-forwarded-uri'], options.path);
  if (!target) return refused('the original URI is missing, empty, or said in two ways');
  const isNginx = call.headers.has('x-original-uri');
  const host = hostOf(call, options.path !== undefined, isNginx, setting);
  if (!host) return refused('the original host is missing, empty, malformed, or said in two ways');
  const named = one(call, ['x-original-method', 'x-forwarded-method']);
  if (named === undefined) return refused('the original method is said in two ways');
  const method = named === '' ? call.method : named;
  if (!token.test(method)) return refused('the original method is malformed');
  const { answer, sendsAsWritten } = options;
  const route = options.path === undefined ? options.route : routeNamed(call);
  if (route === false) return refused('the route is empty, malformed, or said twice');
  return {
    kind: 'ok',
    request: {
      ...call,
      method,
      target,
      upgrade: isUpgrade(call),
      headers: call.headers.without((name) => aboutTheRequest.test(name)).with('Host', host),
      asked: { sendsAsWritten, ...(route !== undefined && { route }) },
    },
    use: answer === 'page' || answer === 'again' ? 'page' : isNginx ? 'check' : 'pass',
    answeredLater: answer === 'later',
    again: answer === 'again',
    isEnvoy: options.path !== undefined,
  };
}

interface Options {
  /** Envoy's way: the original path and query, behind the address. */
  readonly path?: string;
  readonly route?: string;
  readonly answer?: 'later' | 'page' | 'again';
  readonly sendsAsWritten: boolean;
}

/** What the operator's configuration of the proxy adds to the address; undefined for what it cannot mean. */
function readOptions(target: string): Options | undefined {
  const rest = target.slice(forwardAuthPath.length);
  if (rest.startsWith('/')) return { path: rest, sendsAsWritten: true };
  const fields = new URLSearchParams(rest.slice(1));
  const names = [...fields.keys()];
  if (new Set(names).size !== names.length || names.some((name) => !['route', 'answer', 'path'].includes(name)))
    return undefined;
  const [route, answer, path] = [fields.get('route'), fields.get('answer'), fields.get('path')];
  if (route !== null && (route === '' || route.length > maxName)) return undefined;
  if (answer !== null && answer !== 'later' && answer !== 'page' && answer !== 'again') return undefined;
  if (path !== null && path !== 'canonical') return undefined;
  return { sendsAsWritten: path === null, ...(route !== null && { route }), ...(answer !== null && { answer }) };
}

/** The route that Envoy has matched: its address has no room for it. Whoever else brings the header can only be refused for it. */
function routeNamed({ headers }: GatewayRequest): string | undefined | false {
  const [written, ...more] = headers.all('x-original-route');
  if (written === undefined) return undefined;
  try {
    const name = decodeURIComponent(written);
    return more.length === 0 && name !== '' && name.length <= maxName && name;
  } catch {
    return false;
  }
}

/**
 * The one value of several headers, or a path, that say the same; empty when none is there, undefined when two differ or one stands
 * twice or is empty. A proxy sets the names that it knows, so a client could bring the others.
 */
function one(call: GatewayRequest, names: readonly ReadName[], path?: string): string | undefined {
  const values: string[] = [];
  for (const found of [...names.map((name) => call.headers.all(name)), path === undefined ? [] : [path]]) {
    if (found.length > 1 || found[0]?.trim() === '') return undefined;
    values.push(...found);
  }
  return new Set(values).size > 1 ? undefined : (values[0] ?? '');
}

/**
 * nginx and Envoy may leave the host in `Host`. There nginx writes the name of its upstream unless it is told otherwise, so
 * that one counts only where it is a host that we know; where no route asks for one, another stands for the public host.
 */
function hostOf(
  call: GatewayRequest,
  isEnvoy: boolean,
  isNginx: boolean,
  { isKnownHost, hasHosts, publicHost }: AskedSetting,
): string | undefined {
  const said = one(call, ['x-original-host', 'x-forwarded-host']);
  if (said === undefined || said !== '') return said !== undefined && readAuthority(said) ? said : undefined;
  if (!isEnvoy && !isNginx) return undefined;
  const [host, ...more] = call.headers.all('host');
  const read = host === undefined || more.length > 0 ? undefined : readAuthority(host);
  if (!read) return undefined;
  if (isEnvoy || isKnownHost(read)) return host;
  return hasHosts ? undefined : publicHost;
}

/** Some proxies take `Upgrade` off, being for one hop, and leave the rest of the handshake. */
function isUpgrade({ headers }: GatewayRequest): boolean {
  const said = (['upgrade', 'x-original-upgrade', 'x-forwarded-upgrade'] as const).flatMap((name) => headers.all(name));
  return said.some((value) => /\bwebsocket\b/i.test(value)) || headers.has('sec-websocket-key');
}

function refused(detail: string): AskedReading {
  return { kind: 'refused', detail };
}

/**
 * Names of headers: how upstreams may read them, which belong to one connection only, and which are the gateway's own.
 */

import type { HeaderLines } from '../core/request-head.ts';

/**
 * Headers that end at the next hop (RFC 9110 §7.6.1), with those that speak about the connection though nobody lists them.
 * The framing of a body is the sender's own business as well: it is set anew where the body is sent.
 */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'expect',
  'http2-settings',
]);

/** What of a client's own lines is changed, or judged, by its name: `headers.ts` has a rule for each. */
const lookedAt: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...['authorization', 'content-length', 'cookie', 'host', 'traceparent', 'tracestate'],
]);

/** Whether there is a rule for lines of a name that clients may send; in lower case. */
export function isLookedAt(name: string): boolean {
  return lookedAt.has(name);
}

/**
 * What clients may never set, whatever the configuration says: names by which somebody asserts who a client is, `X-Rewrite-URL`,
 * which some applications read in the place of the path that was decided on, and `Proxy`, which CGI turns into HTTP_PROXY
 * (CVE-2016-5385).
 */
const alwaysOurs = ['forwarded', 'x-forwarded', 'x-real-ip', 'x-rewrite-url', 'x-request-id', 'proxy'] as const;
const alwaysOurPrefixes = ['x-forwarded-', 'x-original-', 'x-gatehouse-', 'x-remote-'] as const;

/**
 * What other proxies tell applications: whose the client's address and certificate are (RFC 9440 §4), what scheme, host and
 * mount point it saw, how the application sends files. Such a proxy in front of us may; nobody else.
 */
const ofProxies = [
  ...['client-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'cf-connecting-ip', 'cf-connecting-ipv6'],
  ...['fastly-client-ip', 'x-azure-clientip', 'x-envoy-external-address', 'x-envoy-internal'],
  ...['x-scheme', 'x-url-scheme', 'front-end-https', 'x-host', 'x-http-host-override', 'x-script-name'],
  ...['x-sendfile-type', 'x-accel-mapping'],
] as const;
/** The families of the client's certificate: nginx, Apache, HAProxy, AWS, Azure, Cloudflare, Traefik, F5 and their like. */
const prefixesOfProxies = [
  ...['client-cert', 'x-client-cert', 'ssl-client-', 'x-ssl-', 'tls-client-', 'x-tls-client-', 'x-peer-cert'],
  ...['x-client-dn', 'x-client-verify', 'x-client-subject', 'x-client-issuer', 'x-client-serial'],
  ...['x-amzn-mtls-', 'cf-client-cert-', 'x-arr-clientcert'],
] as const;

/** The spelling in which CGI, WSGI and PHP upstreams compare header names. */
export function fold(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** What a proxy in front has to clear so that no client passes for one: these names, and all that begin with these words. */
export const namesOfProxies: { readonly names: readonly string[]; readonly families: readonly string[] } = {
  names: ofProxies,
  families: prefixesOfProxies,
};

/** The header names that only the gateway sets. */
export interface Namespace {
  /** The name in lower case when a client may send it; undefined when it is ours, or could be read as ours. */
  open(name: string): string | undefined;
  /** Whether an upstream that folds every other sign to a hyphen would take the name for one of ours. */
  owns(name: string): boolean;
}

/**
 * Closes the namespace around these names and around what no client may ever set.
 *
 * Only letters, digits and hyphens pass: CGI upstreams fold `_`, and some every other character, to the same letter as
 * `-`, so that `X_Remote_User` or `X.Remote.User` would be ours to them. `toStrangers` closes what only proxies may tell, too.
 */
export function compileNamespace(names: Iterable<string>, { toStrangers = false } = {}): Namespace {
  const closed = new Set<string>([...alwaysOurs, ...(toStrangers ? ofProxies : []), ...Array.from(names, fold)]);
  const prefixes = [...alwaysOurPrefixes, ...(toStrangers ? prefixesOfProxies : [])];
  const isOurs = (spelt: string) => closed.has(spelt) || prefixes.some((prefix) => spelt.startsWith(prefix));
  const judge = (name: string): string | undefined => {
    const spelt = name.toLowerCase();
    return /^[a-z0-9-]+$/.test(spelt) && !isOurs(spelt) ? spelt : undefined;
  };
  // Browsers send the same two dozen spellings all day; what else clients invent must not grow the memory.
  const known = new Map<string, string | undefined>();
  return {
    open(name) {
      const verdict = known.get(name);
      if (verdict !== undefined || known.has(name)) return verdict;
      const judged = judge(name);
      if (known.size < 1024) known.set(name, judged);
      return judged;
    },
    owns: (name) => isOurs(name.toLowerCase().replace(/[^a-z0-9]/g, '-')),
  };
}

const nothingNamed: ReadonlySet<string> = new Set();

/** The names that `Connection` lines declare to be for this hop, in lower case. */
export function connectionNamed(headers: HeaderLines): ReadonlySet<string> {
  if (!headers.has('connection') && !headers.has('proxy-connection')) return nothingNamed;
  const named = new Set<string>();
  for (const word of [...headers.list('connection'), ...headers.list('proxy-connection')]) {
    const name = word.toLowerCase();
    // Host routes the request and cannot be for one hop; `close` and `keep-alive` are no headers.
    if (name !== 'host' && name !== 'close') named.add(name);
  }
  return named;
}

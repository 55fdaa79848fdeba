/**
 * Names of headers: how upstreams may read them, which belong to one connection only, and which are the gateway's own.
 */

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

/**
 * What clients may never set, whatever the configuration says: names by which somebody vouches for a client, and `Proxy`,
 * which CGI turns into HTTP_PROXY (CVE-2016-5385).
 */
const alwaysOurs = ['forwarded', 'x-real-ip', 'x-request-id', 'proxy'] as const;
const alwaysOurPrefixes = ['x-forwarded-', 'x-original-', 'x-gatehouse-', 'x-remote-'] as const;

/** The spelling in which CGI, WSGI and PHP upstreams compare header names. */
export function fold(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

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
 * `-`, so that `X_Remote_User` or `X.Remote.User` would be ours to them.
 */
export function compileNamespace(names: Iterable<string>): Namespace {
  const closed = new Set<string>([...alwaysOurs, ...Array.from(names, fold)]);
  const isOurs = (spelt: string) => closed.has(spelt) || alwaysOurPrefixes.some((prefix) => spelt.startsWith(prefix));
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

/** The names that `Connection` lines declare to be for this hop, in lower case. */
export function connectionNamed(lines: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>();
  for (const line of lines)
    for (const word of line.split(',')) {
      const name = word.trim().toLowerCase();
      // Host routes the request and cannot be for one hop; `close` and `keep-alive` are no headers.
      if (name !== '' && name !== 'host' && name !== 'close') named.add(name);
    }
  return named;
}

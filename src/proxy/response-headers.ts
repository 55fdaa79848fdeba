/**
 * What the client is sent as headers: the upstream's without those of its connection, with redirects and cookies as the
 * browser must see them (nginx's `proxy_redirect default`, `proxy_cookie_path`), then the gateway's own. Pure.
 */
import { HeaderLines } from '../core/request-head.ts';
import type { Forward } from '../core/verdict.ts';
import { type CookieScope, type OwnCookie, scopeCookie } from './cookies.ts';
import { connectionNamed, hopByHop } from './header-names.ts';
import { publicPath } from './public-path.ts';

/** How one upstream's addresses become the public ones. */
interface Rewriting {
  readonly scope: CookieScope;
  /** Origins whose addresses are the upstream's; the public one is another's too, where the upstream has the whole of a host. */
  readonly origins: readonly { readonly origin: string; readonly isShared: boolean }[];
}

/** The head as the upstream wrote it, of undici's parts: what undici makes of it has neither spelling nor order. */
export function upstreamHead(raw: unknown): HeaderLines {
  const parts: readonly (string | Buffer)[] = Array.isArray(raw) ? raw : [];
  return new HeaderLines(parts.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))));
}

/** Of these ours stand beside the upstream's, not in their place. */
const besides: ReadonlySet<string> = new Set(['set-cookie', 'www-authenticate']);
/** What lets an answer be kept and given to others: not where it brings a session's cookie. */
const caching: ReadonlySet<string> = new Set([
  ...['cache-control', 'expires', 'pragma', 'surrogate-control', 'cdn-cache-control'],
]);

/**
 * Headers for the client's response, names and values in turn.
 *
 * Throws when the upstream's cannot be passed on: characters that no header may hold, or a body coded in a way that only
 * its connection knew.
 */
export function responseHeaders(upstream: HeaderLines, forward: Forward, isOwn: OwnCookie, status: number): string[] {
  const rewriting = rewritingOf(forward, isOwn);
  const named = connectionNamed(upstream);
  const coding = upstream.all('transfer-encoding').join(',').trim().toLowerCase();
  if (coding !== '' && coding !== 'chunked') throw new Error(`the body has the transfer coding ${coding.slice(0, 40)}`);
  const replaced = new Set(Object.keys(forward.reply).map((name) => name.toLowerCase()));
  const bringsCookie = replaced.has('set-cookie');
  const lines: string[] = [];
  upstream.each((name, value) => {
    if (hopByHop.has(name) || named.has(name)) return;
    // Where else this origin is to be found is for the gateway to say: a browser would take its cookies there (RFC 7838 §2.4).
    if (name === 'alt-svc' || (bringsCookie && caching.has(name))) return;
    if (replaced.has(name) && !besides.has(name)) return;
    if (name === 'content-length' && (status === 204 || coding !== '')) return;
    const rewritten = rewrite(name, value, rewriting);
    if (rewritten === undefined) return;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(rewritten)) throw new Error(`the header ${name} holds a control character`);
    lines.push(name, rewritten);
  });
  if (bringsCookie && !replaced.has('cache-control')) lines.push('cache-control', 'no-store');
  for (const [name, value] of Object.entries(forward.reply))
    for (const text of typeof value === 'string' ? [value] : value) lines.push(name, text);
  return lines;
}

function rewrite(name: string, value: string, rewriting: Rewriting): string | undefined {
  switch (name) {
    case 'set-cookie':
      return scopeCookie(value, rewriting.scope);
    case 'location':
      return redirect(value, rewriting);
    case 'refresh':
      return value.replace(
        /^(\s*\d+(?:\.\d+)?\s*[;,]\s*url\s*=\s*['"]?)(.*)$/is,
        (_all, start: string, url: string) => start + redirect(url, rewriting),
      );
    case 'clear-site-data':
      return withoutCookies(value);
    default:
      return value;
  }
}

/** The cookies of this origin are not one application's: clearing them would sign the user out of all. */
function withoutCookies(value: string): string | undefined {
  const kinds = value
    .split(',')
    .map((kind) => kind.trim())
    .flatMap((kind) => (kind === '"*"' ? ['"cache"', '"clientHints"', '"executionContexts"', '"storage"'] : [kind]))
    .filter((kind) => kind !== '' && kind.toLowerCase() !== '"cookies"');
  return kinds.length === 0 ? undefined : kinds.join(', ');
}

function redirect(value: string, { scope, origins }: Rewriting): string {
  for (const { origin, isShared } of origins) {
    const rest = value.slice(origin.length);
    // Scheme and host compare without case.
    if (value.slice(0, origin.length).toLowerCase() !== origin || !/^(?:[/?#]|$)/.test(rest)) continue;
    const path = rest.startsWith('/') ? rest : `/${rest}`;
    const { prefix } = scope;
    if (!prefix) return onThisSite(path);
    const there = publicPath(path, prefix);
    if (there !== undefined && !(isShared && there !== path)) return onThisSite(there);
  }
  return value;
}

/** A path that begins with two slashes, or with what browsers take for them, would name another host. */
function onThisSite(path: string): string {
  return /^\/[\t\r\n]*[/\\]/.test(path) ? `/.${path}` : path;
}

const rewritings = new WeakMap<object, Map<string, Rewriting>>();

/** The same for each request of a route that came under the same host, so it is kept with the route. */
function rewritingOf(forward: Forward, isOwn: OwnCookie): Rewriting {
  const { route, target } = forward;
  const sent = forward.headers.get('host');
  const host = typeof sent === 'string' ? sent.toLowerCase() : '';
  const byHost = rewritings.get(route) ?? new Map<string, Rewriting>();
  rewritings.set(route, byHost);
  const key = `${target.host} ${host}`;
  const kept = byHost.get(key);
  if (kept && kept.scope.isOwn === isOwn) return kept;
  const rewriting = makeRewriting(forward, isOwn, host);
  // The host is the client's to choose where a route takes every host.
  if (byHost.size < 64) byHost.set(key, rewriting);
  return rewriting;
}

function makeRewriting({ route, target }: Forward, isOwn: OwnCookie, host: string): Rewriting {
  const { servers, path } = route.upstream;
  const origins = servers.map(({ url }) => ({ origin: url.origin, isShared: false }));
  // An upstream that is given the public Host builds its own addresses with it, and with the scheme that it is spoken to.
  // Below a replaced `/` they may as well be those of another location.
  const scheme = servers[0]?.url.protocol;
  if (host !== '' && scheme !== undefined) origins.push({ origin: `${scheme}//${host}`, isShared: path === '/' });
  const prefix = path !== undefined && path !== route.path ? { upstream: path, location: route.path } : undefined;
  return { scope: { isOwn, host: target.host, prefix }, origins };
}

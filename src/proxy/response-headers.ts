/**
 * What the client is sent as headers: the upstream's without those of its connection, with redirects and cookies as the
 * browser must see them (nginx's `proxy_redirect default`, `proxy_cookie_path`), then the gateway's own. Pure.
 */

import type { Log } from '../core/log.ts';
import { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { Forward } from '../core/verdict.ts';
import { cacheRule, caching } from './answer-caching.ts';
import type { BoundCookies } from './bound-cookies.ts';
import { type CookieScope, type OwnCookie, scopeCookie } from './cookies.ts';
import { connectionNamed, hopByHop } from './header-names.ts';
import { publicPath } from './public-path.ts';

/** How one upstream's addresses become the public ones. */
interface Rewriting {
  readonly scope: CookieScope;
  /** Origins whose addresses are the upstream's; the public one is another's too, where the upstream has the whole of a host. */
  readonly origins: readonly { readonly scheme: string; readonly host: string; readonly isShared: boolean }[];
}

/** The head as the upstream wrote it, of undici's parts: what undici makes of it has neither spelling nor order. */
export function upstreamHead(raw: unknown): HeaderLines {
  const parts: readonly (string | Buffer)[] = Array.isArray(raw) ? raw : [];
  return new HeaderLines(parts.map((part) => (typeof part === 'string' ? part : part.toString('latin1'))));
}

/** What an answer is read by, whatever carries it. */
export interface ResponseRules {
  readonly isOwnCookie: OwnCookie;
  /** Binds what an application sets to whoever is signed in. */
  readonly cookies?: Pick<BoundCookies, 'mark'>;
  /** Told of a challenge that was taken out since nobody could answer it. */
  readonly onUnanswerable?: (route: Route) => void;
}

/** Tells the log once for each route whose application asks for what nobody can answer. */
export function reportUnanswerable(log: Log): (route: Route) => void {
  const told = new WeakSet<Route>();
  return (route) => {
    if (told.has(route)) return;
    told.add(route);
    log.warn(
      { route: route.name },
      'an application asks for Negotiate or NTLM, which no browser can answer through a proxy: its challenge is taken out',
    );
  };
}

/** Of these ours stand beside the upstream's, not in their place. */
const besides: ReadonlySet<string> = new Set(['set-cookie', 'www-authenticate', 'vary']);

/**
 * Headers for the client's response, names and values in turn.
 *
 * Throws when the upstream's cannot be passed on: characters that no header may hold, or a body coded in a way that only
 * its connection knew.
 */
export function responseHeaders(
  upstream: HeaderLines,
  forward: Forward,
  rules: ResponseRules,
  status: number,
): string[] {
  const rewriting = rewritingOf(forward, rules.isOwnCookie);
  const named = connectionNamed(upstream);
  const coding = upstream.all('transfer-encoding').join(',').trim().toLowerCase();
  if (coding !== '' && coding !== 'chunked') throw new Error(`the body has the transfer coding ${coding.slice(0, 40)}`);
  const replaced = new Set(Object.keys(forward.reply).map((name) => name.toLowerCase()));
  const rule = cacheRule(upstream, forward);
  const isCors = forward.route.cors !== undefined;
  const lines = (forward.firstCookies ?? []).flatMap((line) => ['set-cookie', line]);
  const lengths: string[] = [];
  upstream.each((name, value, spelling) => {
    if (hopByHop.has(name) || named.has(name)) return;
    // Where else this origin is to be found is for the gateway to say: a browser would take its cookies there (RFC 7838 §2.4).
    if (name === 'alt-svc' || (rule !== undefined && caching.has(name))) return;
    if (replaced.has(name) && !besides.has(name)) return;
    // Two lines of one of these, or one of each side, and a browser takes the answer for nobody's.
    if (isCors && name.startsWith('access-control-')) return;
    if (name === 'content-length' && (status === 204 || coding !== '')) return;
    if (name === 'content-length') return void lengths.push(spelling, value);
    const plain = rewrite(name, value, rewriting);
    const isCookie = name === 'set-cookie' && plain !== undefined;
    const rewritten = isCookie ? (rules.cookies?.mark(plain, forward) ?? plain) : plain;
    if (name === 'www-authenticate' && rewritten !== value) rules.onUnanswerable?.(forward.route);
    if (rewritten === undefined) return;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(rewritten)) throw new Error(`the header ${name} holds a control character`);
    lines.push(spelling, rewritten);
  });
  // Behind Content-Disposition: Node reads one that follows a length as UTF-8, and refuses what it makes of it.
  lines.push(...lengths);
  if (rule !== undefined && !replaced.has('cache-control')) lines.push('cache-control', rule);
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
      return refresh(value, rewriting);
    case 'clear-site-data':
      return withoutCookies(value);
    case 'www-authenticate':
      return answerable(value);
    default:
      return value;
  }
}

/**
 * The challenges that a client of ours can answer: Negotiate and NTLM sign in a connection, which here is shared, so what a
 * browser answers them with never goes to an upstream. It would ask for a password again and again.
 */
function answerable(value: string): string | undefined {
  const parts = outsideQuotes(value);
  const kept = parts.filter((part) => !/^\s*(?:negotiate|ntlm)(?:\s|$)/i.test(part));
  if (kept.length === parts.length) return value;
  return kept.length === 0 ? undefined : kept.join(',').trim();
}

/** The parts of a list, whose commas between quotation marks are none. */
function outsideQuotes(value: string): string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let start = 0;
  for (let index = 0; index < value.length; index += 1) {
    const sign = value[index];
    if (sign === '\\' && isQuoted) index += 1;
    else if (sign === '"') isQuoted = !isQuoted;
    else if (sign === ',' && !isQuoted) {
      parts.push(value.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(value.slice(start));
  return parts;
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

function refresh(value: string, rewriting: Rewriting): string {
  const [, start = '', quote = '', rest = ''] =
    /^(\s*\d+(?:\.\d+)?\s*[;,]\s*(?:url\s*=\s*)?)(['"]?)(.*)$/is.exec(value) ?? [];
  if (start === '') return value;
  const end = quote === '' ? -1 : rest.indexOf(quote);
  const url = end === -1 ? rest : rest.slice(0, end);
  return start + quote + redirect(url, rewriting) + rest.slice(url.length);
}

function redirect(value: string, { scope: { prefix }, origins }: Rewriting): string {
  const [, scheme, authority, rest = ''] = /^(?:([a-z][a-z0-9+.-]*:))?\/\/([^/?#\\]*)(.*)$/is.exec(value) ?? [];
  // A path alone is the upstream's where its prefix tells so: of a whole host any path may as well be a public one.
  if (authority === undefined) {
    if (!prefix || prefix.upstream === '/' || !/^\/(?![\t\r\n]*[/\\])/.test(value)) return value;
    const there = publicPath(value, prefix);
    return there === undefined || there === value ? value : onThisSite(there);
  }
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  for (const origin of origins) {
    // Scheme and host compare without case; an address without a scheme has that of its page.
    if (scheme !== undefined && scheme.toLowerCase() !== origin.scheme) continue;
    if (withoutDefaultPort(authority.toLowerCase(), origin.scheme) !== origin.host || rest.startsWith('\\')) continue;
    if (!prefix) return onThisSite(path);
    const there = publicPath(path, prefix);
    if (there !== undefined && !(origin.isShared && there !== path)) return onThisSite(there);
  }
  return value;
}

function withoutDefaultPort(host: string, scheme: string): string {
  return host.replace(scheme === 'https:' ? /:443$/ : /:80$/, '');
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
  const origins = servers.map(({ url }) => ({ scheme: url.protocol, host: url.host, isShared: false }));
  // An upstream that is given the public Host builds its own addresses with it, and with the scheme that it is spoken to.
  // Below a replaced `/` they may as well be those of another location.
  const scheme = servers[0]?.url.protocol;
  if (host !== '' && scheme !== undefined)
    origins.push({ scheme, host: withoutDefaultPort(host, scheme), isShared: path === '/' });
  const prefix = path !== undefined && path !== route.path ? { upstream: path, location: route.path } : undefined;
  return { scope: { isOwn, host: target.host, prefix }, origins };
}

/** The gateway's own cookies, which no upstream sees and none may set; and the path and domain of the upstream's. */

import { type PathPrefix, publicPath } from './public-path.ts';

/** Whether a cookie name is one of the gateway's. */
export type OwnCookie = (name: string) => boolean;

/** The gateway's cookies by name; a name that ends in `*` stands for all that begin so. */
export function ownCookies(names: readonly string[]): OwnCookie {
  const whole = new Set(names.filter((name) => !name.endsWith('*')).map((name) => name.toLowerCase()));
  const prefixes = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1).toLowerCase());
  return (name) => {
    const spelt = name.trim().toLowerCase();
    return whole.has(spelt) || prefixes.some((prefix) => spelt.startsWith(prefix));
  };
}

/** A `Cookie` value without our own; undefined when nothing is left, so that the header goes. */
export function stripCookies(value: string, isOwn: OwnCookie): string | undefined {
  const pairs = value.split(';');
  const kept = pairs.filter((pair) => pair.trim() !== '' && !isOwn(nameOf(pair)));
  if (kept.length === pairs.length) return value;
  return kept.length === 0 ? undefined : kept.map((pair) => pair.trim()).join('; ');
}

/** One cookie of a `Cookie` value. */
interface CookiePair {
  /** Empty for a value without a name (RFC 6265bis §5.7). */
  readonly name: string;
  readonly value: string;
  /** As it stood. */
  readonly pair: string;
}

/** The cookies of a `Cookie` value, without empty parts. */
export function readPairs(cookies: string): readonly CookiePair[] {
  return cookies.split(';').flatMap((part) => {
    const pair = part.trim();
    if (pair === '') return [];
    const equals = pair.indexOf('=');
    if (equals === -1) return [{ name: '', value: pair, pair }];
    return [{ name: pair.slice(0, equals).trim(), value: pair.slice(equals + 1).trim(), pair }];
  });
}

/** A `Set-Cookie` line in its parts. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  /** What stands behind the value, with its semicolon. */
  readonly rest: string;
  /** By name in lower case; of several the last. */
  readonly attributes: ReadonlyMap<string, string>;
}

/** Reads a `Set-Cookie` line; undefined for one without a name, which comes back as a bare value. */
export function readSetCookie(line: string): SetCookie | undefined {
  const [pair = '', ...attributes] = line.split(';');
  const equals = pair.indexOf('=');
  const name = pair.slice(0, Math.max(0, equals)).trim();
  if (name === '') return undefined;
  const said = attributes.map((attribute) => {
    const end = attribute.indexOf('=');
    if (end === -1) return [attribute.trim().toLowerCase(), ''] as const;
    return [attribute.slice(0, end).trim().toLowerCase(), attribute.slice(end + 1).trim()] as const;
  });
  return { name, value: pair.slice(equals + 1).trim(), rest: line.slice(pair.length), attributes: new Map(said) };
}

/** Whether a cookie is one that browsers delete; `Max-Age` counts before `Expires` (RFC 6265 §5.3). */
export function isExpired({ attributes }: SetCookie, now: number): boolean {
  const age = attributes.get('max-age') ?? '';
  if (/^-?\d+$/.test(age)) return Number(age) <= 0;
  return Date.parse(attributes.get('expires') ?? '') <= now;
}

/** How the paths and domains of an upstream's cookies become the browser's. */
export interface CookieScope {
  readonly isOwn: OwnCookie;
  /** Undefined when paths go unchanged. */
  readonly prefix?: PathPrefix | undefined;
  /** The host that the browser asked, without port. */
  readonly host: string;
}

/**
 * A `Set-Cookie` of an upstream as the browser may see it: nginx's `proxy_cookie_path` where a prefix is replaced, and no
 * domain that the browser would refuse. Undefined when the cookie is ours: an upstream must not sign anybody in or out.
 */
export function scopeCookie(value: string, scope: CookieScope): string | undefined {
  const [pair = '', ...attributes] = value.split(';');
  if (isOurs(pair, scope.isOwn)) return undefined;
  const kept: string[] = [pair];
  for (const attribute of attributes) {
    // Cut by hand: a regular expression that trims both sides takes hours on an attribute made of spaces.
    const equals = attribute.indexOf('=');
    const name = (equals === -1 ? attribute : attribute.slice(0, equals)).trim().toLowerCase();
    const text = equals === -1 ? '' : attribute.slice(equals + 1).trim();
    if (name === 'path' && scope.prefix) kept.push(` Path=${publicPath(text, scope.prefix) ?? text}`);
    else if (name !== 'domain' || domainMatches(scope.host, text)) kept.push(attribute);
  }
  return kept.join(';');
}

/** Browsers send a cookie without a name as its bare value: `=gatehouse=x` comes back as `gatehouse=x`. */
function isOurs(pair: string, isOwn: OwnCookie): boolean {
  const name = nameOf(pair);
  if (name !== '' && pair.includes('=')) return isOwn(name);
  const bare = pair.trim().replace(/^=+/, '');
  return isOwn(nameOf(bare));
}

function nameOf(pair: string): string {
  const end = pair.indexOf('=');
  return (end === -1 ? pair : pair.slice(0, end)).trim();
}

/** RFC 6265 §5.1.3; a domain that does not match makes the browser drop the cookie, so it is left out instead. */
function domainMatches(host: string, domain: string): boolean {
  const suffix = domain.replace(/^\./, '').toLowerCase();
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

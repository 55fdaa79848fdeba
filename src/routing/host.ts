/**
 * Host names in their one spelling: of a request's Host, of an absolute target, of a route. Whether a request's Host is
 * there at all and only once is `target.ts`'s to check.
 */
import { isIPv6 } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';

const maxHost = 253;
const label = /^[a-z0-9_-]{1,63}$/;

/** A host and, where it was written, its port. */
export interface Authority {
  /** Canonical: lower case, punycode, no trailing dot; an IPv6 address in brackets. */
  readonly host: string;
  readonly port: string | undefined;
}

const known = new Map<string, Authority>();

/** Reads `host` or `host:port`; undefined for user names, spaces, empty labels and whatever else is no host. */
export function readAuthority(text: string): Authority | undefined {
  const kept = known.get(text);
  if (kept) return kept;
  const authority = parseAuthority(text);
  // All requests of a site have the same few; what else clients write into Host must not grow the memory.
  if (authority && known.size < 256) known.set(text, authority);
  return authority;
}

function parseAuthority(text: string): Authority | undefined {
  const parts = /^(\[[0-9a-f:.]*\]|[^:[\]]*)(?::(\d{1,5}))?$/i.exec(text);
  if (!parts) return undefined;
  const [, name = '', port] = parts;
  if (port !== undefined && Number(port) > 65_535) return undefined;
  const host = name.startsWith('[') ? canonicalIpv6(name.slice(1, -1)) : canonicalName(name);
  return host === undefined ? undefined : { host, port: port === undefined ? undefined : String(Number(port)) };
}

/** A route's host as it is read. */
interface RouteHost {
  /** Canonical; `*.` before it stands for all hosts below. */
  readonly name: string;
  /** Undefined: whatever the port. */
  readonly port: string | undefined;
}

/** Reads a route's host: a host or `*.` before one, with or without a port. Undefined when it is none. */
export function readRouteHost(text: string): RouteHost | undefined {
  const isWildcard = text.startsWith('*.');
  const authority = readAuthority(isWildcard ? text.slice(2) : text);
  if (!authority || authority.port === '0' || (isWildcard && authority.host.startsWith('['))) return undefined;
  return { name: isWildcard ? `*.${authority.host}` : authority.host, port: authority.port };
}

/** A route's host in its one spelling. Undefined when it is none. */
export function canonicalRouteHost(text: string): string | undefined {
  const host = readRouteHost(text);
  return host && (host.port === undefined ? host.name : `${host.name}:${host.port}`);
}

/** The port that a scheme has where none is written. */
export function defaultPort(scheme: string): string {
  return scheme.startsWith('https') ? '443' : '80';
}

function canonicalName(name: string): string | undefined {
  // domainToASCII decodes %2e and cuts at a slash: only letters that a host may have reach it.
  if (name === '' || /[^A-Za-z0-9._\-\u0080-\u{10ffff}]/u.test(name)) return undefined;
  const international = /[^\0-\x7f]|(?:^|\.)xn--/i.test(name);
  const spelt = (international ? domainToASCII(name) : name).toLowerCase();
  const bare = spelt.endsWith('.') ? spelt.slice(0, -1) : spelt;
  if (bare.length > maxHost || !bare.split('.').every((part) => label.test(part))) return undefined;
  // A punycode label that decodes to another name, or to none, would be a second spelling of that name.
  if (international && domainToASCII(domainToUnicode(bare)).toLowerCase() !== bare) return undefined;
  return bare;
}

function canonicalIpv6(address: string): string | undefined {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname : undefined;
}

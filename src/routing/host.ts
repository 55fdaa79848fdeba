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

/** A route's host in its one spelling: a host without a port, or `*.` before one. Undefined when it is neither. */
export function canonicalRouteHost(host: string): string | undefined {
  const wildcard = host.startsWith('*.');
  const authority = readAuthority(wildcard ? host.slice(2) : host);
  if (!authority || authority.port !== undefined || (wildcard && authority.host.startsWith('['))) return undefined;
  return wildcard ? `*.${authority.host}` : authority.host;
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

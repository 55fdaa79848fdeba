/**
 * Who may speak to the operator's listener: callers with the token, and without one only programs on this machine. A web
 * page in an operator's browser is neither, whatever name it has led the browser to use (DNS rebinding, CSRF).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { Secret } from '../core/secret.ts';
import type { AdminOptions } from './options.ts';

/** `known`: may see and do all. `stranger`: may only learn whether we are up. */
export type Admission =
  | { readonly kind: 'known' | 'stranger' }
  | { readonly kind: 'refused'; readonly status: 401 | 403; readonly error: string; readonly message: string };

/** Judges a request by its headers. */
export function admit(headers: IncomingHttpHeaders, { listen, token, hosts }: AdminOptions): Admission {
  if (isFromOtherSite(headers))
    return {
      kind: 'refused',
      status: 403,
      error: 'origin-mismatch',
      message: 'Requests of other web sites are not taken.',
    };
  const shown = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (token && shown !== undefined) return isSame(shown, token) ? { kind: 'known' } : refusedToken;
  if (token) return { kind: 'stranger' };
  if (isOwnHost(headers.host, [listen.hostname, ...hosts])) return { kind: 'known' };
  return {
    kind: 'refused',
    status: 403,
    error: 'host-mismatch',
    message: 'This host name is not known here. Call the address itself, or add the name to admin.hosts.',
  };
}

/** What a caller without a valid token is told. */
export const refusedToken: Admission = {
  kind: 'refused',
  status: 401,
  error: 'token-required',
  message: 'Show the admin token as "Authorization: Bearer …".',
};

/** Browsers say where a request comes from; programs do not. An address typed by hand (`none`) is the operator's own. */
function isFromOtherSite(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return headers.origin !== undefined && headers.origin !== `http://${headers.host ?? ''}`;
}

/** A rebound name is a name: an address in the Host header cannot be an attacker's. */
function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined || !URL.canParse(`http://${host}/`)) return false;
  const { hostname, username, pathname, search, hash } = new URL(`http://${host}/`);
  if (username !== '' || pathname !== '/' || search !== '' || hash !== '') return false;
  const plain = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  return isIP(plain) !== 0 || plain === 'localhost' || names.some((name) => name.toLowerCase() === plain);
}

/** Digests have one length, so the time tells nothing of the token, not even its length. */
function isSame(shown: string, token: Secret): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(token.reveal()));
}

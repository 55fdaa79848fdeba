/**
 * Who speaks to the admin listener: callers with a token, and without one only programs on this machine. A web page in an
 * operator's browser is neither, whatever name it has led the browser to use (DNS rebinding, CSRF). What each may do is
 * `rights.ts`'s.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { HeaderLines } from '../core/request-head.ts';
import type { Secret } from '../core/secret.ts';
import type { AdminOptions } from './options.ts';
import type { Role } from './rights.ts';

/** Who speaks, as the audit calls them. */
export interface Caller {
  readonly actor: string;
  readonly role: Role;
}

/** An answer to somebody who is not heard. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: 400 | 401 | 403;
  readonly error: string;
  readonly message: string;
}

/** Who may open the socket is the owner of the files: whatever comes there is an operator's. */
export const localCaller: Caller = { actor: 'local', role: 'operator' };

/** Judges a request that came over TCP by its headers. */
export function identifyCaller(
  headers: HeaderLines,
  { listen, token, tokens, hosts }: Pick<AdminOptions, 'listen' | 'token' | 'tokens' | 'hosts'>,
): { readonly kind: 'caller'; readonly caller: Caller } | Refusal {
  const repeated = countedOnce.find((name) => headers.all(name).length > 1);
  if (repeated !== undefined) return refused(400, 'ambiguous-header', `${repeated} stands there more than once.`);
  if (isFromOtherSite(headers)) return refused(403, 'origin-mismatch', 'Requests of other web sites are not taken.');
  const known = Object.entries(tokens).map(([actor, { token, role }]) => ({ actor, role, token }));
  if (token) known.push({ actor: 'token', role: 'operator', token });
  const shown = /^Bearer +(\S+)$/i.exec(headers.single('authorization') ?? '')?.[1];
  if (known.length > 0 && shown !== undefined) {
    // All are compared, so that the time does not tell which one was nearly right.
    const [found] = known.filter((one) => isSame(shown, one.token));
    return found ? { kind: 'caller', caller: { actor: found.actor, role: found.role } } : tokenRequired;
  }
  if (known.length > 0) return { kind: 'caller', caller: { actor: 'stranger', role: 'stranger' } };
  if (isOwnHost(headers.single('host'), [listen.hostname, ...hosts]))
    return { kind: 'caller', caller: { actor: 'loopback', role: 'loopback' } };
  const remedy = 'Call the address itself, or add the name to admin.hosts.';
  return refused(403, 'host-mismatch', `This host name is not known here. ${remedy}`);
}

/** Node would take the first of two lines, and whoever stands in front the last. */
const countedOnce = ['authorization', 'host', 'origin', 'sec-fetch-site'] as const;

/** What a caller without a valid token is told. */
const tokenRequired: Refusal = refused(401, 'token-required', 'Show a token as "Authorization: Bearer …".');

/** What a caller is told who may not do this, whoever it is. */
export function roleMissing(role: Role): Refusal {
  if (role === 'stranger') return tokenRequired;
  const message =
    role === 'loopback'
      ? 'This wants admin.socket, or the token of an operator in admin.tokens.'
      : 'A monitor may only read; this wants the token of an operator.';
  return refused(403, 'role-missing', message);
}

function refused(status: Refusal['status'], error: string, message: string): Refusal {
  return { kind: 'refused', status, error, message };
}

/** Browsers say where a request comes from; programs do not. An address typed by hand (`none`) is the operator's own. */
function isFromOtherSite(headers: HeaderLines): boolean {
  const site = headers.single('sec-fetch-site');
  const origin = headers.single('origin');
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && origin !== `http://${headers.single('host') ?? ''}`;
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

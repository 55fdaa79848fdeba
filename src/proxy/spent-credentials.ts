/** Credentials that were meant for the gateway: no application sees them. */
import { holdsApiToken } from '../core/api-token.ts';
import type { Principal } from '../core/principal.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { ShownCredential } from '../core/shown-credential.ts';

/**
 * Credentials that the gateway itself consumed: a Kerberos ticket is for us, and a bearer token that stands for the
 * request instead of a session would let one application act for the user at every other. NTLM signs in a connection and
 * not a request, and connections to upstreams are shared.
 */
export function isSpent(
  authorization: string | string[] | undefined,
  access: Route['access'] | undefined,
  { principal, session, credential }: { principal?: Principal; session?: Session; credential?: ShownCredential },
): boolean {
  if (authorization === undefined) return false;
  if (typeof access === 'object' && access.basic && /^\s*basic\b/i.test(String(authorization))) return true;
  // A machine is known by its certificate: what it sends besides is for the application.
  if (access === 'peers') return /^\s*(?:negotiate|ntlm)\b/i.test(String(authorization));
  // An API token is gone already, and beside one in a header of its own this is meant for the application.
  const isOurs = principal !== undefined && session === undefined && credential?.kind !== 'api-token';
  return isOurs || /^\s*(?:negotiate|ntlm)\b/i.test(String(authorization));
}

/** An API token goes to no application, under whatever name and wherever it is not asked for. */
export function isApiToken(value: string): boolean {
  return holdsApiToken(value) && /^\s*(?:[a-z]+\s+)?gha_/i.test(value);
}

/** A browser's stay: who signed in, how, and when it was last seen. */

import { type Account, accountNamed, isSameAccount } from './account.ts';
import type { SessionGrant } from './outcome.ts';
import type { Assertion } from './principal.ts';
import type { Proofs } from './proof.ts';

/** What is kept of a session that began while its provider was away. */
export interface OfflineStay {
  /** When the provider had last taken the password. */
  readonly trustedAt: number;
  /** When the password was set, as the provider said then. */
  readonly passwordSetAt?: number;
  /** The provider is back and lets the account stay: its user is asked for the password at the next page load. */
  readonly isDue?: boolean;
  /** The user was asked, and the session ends sooner: when it would have ended. */
  readonly lifetimeEndsAt?: number;
}

/**
 * A live session. `id` is a public handle (it stands in assertions, the audit and the admin listener); the cookie's
 * value is another, from which the id is derived and which is nowhere stored.
 *
 * Roles are not kept: policy gives them at each request, so that a reloaded configuration counts at once.
 */
export interface Session {
  readonly id: string;
  /** With the assertion's subject, whose account it is. */
  readonly tenant: string;
  readonly assertion: Assertion;
  /** The configured name of the provider that asserted it last. */
  readonly provider: string;
  readonly createdAt: number;
  /** The last activity that counts; writes are coalesced, so the stored value may lag. */
  readonly lastSeenAt: number;
  readonly proofs: Proofs;
  /** Its rights have changed while nobody was there to take another cookie: it goes on under another id at the next request. */
  readonly mustRotate?: boolean;
  /** Absent where it began before cookies of applications were bound to people: those that it has are not. */
  readonly bindsCookies?: boolean;
  /** When it ends whatever happens. */
  readonly expiresAt: number;
  readonly grant?: SessionGrant;
  /** Present until its user proves to the provider who they are. */
  readonly offline?: OfflineStay;
  /** What a list of sessions shows about the device. */
  readonly client: { readonly address: string; readonly userAgent: string };
}

/** Whose account a session is of. */
export function accountOf({ tenant, assertion }: Pick<Session, 'tenant' | 'assertion'>): Account {
  return accountNamed(assertion.subject, tenant);
}

/** Whose a session is or was: an account, as one realm knows it. */
export interface SessionOwner extends Account {
  readonly realm: string;
}

/** Whose a session is. */
export function ownerOf(session: Pick<Session, 'tenant' | 'assertion'>): SessionOwner {
  return { ...accountOf(session), realm: session.assertion.realm };
}

/** Whether two are one account as the same realm knows it. */
export function isSameOwner(one: SessionOwner, other: SessionOwner): boolean {
  return isSameAccount(one, other) && one.realm === other.realm;
}

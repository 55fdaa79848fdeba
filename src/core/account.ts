/** Whose something is: sessions, counters and what a user sets up belong to an account, not to a bare name. */
import { hash } from 'node:crypto';
import { canonicalUsername } from './principal.ts';

/** One user of one tenant, by whichever provider they come; `subject` is canonical. `accountNamed` makes one. */
export interface Account {
  readonly tenant: string;
  readonly subject: string;
}

/** The tenant of everybody until tenants are configured, and of what was stored before there were any. */
export const defaultTenant = 'default';

/** The account of a user in whatever spelling. */
export function accountNamed(subject: string, tenant: string = defaultTenant): Account {
  return { tenant, subject: canonicalUsername(subject) };
}

/** The account in a key of the store: no sign of a name has a meaning there, and no two accounts share one. */
export function accountKey({ tenant, subject }: Account): string {
  return hash('sha256', `${tenant}\0${canonicalUsername(subject)}`, 'base64url');
}

/** Whether both are one account. */
export function isSameAccount(one: Account, other: Account): boolean {
  return one.tenant === other.tenant && canonicalUsername(one.subject) === canonicalUsername(other.subject);
}

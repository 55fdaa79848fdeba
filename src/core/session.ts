/** A browser's stay: who signed in, how, and when it was last seen. */
import type { SessionGrant } from './outcome.ts';
import type { Assertion } from './principal.ts';

/**
 * A live session. `id` is a public handle (it stands in assertions, the audit and the admin listener); the cookie's
 * value is another, from which the id is derived and which is nowhere stored.
 *
 * Roles are not kept: policy gives them at each request, so that a reloaded configuration counts at once.
 */
export interface Session {
  readonly id: string;
  readonly assertion: Assertion;
  /** The configured name of the provider that vouched. */
  readonly provider: string;
  readonly createdAt: number;
  /** The last activity that counts; writes are coalesced, so the stored value may lag. */
  readonly lastSeenAt: number;
  /** When credentials were last proved; what `maxAge` measures. */
  readonly provedAt: number;
  /** When it ends whatever happens. */
  readonly expiresAt: number;
  readonly grant?: SessionGrant;
  /** What a list of sessions shows about the device. */
  readonly client: { readonly address: string; readonly userAgent: string };
}

/**
 * Asks a provider anew about a session whose time for that has come: tokens are refreshed, and roles follow what the provider
 * says. One worker at a time does it for a session; requests beside it go on with what is known.
 */

import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { type ChainLink, refreshOne } from '../providers/chain.ts';
import type { LoadedSession } from '../sessions/found-session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Principals } from './principals.ts';

const leaseMilliseconds = 30_000;
/** After a provider did not answer; the session goes on meanwhile, or every outage would sign everybody out. */
const retryMilliseconds = 30_000;

/** Refusals of a session's token in a row, or for how many milliseconds, after which it is dead. */
const maxRefusals = 3;
const maxRefusedFor = 60_000;
const refusalsKept = 3_600_000;

const refusals = z.object({ count: z.number(), since: z.number() });

function refusalsKey(session: string): string {
  return `refresh-refusals:${session}`;
}

function readRefusals(value: string | undefined, now: number): z.output<typeof refusals> {
  try {
    return refusals.parse(JSON.parse(value ?? ''));
  } catch {
    return { count: 0, since: now };
  }
}

/** A session after a refresh; `token` when it goes on under another. */
export type Refreshed = LoadedSession & { readonly token?: string };

interface RefreshTerms {
  readonly now: number;
  readonly signal: AbortSignal;
  readonly isBehind: boolean;
}

/** Refreshes sessions. */
export class SessionRefresher {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #log: Log;
  readonly #linkOf: (provider: string) => ChainLink | undefined;
  readonly #principals: Pick<Principals, 'isOfTenant' | 'isWorthLess'>;

  constructor(parts: {
    store: Store;
    clock: Clock;
    sessions: Sessions;
    log: Log;
    linkOf: (provider: string) => ChainLink | undefined;
    principals: Pick<Principals, 'isOfTenant' | 'isWorthLess'>;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#sessions = parts.sessions;
    this.#log = parts.log;
    this.#linkOf = parts.linkOf;
    this.#principals = parts.principals;
  }

  /**
   * The session as it is to be used: itself unless its time has come and this call got the lease. `isBehind`: nobody is there who
   * could be given another cookie, so that the session keeps its id until somebody is.
   */
  refresh(session: Session, signal: AbortSignal, { isBehind = false } = {}): MaybePromise<Refreshed> {
    // Both are writes; a session that goes on without the store is not ended by it.
    if ((this.#store.outage()?.goesOn ?? 0) > 0) return { kind: 'live', session };
    if (session.mustRotate && !isBehind) return this.#sessions.rotate(session);
    const { refreshAt } = session.grant ?? {};
    const now = this.#clock.now();
    if (refreshAt === undefined || refreshAt > now) return { kind: 'live', session };
    const link = this.#linkOf(session.provider);
    return link?.provider.refresh
      ? this.#refreshInTurn(session, link, { now, signal, isBehind })
      : { kind: 'live', session };
  }

  async #refreshInTurn(session: Session, link: ChainLink, terms: RefreshTerms): Promise<Refreshed> {
    const { now } = terms;
    const lease = `refresh-lease:${session.id}`;
    if (!(await this.#store.replace(lease, undefined, 'held', now + leaseMilliseconds)))
      return { kind: 'live', session };
    // What this request has read may be older than the last refresh: a refresh token used twice revokes the login.
    const found = await this.#sessions.alive(session.id);
    const latest = found.kind === 'live' ? found.session : undefined;
    if (!latest || (latest.grant?.refreshAt ?? Number.POSITIVE_INFINITY) > now) {
      await this.#store.delete(lease);
      return found;
    }
    return this.#refreshNow(latest, link, lease, terms);
  }

  /**
   * Counts a refusal of a session's token, and says whether there have been enough of them in a row: one may be a moment's
   * fault of the issuer, but a session whose token is dead must not go on for ever.
   */
  async #isDead({ id }: Session): Promise<boolean> {
    const key = refusalsKey(id);
    const now = this.#clock.now();
    const { count, since } = readRefusals((await this.#store.get(key))?.value, now);
    await this.#store.put(key, JSON.stringify({ count: count + 1, since }), now + refusalsKept);
    return count + 1 >= maxRefusals || now - since >= maxRefusedFor;
  }

  async #refreshNow(
    session: Session,
    link: ChainLink,
    lease: string,
    { signal, isBehind }: RefreshTerms,
  ): Promise<Refreshed> {
    const outcome = await refreshOne(link, session.assertion, session.grant?.state, signal, this.#log);
    switch (outcome.kind) {
      case 'authenticated': {
        await this.#store.delete(refusalsKey(session.id));
        if (!this.#principals.isOfTenant({ ...session, assertion: outcome.assertion })) {
          await this.#sessions.revoke(session.id, 'tenant-changed');
          return { kind: 'ended', reason: 'tenant-changed' };
        }
        const lowers = this.#principals.isWorthLess(session, outcome.assertion);
        const renewed = await this.#sessions.renew(session, outcome.assertion, outcome.grant, { isBehind, lowers });
        await this.#store.delete(lease);
        return renewed;
      }
      case 'rejected':
        await this.#sessions.revoke(session.id, outcome.reason);
        return { kind: 'ended', reason: outcome.reason };
      case 'unavailable':
        if (outcome.answered === 'of-the-user' && (await this.#isDead(session))) {
          this.#log.info({ session: session.id }, 'a session ends, as its refresh token is refused again and again');
          await this.#sessions.revoke(session.id, 'revoked');
          return { kind: 'ended', reason: 'revoked' };
        }
        await this.#store.put(lease, 'waiting', this.#clock.now() + retryMilliseconds);
        return { kind: 'live', session };
      case 'challenge':
      case 'continue':
        await this.#store.put(lease, 'waiting', this.#clock.now() + retryMilliseconds);
        return { kind: 'live', session };
      case 'unknown-user':
        await this.#sessions.revoke(session.id, 'unknown-user');
        return { kind: 'ended', reason: 'unknown-user' };
      default:
        return outcome satisfies never;
    }
  }
}

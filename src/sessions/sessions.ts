/**
 * The life of sessions: begun, loaded, proved anew, ended, listed. Each step is a compare-and-set in the shared store, so
 * that workers agree; records are `records.ts`, activity is `activity.ts`, the cookie `cookie.ts`.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { SessionGrant } from '../core/outcome.ts';
import type { Assertion } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { Activity } from './activity.ts';
import { handlePrefix, idOf, type LiveRecord, newIdentity, toSession, userPrefix } from './record.ts';
import { SessionRecords } from './records.ts';
import { type AbsentSession, type EndListener, type LoadedSession, SessionEnds } from './revocation.ts';

export type { AbsentSession, EndListener, LoadedSession } from './revocation.ts';

/** A session that goes on under a new token, when there is one: the cookie must be set again. */
export type RenewedSession =
  | { readonly kind: 'live'; readonly session: Session; readonly token?: string }
  | AbsentSession;

/** How a session begins. */
export interface SessionStart {
  readonly assertion: Assertion;
  readonly provider: string;
  readonly grant?: SessionGrant;
  readonly client: Session['client'];
  /** The token that the browser came with: its session ends before the new one begins. */
  readonly replaces?: string;
}

/** What sessions work with; times in milliseconds. */
export interface SessionParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly idle: number;
  readonly lifetime: number;
  /** Sessions of one user at once; the oldest end. */
  readonly perUser?: number;
}

/** All sessions of the shared store. Every method throws a StoreError when the store is out of reach: never take it for absence. */
export class Sessions {
  readonly #clock: Clock;
  readonly #lifetime: number;
  readonly #perUser: number;
  readonly #records: SessionRecords;
  readonly #activity: Activity;
  readonly #ends: SessionEnds;

  constructor({ store, clock, log, idle, lifetime, perUser = 20 }: SessionParts) {
    this.#clock = clock;
    this.#lifetime = lifetime;
    this.#perUser = perUser;
    this.#records = new SessionRecords({ store, clock, log, idle });
    this.#activity = new Activity({ records: this.#records, clock, log, idle });
    this.#ends = new SessionEnds({ records: this.#records, activity: this.#activity, clock, log, idle });
  }

  /** Begins a session under a new token, after the one that it replaces has ended. */
  async create({
    assertion,
    provider,
    grant,
    client,
    replaces,
  }: SessionStart): Promise<{ session: Session; token: string }> {
    const now = this.#clock.now();
    const times = { createdAt: now, lastSeenAt: now, provedAt: now, expiresAt: now + this.#lifetime };
    const record: LiveRecord = { kind: 'live', assertion, provider, ...times, client, ...(grant && { grant }) };
    const { token, id } = newIdentity();
    await this.#records.index(id, record);
    const replaced = replaces === undefined ? undefined : idOf(replaces);
    if (replaced !== undefined) await this.#ends.replace(replaced, assertion, id);
    if (!(await this.#records.write(id, undefined, record))) {
      throw new GatewayError('UNAVAILABLE', `session ${id}: its user's sessions were ended while it began`);
    }
    await this.#keepWithin(assertion.subject, id);
    return { token, session: toSession(id, record, record.lastSeenAt) };
  }

  /** The session behind a token. */
  async load(token: string): Promise<LoadedSession> {
    const id = idOf(token);
    return id === undefined ? { kind: 'none' } : this.alive(id);
  }

  /** The session of an id, as the store has it at this moment; one whose time is over ends here. */
  async alive(id: string): Promise<LoadedSession> {
    const found = await this.#ends.find(id);
    return found.kind === 'live' ? { kind: 'live', session: found.session } : found;
  }

  /** Counts as activity. */
  touch(session: Session): void {
    this.#activity.touch(session);
  }

  /** The same user has proved who they are once more: the session goes on under a new token, and the old one is dead. */
  async prove(session: Session, proof: Omit<SessionStart, 'replaces' | 'client'>): Promise<RenewedSession> {
    const now = this.#clock.now();
    const { assertion, provider, grant } = proof;
    return this.#rotate(session.id, assertion, (record) => {
      const { grant: _, ...rest } = record;
      return { ...rest, assertion, provider, provedAt: now, lastSeenAt: now, ...(grant && { grant }) };
    });
  }

  /**
   * The provider vouches anew for a session under way. What it says may have changed, and rights with it: then the session
   * goes on under a new token, else under the same one.
   */
  async renew(session: Session, assertion: Assertion, grant?: SessionGrant): Promise<RenewedSession> {
    const renewed = ({ grant: _, ...rest }: LiveRecord): LiveRecord => ({
      ...rest,
      assertion,
      ...(grant && { grant }),
    });
    for (;;) {
      const found = await this.#ends.find(session.id);
      if (found.kind !== 'live') return found;
      const { stored } = found;
      if (rightsOf(stored.record.assertion) !== rightsOf(assertion))
        return this.#rotate(session.id, assertion, renewed);
      const record = renewed(stored.record);
      await this.#records.index(session.id, record);
      if (!(await this.#records.write(session.id, stored.version, record, { announced: true }))) continue;
      await this.#records.unindex(session.id, stored.record, record);
      return {
        kind: 'live',
        session: toSession(session.id, record, this.#activity.lastSeen(session.id, record.lastSeenAt)),
      };
    }
  }

  /** Ends a session, wherever its rotations have taken it; false when there was none to end. */
  async revoke(id: string, reason: Reason): Promise<boolean> {
    return this.#ends.revoke(id, reason, { follows: true });
  }

  /** Ends all sessions of a user; how many there were. */
  async revokeUser(username: string, reason: Reason): Promise<number> {
    return this.#ends.revokeIndexed(userPrefix(username), reason);
  }

  /** Ends the sessions that a provider knows by one of its handles; how many there were. */
  async revokeHandle(provider: string, handle: string, reason: Reason): Promise<number> {
    return this.#ends.revokeIndexed(handlePrefix(provider, handle), reason);
  }

  /** Live sessions: all, or those of a user. */
  async *list({ user }: { user?: string } = {}): AsyncGenerator<Session, void, undefined> {
    if (user === undefined) {
      for await (const { id, ...stored } of this.#records.all()) {
        const state = this.#ends.stateOf(id, stored);
        if (state.kind === 'live') yield state.session;
      }
      return;
    }
    for (const { id } of await this.#records.find(userPrefix(user))) {
      const state = this.#ends.stateOf(id, await this.#records.read(id));
      if (state.kind === 'live') yield state.session;
    }
  }

  /** How many sessions are live. */
  async count(): Promise<number> {
    return this.#records.count();
  }

  /** When a session is over unless there is more activity on it. */
  overAt(session: Session): number {
    return this.#ends.overAt(session);
  }

  /**
   * Hears within a moment which sessions any worker has ended, rotated or renewed, but not those whose time is over and that
   * nobody has asked about; undefined where any may be. Gives the way to stop.
   */
  onChange(listener: (ids: readonly string[] | undefined) => void): () => void {
    return this.#records.follow(listener);
  }

  /** Hears of every end that this process brings about, at once; those of others by `onChange`. Gives the way to stop. */
  onEnd(listener: EndListener): () => void {
    return this.#ends.onEnd(listener);
  }

  /** Writes activity that the store does not have yet. */
  async flush(): Promise<void> {
    await this.#activity.flush();
  }

  /** Writes what is left and ends the timers; the store stays open. */
  async close(): Promise<void> {
    await this.#activity.close();
  }

  /** Ends the session under its id and goes on under another; in this order, so that there are never two. */
  async #rotate(
    oldId: string,
    { realm, subject }: Assertion,
    change: (record: LiveRecord) => LiveRecord,
  ): Promise<RenewedSession> {
    for (;;) {
      const found = await this.#ends.find(oldId);
      if (found.kind !== 'live') return found;
      const old = found.stored;
      // Another user's proof must not inherit this session, nor may it go on.
      if (old.record.assertion.realm !== realm || old.record.assertion.subject !== subject) {
        await this.#ends.revoke(oldId, 'revoked', { follows: true });
        return { kind: 'ended', reason: 'revoked' };
      }
      const record = change(old.record);
      const { token, id } = newIdentity();
      await this.#records.index(id, record);
      if (!(await this.#ends.end(oldId, old, 'rotated', id))) {
        await this.#records.unindex(id, record);
        continue;
      }
      // A revocation in between has followed the rotation and barred the new id.
      if (!(await this.#records.write(id, undefined, record))) return this.alive(id);
      return { kind: 'live', token, session: toSession(id, record, record.lastSeenAt) };
    }
  }

  /** Ends a user's oldest sessions beyond the limit, and clears the index of sessions that are long gone. */
  async #keepWithin(subject: string, newest: string): Promise<void> {
    const prefix = userPrefix(subject);
    const others: Session[] = [];
    for (const { id, isYoung } of await this.#records.find(prefix)) {
      const state = await this.alive(id);
      if (state.kind === 'live' && id !== newest) others.push(state.session);
      if (state.kind !== 'live' && !isYoung) await this.#records.forget(prefix, id);
    }
    others.sort((a, b) => a.createdAt - b.createdAt);
    const surplus = others.slice(0, Math.max(0, others.length + 1 - this.#perUser));
    for (const { id } of surplus) await this.revoke(id, 'revoked');
  }
}

/** All that an assertion says, so that two can be compared; directories give values in any order. */
function rightsOf({ realm, subject, amr, attributes }: Assertion): string {
  const sorted = Object.entries(attributes).map(([name, values]) => [name, values.toSorted()] as const);
  return JSON.stringify([realm, subject, amr.toSorted(), sorted.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Whether a session is over, and every way in which one ends. */
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf, isSameOwner, ownerOf, type Session, type SessionOwner } from '../core/session.ts';
import type { Activity } from './activity.ts';
import type { AbsentSession, FoundSession, StoredLive } from './found-session.ts';
import type { SessionRecords, StoredRecord } from './records.ts';
import type { EndedRecord, HostToken, LiveRecord } from './stored-session.ts';
import { toSession } from './to-session.ts';

/** A session that has ended, and whose it was. */
interface SessionEnd {
  readonly id: string;
  readonly reason: Reason;
  /** Absent, as the provider is, of a session whose record could not be read. */
  readonly account?: Account;
  readonly provider?: string;
  /** The id under which a rotated session goes on. */
  readonly next?: string;
  /** Where an operator ended it. */
  readonly by?: Ender;
}

/** The operator who ends a session, and from where. */
export interface Ender {
  readonly actor?: string;
  readonly address?: string;
}

/** Of the end of one session. */
interface EndTerms {
  /** Also where its rotations have taken it. */
  readonly follows: boolean;
  readonly by?: Ender | undefined;
}

/** Hears of an end. */
export type EndListener = (end: SessionEnd) => void;

type SessionState = FoundSession | { readonly kind: 'over'; readonly stored: StoredLive; readonly reason: Reason };

/** How often a rotated session is followed to where it went on. */
const maxTrail = 50;

/** Judges and ends sessions. */
export class SessionEnds {
  readonly #records: SessionRecords;
  readonly #activity: Activity;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #idle: number;
  readonly #listeners = new Set<EndListener>();

  constructor(parts: { records: SessionRecords; activity: Activity; clock: Clock; log: Log; idle: number }) {
    this.#records = parts.records;
    this.#activity = parts.activity;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#idle = parts.idle;
  }

  /** What a record says at this moment; `over` when its time is up and nobody has ended it yet. */
  stateOf(id: string, read: StoredRecord | undefined): SessionState {
    if (!read) return { kind: 'none' };
    const { record, version } = read;
    if (record.kind === 'unreadable') return { kind: 'unreadable' };
    if (record.kind === 'ended') return endOf(record);
    const stored = { record, version };
    const reason = this.#overBy(id, record, this.#clock.now());
    if (reason !== undefined) return { kind: 'over', stored, reason };
    return { kind: 'live', stored, session: toSession(id, record, this.#activity.lastSeen(id, record.lastSeenAt)) };
  }

  /** Why time has ended a session; undefined while it has not. */
  #overBy(id: string, { expiresAt, lastSeenAt, offline }: LiveRecord, now: number): Reason | undefined {
    if (now >= expiresAt) return offline?.lifetimeEndsAt === undefined ? 'lifetime' : 'offline-over';
    return now - this.#activity.lastSeen(id, lastSeenAt) >= this.#idle ? 'idle' : undefined;
  }

  /** When a session is over unless there is more activity on it. */
  overAt({ lastSeenAt, expiresAt }: Session): number {
    return Math.min(expiresAt, lastSeenAt + this.#idle);
  }

  /**
   * The session of an id, as the store has it at this moment; one whose time is over ends here. At once where the store
   * answers at once and nothing has to end.
   */
  find(id: string): MaybePromise<FoundSession> {
    return andThen(this.#records.read(id), (read) => {
      const state = this.stateOf(id, read);
      return state.kind === 'over' ? this.#endInTime(id, state.stored, state.reason) : state;
    });
  }

  /** The same as of the beginning of this turn of the event loop, which is enough for a request and seldom asks the store. */
  findKept(id: string): MaybePromise<FoundSession> {
    const kept = this.#records.kept(id);
    const state = kept && this.stateOf(id, kept);
    // Another process may have seen activity since.
    return state?.kind === 'live' ? state : this.find(id);
  }

  /** The kept record of an id, where it is that of a live session at this moment and nothing has to be waited for. */
  glance(id: string): StoredRecord | undefined {
    const kept = this.#records.kept(id);
    return kept?.record.kind === 'live' && this.#overBy(id, kept.record, this.#clock.now()) === undefined
      ? kept
      : undefined;
  }

  /** Whose a session is or was, as far as its record says. */
  async ownerOf(id: string): Promise<SessionOwner | undefined> {
    const record = (await this.#records.read(id))?.record;
    if (record?.kind === 'ended') return record.owner;
    return record?.kind === 'live' ? ownerOf(record) : undefined;
  }

  /** Ends a session if its record is still the one that was read. */
  async end(
    id: string,
    { record, version }: StoredLive,
    reason: Reason,
    { next, by }: Pick<SessionEnd, 'next'> & { readonly by?: Ender | undefined } = {},
  ): Promise<boolean> {
    const left = { kind: 'ended', reason, ...(next && { next }), owner: ownerOf(record) } as const;
    if (!(await this.#records.write(id, version, left))) return false;
    this.#activity.forget(id);
    const whose = { account: accountOf(record), provider: record.provider };
    this.#notifyListeners({ id, reason, ...whose, ...(next && { next }), ...(by && { by }) });
    await this.#records.forgetAll(id, record);
    return true;
  }

  /** Ends a session; with `follows` also where its rotations have taken it. False when there was none to end. */
  async revoke(id: string, reason: Reason, { follows, by }: EndTerms): Promise<boolean> {
    let current = id;
    for (let step = 0; step < maxTrail; ) {
      const state = await this.find(current);
      if (state.kind === 'live') {
        if (await this.end(current, state.stored, reason, { by })) return true;
      } else if (state.kind === 'ended' && state.next && follows) {
        current = state.next;
        step += 1;
      } else if (state.kind === 'unreadable') {
        if (await this.#endUnread(current, reason, by)) return true;
      } else if (state.kind === 'none' && step > 0) {
        // The rotation is half done: what it is about to write must not come to life.
        if (await this.#writeTombstone(current, reason)) return true;
      } else return false;
    }
    return false;
  }

  /**
   * Ends the session that a browser came with when it signs in. Where that was the same user's, it goes on as `next`, and what
   * is live on it with it: a login in one tab is no end for the others. Another user inherits nothing. Yields the tokens of
   * further hosts that go on.
   */
  async replace(id: string, owner: SessionOwner, next: string): Promise<readonly HostToken[]> {
    for (;;) {
      const state = await this.find(id);
      if (state.kind !== 'live') return [];
      const isSame = isSameOwner(ownerOf(state.session), owner);
      if (await this.end(id, state.stored, 'rotated', isSame ? { next } : {}))
        return isSame ? (state.stored.record.tokens ?? []) : [];
    }
  }

  /**
   * Ends the sessions below an index prefix, those included that are just beginning; how many were live. One that the store
   * does not let end keeps none of the others: its failure is thrown when all have been tried.
   */
  async revokeIndexed(prefix: string, reason: Reason, by?: Ender): Promise<number> {
    let revoked = 0;
    const failures: unknown[] = [];
    for (const { id, isYoung } of await this.#records.find(prefix)) {
      const end = (): Promise<boolean> => this.revoke(id, reason, { follows: true, by });
      try {
        // One that is just beginning has no record yet; if barring comes too late, it has one by then.
        if ((await end()) || (isYoung && ((await this.#writeTombstone(id, reason)) || (await end())))) revoked += 1;
        await this.#records.forget(prefix, id);
      } catch (error) {
        failures.push(error);
      }
    }
    const [first] = failures;
    if (first === undefined) return revoked;
    this.#log.warn(
      { ended: revoked, failed: failures.length, error: first },
      'not all sessions of a user could be ended',
    );
    throw first;
  }

  /** Hears of every end that this process brings about. Gives the way to stop. */
  onEnd(listener: EndListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Only if nobody has written since: another worker may have seen the user a moment ago. */
  async #endInTime(id: string, stored: StoredLive, reason: Reason): Promise<FoundSession> {
    return (await this.end(id, stored, reason)) ? { kind: 'ended', reason } : this.find(id);
  }

  /** Ends at somebody's wish what only a newer worker can read; false where the record has changed meanwhile. */
  async #endUnread(id: string, reason: Reason, by: Ender | undefined): Promise<boolean> {
    const read = await this.#records.read(id);
    if (read?.record.kind !== 'unreadable') return false;
    if (!(await this.#records.write(id, read.version, { kind: 'ended', reason }))) return false;
    this.#notifyListeners({ id, reason, ...(by && { by }) });
    return true;
  }

  /** Puts an end where a record is about to be written: writing it then fails. */
  #writeTombstone(id: string, reason: Reason): Promise<boolean> {
    return this.#records.write(id, undefined, { kind: 'ended', reason });
  }

  #notifyListeners(end: SessionEnd): void {
    for (const listener of this.#listeners) {
      try {
        listener(end);
      } catch (error) {
        this.#log.error({ session: end.id, error }, 'a listener failed at the end of a session');
      }
    }
  }
}

function endOf({ reason, next }: EndedRecord): AbsentSession {
  return { kind: 'ended', reason, ...(next !== undefined && { next }) };
}

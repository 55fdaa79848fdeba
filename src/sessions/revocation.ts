/** Whether a session is over, and every way in which one ends. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Assertion } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { Activity } from './activity.ts';
import { type LiveRecord, toSession } from './record.ts';
import type { SessionRecords, StoredRecord } from './records.ts';

/** A session that is not, or no longer, there; `next` is the id under which a rotated one goes on. */
export type AbsentSession =
  | { readonly kind: 'none' }
  | { readonly kind: 'ended'; readonly reason: Reason; readonly next?: string };

/** What is behind a token or an id. */
export type LoadedSession = { readonly kind: 'live'; readonly session: Session } | AbsentSession;

/** A session that has ended, and whose it was. */
export interface SessionEnd {
  readonly id: string;
  readonly reason: Reason;
  /** The subject. */
  readonly user: string;
  readonly provider: string;
  /** The id under which a rotated session goes on. */
  readonly next?: string;
}

/** Hears of an end. */
export type EndListener = (end: SessionEnd) => void;

/** A live record and its version. */
export interface StoredLive {
  readonly record: LiveRecord;
  readonly version: string;
}

/** A live session with the record that it was read from. */
export type FoundSession =
  | { readonly kind: 'live'; readonly session: Session; readonly stored: StoredLive }
  | AbsentSession;

type Judgement = FoundSession | { readonly kind: 'over'; readonly stored: StoredLive; readonly reason: Reason };

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
  stateOf(id: string, read: StoredRecord | undefined): Judgement {
    if (!read) return { kind: 'none' };
    const { record, version } = read;
    if (record.kind === 'ended') return record;
    const now = this.#clock.now();
    const stored = { record, version };
    const lastSeenAt = this.#activity.lastSeen(id, record.lastSeenAt);
    if (now >= record.expiresAt) return { kind: 'over', stored, reason: 'lifetime' };
    if (now - lastSeenAt >= this.#idle) return { kind: 'over', stored, reason: 'idle' };
    return { kind: 'live', stored, session: toSession(id, record, lastSeenAt) };
  }

  /** When a session is over unless there is more activity on it. */
  overAt({ lastSeenAt, expiresAt }: Session): number {
    return Math.min(expiresAt, lastSeenAt + this.#idle);
  }

  /** The session of an id, as the store has it at this moment; one whose time is over ends here. */
  async find(id: string): Promise<FoundSession> {
    for (;;) {
      const state = this.stateOf(id, await this.#records.read(id));
      if (state.kind !== 'over') return state;
      // Only if nobody has written since: another worker may have seen the user a moment ago.
      if (await this.end(id, state.stored, state.reason)) return { kind: 'ended', reason: state.reason };
    }
  }

  /** Ends a session if its record is still the one that was read. */
  async end(id: string, { record, version }: StoredLive, reason: Reason, next?: string): Promise<boolean> {
    const isEnded = await this.#records.write(id, version, { kind: 'ended', reason, ...(next && { next }) });
    if (!isEnded) return false;
    this.#activity.forget(id);
    const { assertion, provider } = record;
    this.#tell({ id, reason, user: assertion.subject, provider, ...(next && { next }) });
    await this.#records.unindex(id, record);
    return true;
  }

  /** Ends a session; with `follows` also where its rotations have taken it. False when there was none to end. */
  async revoke(id: string, reason: Reason, { follows }: { follows: boolean }): Promise<boolean> {
    let current = id;
    for (let step = 0; step < maxTrail; ) {
      const state = await this.find(current);
      if (state.kind === 'live') {
        if (await this.end(current, state.stored, reason)) return true;
      } else if (state.kind === 'ended' && state.next && follows) {
        current = state.next;
        step += 1;
      } else if (state.kind === 'none' && step > 0) {
        // The rotation is half done: what it is about to write must not come to life.
        if (await this.#writeTombstone(current, reason)) return true;
      } else return false;
    }
    return false;
  }

  /**
   * Ends the session that a browser came with when it signs in. Where that was the same user's, it goes on as `next`, and what
   * is live on it with it: a login in one tab is no end for the others. Another user inherits nothing.
   */
  async replace(id: string, { realm, subject }: Assertion, next: string): Promise<void> {
    for (;;) {
      const state = await this.find(id);
      if (state.kind !== 'live') return;
      const { assertion } = state.stored.record;
      const isSame = assertion.realm === realm && assertion.subject === subject;
      if (await this.end(id, state.stored, 'rotated', isSame ? next : undefined)) return;
    }
  }

  /** Ends the sessions below an index prefix, those included that are just beginning; how many were live. */
  async revokeIndexed(prefix: string, reason: Reason): Promise<number> {
    let revoked = 0;
    for (const { id, isYoung } of await this.#records.find(prefix)) {
      const end = (): Promise<boolean> => this.revoke(id, reason, { follows: true });
      // One that is just beginning has no record yet; if barring comes too late, it has one by then.
      if ((await end()) || (isYoung && ((await this.#writeTombstone(id, reason)) || (await end())))) revoked += 1;
      await this.#records.forget(prefix, id);
    }
    return revoked;
  }

  /** Hears of every end that this process brings about. Gives the way to stop. */
  onEnd(listener: EndListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Puts an end where a record is about to be written: writing it then fails. */
  #writeTombstone(id: string, reason: Reason): Promise<boolean> {
    return this.#records.write(id, undefined, { kind: 'ended', reason });
  }

  #tell(end: SessionEnd): void {
    for (const listener of this.#listeners) {
      try {
        listener(end);
      } catch (error) {
        this.#log.error({ session: end.id, error }, 'a listener failed at the end of a session');
      }
    }
  }
}

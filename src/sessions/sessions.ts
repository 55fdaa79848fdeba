/** The life of sessions: begun, loaded, proved anew, ended, listed. Each step is a compare-and-set, so that workers agree. */
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { SessionGrant } from '../core/outcome.ts';
import type { Assertion } from '../core/principal.ts';
import { type Proof, withProof } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf, isSameOwner, ownerOf, type Session, type SessionOwner } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { AccountCuts } from './account-cuts.ts';
import { Activity } from './activity.ts';
import type { Admitted } from './admitted.ts';
import { idOf, newIdentity } from './cookie.ts';
import { type LoadedSession, loaded } from './found-session.ts';
import { HostTokens } from './host-tokens.ts';
import { handlePrefix, userPrefix } from './index-keys.ts';
import { OfflineStays } from './offline-stays.ts';
import { SessionRecords, type StoredRecord } from './records.ts';
import { type Ender, type EndListener, SessionEnds } from './revocation.ts';
import { type RenewedSession, rotate } from './rotation.ts';
import { keepWithin } from './session-limit.ts';
import { type LiveRecord, newLiveRecord, proved, renewed, saysTheSame, type Vouched } from './stored-session.ts';
import { toSession } from './to-session.ts';

/** How a session begins. */
interface SessionStart {
  readonly admitted: Admitted;
  /** Under which it can be found again, beside what its provider says. */
  readonly handles?: readonly string[];
  readonly client: Session['client'];
  /** The token that the browser came with: its session ends before the new one begins. */
  readonly replaces?: string;
}

/** Times in milliseconds. */
export interface SessionParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly idle: number;
  readonly lifetime: number;
  /** Sessions of one account at once; the oldest end. */
  readonly perUser?: number;
}

/** All sessions of the shared store. Every method throws a Failure when the store is out of reach: never take it for absence. */
export class Sessions {
  readonly cuts: AccountCuts;
  /** The tokens of further hosts. */
  readonly hosts: HostTokens;
  readonly #parts: SessionParts;
  readonly #records: SessionRecords;
  readonly #activity: Activity;
  readonly #ends: SessionEnds;
  readonly offlineStays: OfflineStays;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.cuts = new AccountCuts(parts);
    this.#records = new SessionRecords(parts);
    this.#activity = new Activity({ ...parts, records: this.#records });
    this.#ends = new SessionEnds({ ...parts, records: this.#records, activity: this.#activity });
    this.hosts = new HostTokens({ ...parts, records: this.#records, ends: this.#ends });
    this.offlineStays = new OfflineStays({ ...parts, records: this.#records, ends: this.#ends });
  }

  /** Begins a session under a new token, after the one that it replaces has ended. */
  async create({
    admitted,
    handles = [],
    client,
    replaces,
  }: SessionStart): Promise<{ session: Session; token: string }> {
    const now = this.#parts.clock.now();
    const alone = newLiveRecord(admitted.with(handles), admitted.proofsAt(now), client, now, this.#parts.lifetime);
    const { token, id } = newIdentity();
    await this.#records.index(id, alone);
    const replaced = replaces === undefined ? undefined : idOf(replaces);
    const tokens = replaced === undefined ? [] : await this.#ends.replace(replaced, ownerOf(alone), id);
    const record = tokens.length === 0 ? alone : { ...alone, tokens };
    if (!(await this.#records.write(id, undefined, record))) {
      throw new GatewayError('UNAVAILABLE', `session ${id}: its user's sessions were ended while it began`);
    }
    await this.hosts.point(record, id);
    await keepWithin({ ...this.#parts, records: this.#records, ends: this.#ends }, accountOf(record), id);
    return { token, session: toSession(id, record, record.lastSeenAt) };
  }

  /**
   * The session behind a token, as of the beginning of this turn of the event loop; a live one needs no promise where the store
   * needs none.
   */
  load(token: string): MaybePromise<LoadedSession> {
    const id = idOf(token);
    return id === undefined ? { kind: 'none' } : andThen(this.#ends.findKept(id), loaded);
  }

  /** What stands behind a live session as `load` would see it, the same object while nothing is announced; undefined where that has to be waited for. */
  glance(id: string): Pick<StoredRecord, 'record'> | undefined {
    return this.#ends.glance(id);
  }

  /** The session of an id, as the store has it at this moment; one whose time is over ends here. */
  alive(id: string): MaybePromise<LoadedSession> {
    return andThen(this.#ends.find(id), loaded);
  }

  /** Whose the session behind a token is, or was as long as its end is remembered. */
  async ownerOf(token: string): Promise<SessionOwner | undefined> {
    const id = idOf(token);
    return id === undefined ? undefined : this.#ends.ownerOf(id);
  }

  /** One session of a browser takes the place of another: as at a login, the other ends. */
  async supersede({ id }: Session, next: Session): Promise<void> {
    await this.#ends.replace(id, ownerOf(next), next.id);
  }

  /** Counts as activity. */
  touch(session: Session): void {
    this.#activity.touch(session);
  }

  /**
   * The same user has proved who they are once more: the session goes on under a new token, and the old one is dead. The proof
   * takes the place of the one by the same provider.
   */
  async prove(session: Session, vouched: Vouched): Promise<RenewedSession> {
    return this.#rotate(session.id, ownerOf(vouched), (record) => proved(record, vouched, this.#parts.clock.now()));
  }

  /** The user has proved more: the session goes on under a new token, with the proof beside or in the place of the one by the same factor. */
  async raise(session: Session, proof: Proof): Promise<RenewedSession> {
    return this.#rotate(session.id, ownerOf(session), ({ mustRotate: _, ...record }) => ({
      ...record,
      proofs: withProof(record.proofs, proof),
      lastSeenAt: this.#parts.clock.now(),
    }));
  }

  /**
   * The provider asserts anew who has a session under way. What it says may have changed, and rights with it: then the session
   * goes on under a new token, else under the same one. `isBehind`: nobody is there to take a token, and it waits for that. `lowers`:
   * its word is worth less than that of the login, and the proof by it with it.
   */
  async renew(
    { id, tenant }: Session,
    assertion: Assertion,
    grant?: SessionGrant,
    { isBehind = false, lowers = false } = {},
  ): Promise<RenewedSession> {
    const owner = ownerOf({ tenant, assertion });
    const change = (record: LiveRecord): LiveRecord => renewed(record, assertion, grant, lowers);
    for (;;) {
      const found = await this.#ends.find(id);
      if (found.kind !== 'live') return found;
      const { stored } = found;
      const isNew = !saysTheSame(stored.record.assertion, assertion);
      if (isNew && !(isBehind && isSameOwner(ownerOf(stored.record), owner))) return this.#rotate(id, owner, change);
      const record = { ...change(stored.record), ...((isNew || stored.record.mustRotate) && { mustRotate: true }) };
      await this.#records.index(id, record);
      if (!(await this.#records.write(id, stored.version, record, { announced: true }))) continue;
      await this.#records.unindex(id, stored.record, record);
      return { kind: 'live', session: toSession(id, record, this.#activity.lastSeen(id, record.lastSeenAt)) };
    }
  }

  /** The session goes on under a new token, as it must where its rights have changed behind it. */
  rotate(session: Session): Promise<RenewedSession> {
    return this.#rotate(session.id, ownerOf(session), ({ mustRotate: _, ...record }) => record);
  }

  /** Ends a session, wherever its rotations have taken it; false when there was none to end. */
  async revoke(id: string, reason: Reason, by?: Ender): Promise<boolean> {
    return this.#ends.revoke(id, reason, { follows: true, by });
  }

  /** Ends all sessions of a user name, in every tenant; how many there were. */
  async revokeUser(username: string, reason: Reason, by?: Ender): Promise<number> {
    await this.cuts.cut(username);
    return this.#ends.revokeIndexed(userPrefix(username), reason, by);
  }

  /** Ends the sessions that a provider knows by one of its handles; how many there were. */
  async revokeHandle(provider: string, handle: string, reason: Reason): Promise<number> {
    return this.#ends.revokeIndexed(handlePrefix(provider, handle), reason);
  }

  /** Live sessions: all, or those of a user name in every tenant. */
  async *list({ user }: { user?: string } = {}): AsyncGenerator<Session, void, undefined> {
    if (user !== undefined) return yield* this.#liveOf(await this.#records.find(userPrefix(user)));
    for await (const { id, ...stored } of this.#records.all()) {
      const state = this.#ends.stateOf(id, stored);
      if (state.kind === 'live') yield state.session;
    }
  }

  /** The live sessions of an account. */
  async *ofAccount(account: Account): AsyncGenerator<Session, void, undefined> {
    yield* this.#liveOf(await this.#records.ofAccount(account));
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

  async *#liveOf(entries: readonly { readonly id: string }[]): AsyncGenerator<Session, void, undefined> {
    for (const { id } of entries) {
      const state = this.#ends.stateOf(id, await this.#records.read(id));
      if (state.kind === 'live') yield state.session;
    }
  }

  #rotate(id: string, owner: SessionOwner, change: (record: LiveRecord) => LiveRecord): Promise<RenewedSession> {
    return rotate({ records: this.#records, ends: this.#ends, hosts: this.hosts }, id, owner, change);
  }
}

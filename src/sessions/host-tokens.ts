/**
 * The tokens of a session at further hosts of the site, since browsers take the cookie of one host to no other. A token counts at
 * its host alone, and as long as the session's record lists it; proofs, activity and the end are the session's.
 */
import type { Clock } from '../core/clock.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Session, SessionOwner } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import { idOf, newIdentity } from './cookie.ts';
import type { LoadedSession } from './found-session.ts';
import { remembered, type SessionRecords } from './records.ts';
import type { SessionEnds } from './revocation.ts';
import type { HostToken, LiveRecord } from './stored-session.ts';

/** Tabs that open together come for a token each, and the browser keeps the one whose answer came last. */
const maxPerHost = 8;

/** How often a session that rotates is followed. */
const maxTrail = 50;

interface HostTokensParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly records: SessionRecords;
  readonly ends: SessionEnds;
}

/** Issues and reads them. */
export class HostTokens {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #records: SessionRecords;
  readonly #ends: SessionEnds;

  constructor({ store, clock, records, ends }: HostTokensParts) {
    this.#store = store;
    this.#clock = clock;
    this.#records = records;
    this.#ends = ends;
  }

  /** The session behind a token that was shown at a host; no promise where the store needs none. */
  load(token: string, host: string): MaybePromise<LoadedSession> {
    const id = idOf(token);
    if (id === undefined) return { kind: 'none' };
    return andThen(this.#store.get(keyOf(id)), (stored) => {
      if (!stored) return { kind: 'none' };
      return this.#follow(stored.value, (one) => one.id === id && one.host === host);
    });
  }

  /** Whose the session behind a token is, or was as long as its end is remembered. */
  async ownerOf(token: string): Promise<SessionOwner | undefined> {
    const id = idOf(token);
    const stored = id === undefined ? undefined : await this.#store.get(keyOf(id));
    return stored && this.#ends.ownerOf(stored.value);
  }

  /** The session of an id, wherever its rotations have taken it. */
  follow(session: string): MaybePromise<LoadedSession> {
    return this.#follow(session, undefined);
  }

  /** A token for a host, on the session that an id has become; undefined where that has ended. */
  async issue(
    session: string,
    host: string,
  ): Promise<{ readonly session: Session; readonly token: string } | undefined> {
    const { token, id } = newIdentity();
    let current = session;
    for (let step = 0; step < maxTrail; ) {
      const found = await this.#ends.find(current);
      if (found.kind === 'live') {
        const { record, version } = found.stored;
        // Before the record that lists it, so that no token is listed and not to be found.
        await this.#store.put(keyOf(id), current, record.expiresAt + remembered);
        const { tokens, dropped } = withToken(record, { id, host, at: this.#clock.now() });
        if (!(await this.#records.write(current, version, { ...record, tokens }))) continue;
        for (const one of dropped) await this.#store.delete(keyOf(one.id));
        return { token, session: found.session };
      }
      if (found.kind !== 'ended' || found.next === undefined) break;
      current = found.next;
      step += 1;
    }
    await this.#store.delete(keyOf(id));
    return undefined;
  }

  /** Leads the tokens of a record to the id under which its session goes on. Until that is done its rotation leads them there. */
  async point({ tokens = [], expiresAt }: LiveRecord, session: string): Promise<void> {
    for (const { id } of tokens) await this.#store.put(keyOf(id), session, expiresAt + remembered);
  }

  #follow(
    session: string,
    isListed: ((token: HostToken) => boolean) | undefined,
    step = 0,
  ): MaybePromise<LoadedSession> {
    return andThen(this.#ends.find(session), (found): MaybePromise<LoadedSession> => {
      if (found.kind === 'ended' && found.next !== undefined && step < maxTrail)
        return this.#follow(found.next, isListed, step + 1);
      if (found.kind !== 'live') return found;
      if (isListed && !found.stored.record.tokens?.some(isListed)) return { kind: 'none' };
      return { kind: 'live', session: found.session };
    });
  }
}

function keyOf(id: string): string {
  return `session-token:${id}`;
}

function withToken({ tokens = [] }: LiveRecord, token: HostToken): { tokens: HostToken[]; dropped: HostToken[] } {
  const same = tokens.filter(({ host }) => host === token.host);
  const dropped = same.slice(0, Math.max(0, same.length + 1 - maxPerHost));
  return { tokens: [...tokens.filter((one) => !dropped.includes(one)), token], dropped };
}

/**
 * Logout is real: cuts the live connections of sessions that have ended, and those that would not be opened any more. What this
 * process ends is cut at once, what another ends or changes when the store's journal tells, and what time ends when that time
 * has come: no session is asked about before. A session with nothing but a WebSocket is refreshed from here.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { Store } from '../core/store.ts';
import type { RequestAuthenticator } from '../login/authenticate-request.ts';
import type { Connections } from '../proxy/connections.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { StandingAccess } from './standing-access.ts';

/** How often the sessions that have something open are gone through, in memory. */
const sweepEvery = 1000;
/** Sessions that are asked about before others have their turn: a store in a file answers without letting go. */
const askedPerTurn = 100;

/** Sessions whose providers are asked at once; the others wait for the next sweep. */
const maxRefreshing = 10;
/** Until a provider is asked again that was asked, or need not be. */
const refreshPause = 30_000;

/** What is known of a session with something open. */
interface Watched {
  /** When it is over unless somebody is seen on it, or its provider has to be asked: until then there is nothing to ask. */
  readonly askAt: number;
  /** The store knew nothing of it: one that goes on under another id is written a moment later. */
  readonly isMissing?: boolean;
  /** What had been opened when it was asked about: what registers later was decided on before, and is judged too. */
  readonly mark: number;
}

interface WatchParts {
  readonly clock: Clock;
  readonly store: Pick<Store, 'outage'>;
  readonly sessions: Sessions;
  readonly connections: Connections;
  readonly recorder: Recorder;
  readonly log: Log;
  readonly access: Pick<StandingAccess, 'reasonToEnd'>;
  readonly authenticator: Pick<RequestAuthenticator, 'reasonToEnd' | 'refreshBehind' | 'recheckBehind'>;
}

/** Watches the sessions that have live connections. */
export class SessionWatch {
  readonly #clock: Clock;
  readonly #sessions: Sessions;
  readonly #connections: Connections;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #stops: readonly (() => void)[];
  readonly #watched = new Map<string, Watched>();
  readonly #store: WatchParts['store'];
  readonly #access: WatchParts['access'];
  readonly #authenticator: WatchParts['authenticator'];
  readonly #refreshing = new Map<string, Promise<void>>();
  #isSweeping = false;
  /** What is on no session has been judged up to here. */
  #judged = 0;
  /** How much has been heard: an answer that was under way meanwhile says nothing of what holds after it. */
  #heard = 0;

  constructor(parts: WatchParts) {
    const { clock, sessions, connections, recorder, log } = parts;
    this.#store = parts.store;
    this.#access = parts.access;
    this.#authenticator = parts.authenticator;
    this.#clock = clock;
    this.#sessions = sessions;
    this.#connections = connections;
    this.#log = log;
    const stopEnds = sessions.onEnd(({ id, reason, account, provider, next, by }) => {
      if (next !== undefined) return this.#move(id, next);
      const whose = { ...(account && { account }), ...(provider && { provider }) };
      recorder.account({
        event: 'session-end',
        outcome: 'succeeded',
        reason,
        ...whose,
        session: id,
        ...(by && { by }),
      });
      this.#end(id, reason);
    });
    this.#stops = [stopEnds, sessions.onChange((ids) => this.#hear(ids))];
    this.#timer = setInterval(() => void this.#sweep(), sweepEvery).unref();
  }

  /** Resolves when no provider is asked any more: what it says of a token must be kept. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
    await Promise.all(this.#refreshing.values());
  }

  /** A session that anything may have happened to is asked about: where nothing is open on it, once something is. */
  #hear(ids: readonly string[] | undefined): void {
    this.#heard += 1;
    if (ids === undefined) this.#watched.clear();
    else for (const id of ids) this.#watched.delete(id);
    void this.#askAbout((ids ?? this.#connections.sessions()).filter((id) => this.#connections.count(id) > 0));
  }

  /** Asks about those whose time has come, and about those on which something was opened since: they may have ended meanwhile. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      for (const id of this.#watched.keys()) if (this.#connections.count(id) === 0) this.#watched.delete(id);
      this.#judgeWithoutSession();
      if (this.#store.outage()?.goesOn === 0) return this.#endWithoutStore();
      const now = this.#clock.now();
      await this.#askAbout(this.#connections.sessions().filter((id) => this.#isDue(id, now)));
    } catch (error) {
      this.#log.error({ error }, 'live connections could not be gone through; they are at the next sweep');
    } finally {
      this.#isSweeping = false;
    }
  }

  /** Sessions go on without the store for a while, and so does what is open on them: nobody hears of an end meanwhile. */
  #endWithoutStore(): void {
    for (const id of this.#connections.sessions()) this.#end(id, 'store-away');
  }

  #isDue(id: string, now: number): boolean {
    const watched = this.#watched.get(id);
    return !watched || now >= watched.askAt || this.#connections.openedSince(id, watched.mark);
  }

  /** A watch begins with its configuration, by which all is judged that was let in by the one before. */
  #judgeWithoutSession(): void {
    if (!this.#connections.openedSince(undefined, this.#judged)) return;
    this.#judged = this.#connections.mark;
    this.#connections.endWhere(undefined, (opened) => this.#access.reasonToEnd(opened, undefined));
  }

  /** What cannot be asked goes on, is asked about at the next sweep, and keeps nobody from asking about the others. */
  async #askAbout(ids: readonly string[]): Promise<void> {
    const failures: unknown[] = [];
    for (const [index, id] of ids.entries()) {
      if (index % askedPerTurn === askedPerTurn - 1) await nextTurn();
      try {
        await this.#ask(id);
      } catch (error) {
        failures.push(error);
        // A store that others hold has made everybody wait.
        await nextTurn();
      }
    }
    if (failures.length > 0)
      this.#log.warn(
        { error: failures[0], sessions: failures.length },
        'the store could not be asked whether live connections may go on; they do until it can',
      );
  }

  async #ask(id: string): Promise<void> {
    const before = this.#heard;
    const { mark } = this.#connections;
    const found = await this.#sessions.alive(id);
    if (found.kind === 'live') {
      const askAt = await this.#goOn(found.session);
      if (this.#heard === before) this.#watched.set(id, { askAt, mark });
    } else if (found.kind === 'ended' && found.next !== undefined) this.#move(id, found.next);
    else if (found.kind === 'ended') this.#end(id, found.reason);
    // Nobody knows that one has ended which this version cannot read: what is open on it goes on until an end is read.
    else if (found.kind === 'unreadable') this.#watched.set(id, { askAt: 0, mark });
    else if (this.#watched.get(id)?.isMissing) this.#end(id, 'revoked');
    else this.#watched.set(id, { askAt: 0, isMissing: true, mark });
  }

  /** Ends what a live session may have open no more, sees to its refresh and recheck, and says when to ask about it again. */
  async #goOn(session: Session): Promise<number> {
    const { id, grant } = session;
    const over = this.#authenticator.reasonToEnd(session);
    if (over) {
      await this.#sessions.revoke(id, over);
      return 0;
    }
    this.#connections.endWhere(id, (opened) => this.#access.reasonToEnd(opened, session));
    const now = this.#clock.now();
    const refreshAt = grant?.refreshAt ?? Number.POSITIVE_INFINITY;
    const overAt = Math.min(this.#sessions.overAt(session), this.#authenticator.recheckBehind(session));
    if (refreshAt > now) return Math.min(overAt, refreshAt);
    return this.#refresh(session) ? Math.min(overAt, now + refreshPause) : now;
  }

  /** False when so many are asked already; what comes of it is heard like any other change. */
  #refresh(session: Session): boolean {
    const { id } = session;
    if (this.#refreshing.has(id)) return true;
    if (this.#refreshing.size >= maxRefreshing) return false;
    const refreshing = this.#authenticator
      .refreshBehind(session)
      .catch((error: unknown) => this.#log.warn({ session: id, error }, 'a session could not be refreshed'))
      .finally(() => this.#refreshing.delete(id));
    this.#refreshing.set(id, refreshing);
    return true;
  }

  #end(id: string, reason: Reason): void {
    this.#heard += 1;
    this.#watched.delete(id);
    this.#connections.end(id, reason);
  }

  #move(id: string, next: string): void {
    this.#heard += 1;
    this.#watched.delete(id);
    // What comes to the other id was judged by the rights of the one before.
    this.#watched.delete(next);
    this.#connections.move(id, next);
  }
}

/**
 * Logout is real: cuts the live connections of sessions that have ended. What this process ends is cut at once, what another
 * ends when the store's journal tells, and what time ends when that time has come: no session is asked about before.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Reason } from '../core/reason.ts';
import type { Connections } from '../proxy/connections.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Recorder } from '../telemetry/recorder.ts';

/** How often the sessions that have something open are gone through, in memory. */
const sweepEvery = 1000;
/** Sessions that are asked about before others have their turn: a store in a file answers without letting go. */
const askedPerTurn = 100;

/** What is known of a session with something open. */
interface Watched {
  /** When it is over unless somebody is seen on it: until then there is nothing to ask. */
  readonly overAt: number;
  /** The store knew nothing of it: one that goes on under another id is written a moment later. */
  readonly isMissing?: boolean;
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
  #isSweeping = false;
  /** How much has been heard: an answer that was under way meanwhile says nothing of what holds after it. */
  #heard = 0;

  constructor(parts: { clock: Clock; sessions: Sessions; connections: Connections; recorder: Recorder; log: Log }) {
    const { clock, sessions, connections, recorder, log } = parts;
    this.#clock = clock;
    this.#sessions = sessions;
    this.#connections = connections;
    this.#log = log;
    const stopEnds = sessions.onEnd(({ id, reason, account, provider, next }) => {
      if (next !== undefined) return this.#move(id, next);
      const whose = { ...(account && { account }), ...(provider && { provider }) };
      recorder.account({ event: 'session-end', outcome: 'succeeded', reason, ...whose, session: id });
      this.#end(id, reason);
    });
    this.#stops = [stopEnds, sessions.onChange((ids) => this.#hear(ids))];
    this.#timer = setInterval(() => void this.#sweep(), sweepEvery).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
  }

  /** A session that anything may have happened to is asked about. */
  #hear(ids: readonly string[] | undefined): void {
    this.#heard += 1;
    if (ids === undefined) this.#watched.clear();
    const heard = (ids ?? this.#connections.sessions()).filter((id) => this.#connections.count(id) > 0);
    for (const id of heard) this.#watched.delete(id);
    void this.#askAbout(heard);
  }

  /** Asks about those whose time has come, and once about those that are not known yet: they may have ended meanwhile. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const ids = this.#connections.sessions();
    const now = this.#clock.now();
    for (const id of this.#watched.keys()) if (this.#connections.count(id) === 0) this.#watched.delete(id);
    await this.#askAbout(ids.filter((id) => now >= (this.#watched.get(id)?.overAt ?? 0)));
    this.#isSweeping = false;
  }

  /** What cannot be asked goes on, and is asked about at the next sweep. */
  async #askAbout(ids: readonly string[]): Promise<void> {
    try {
      for (const [index, id] of ids.entries()) {
        if (index % askedPerTurn === askedPerTurn - 1) await nextTurn();
        await this.#ask(id);
      }
    } catch (error) {
      this.#log.warn(
        { error },
        'the store could not be asked whether live connections may go on; they do until it can',
      );
    }
  }

  async #ask(id: string): Promise<void> {
    const before = this.#heard;
    const found = await this.#sessions.alive(id);
    if (found.kind === 'live') {
      if (this.#heard === before) this.#watched.set(id, { overAt: this.#sessions.overAt(found.session) });
    } else if (found.kind === 'ended' && found.next !== undefined) this.#move(id, found.next);
    else if (found.kind === 'ended') this.#end(id, found.reason);
    // Nobody knows that one has ended which this version cannot read: what is open on it goes on until an end is read.
    else if (found.kind === 'unreadable') this.#watched.set(id, { overAt: 0 });
    else if (this.#watched.get(id)?.isMissing) this.#end(id, 'revoked');
    else this.#watched.set(id, { overAt: 0, isMissing: true });
  }

  #end(id: string, reason: Reason): void {
    this.#heard += 1;
    this.#watched.delete(id);
    this.#connections.end(id, reason);
  }

  #move(id: string, next: string): void {
    this.#heard += 1;
    this.#watched.delete(id);
    this.#connections.move(id, next);
  }
}

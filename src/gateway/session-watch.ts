/**
 * Logout is real: cuts the live connections of sessions that have ended. What this process ends is cut at once; what another
 * worker or node ends, and what time ends, shows by asking the store about every session that has a connection open.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Log } from '../core/log.ts';
import type { Connections } from '../proxy/connections.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Recorder } from '../telemetry/recorder.ts';

const interval = 1000;
/** Sessions that are asked about before others have their turn: a store in a file answers without letting go. */
const askedPerTurn = 100;

/** Watches the sessions that have live connections. */
export class SessionWatch {
  readonly #sessions: Sessions;
  readonly #connections: Connections;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #stop: () => void;
  /** Sessions of which the store knew nothing at the last turn: one that goes on under another id is written a moment later. */
  #missing: ReadonlySet<string> = new Set();
  #isSweeping = false;

  constructor(parts: { sessions: Sessions; connections: Connections; recorder: Recorder; log: Log }) {
    const { sessions, connections, recorder, log } = parts;
    this.#sessions = sessions;
    this.#connections = connections;
    this.#log = log;
    this.#stop = sessions.onEnd(({ id, reason, user, provider, next }) => {
      if (next !== undefined) return connections.move(id, next);
      recorder.account({ event: 'session-end', outcome: 'succeeded', reason, user, provider, session: id });
      connections.end(id, reason);
    });
    this.#timer = setInterval(() => void this.#sweep(), interval).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop();
  }

  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const missing = new Set<string>();
    try {
      for (const [index, id] of this.#connections.sessions().entries()) {
        if (index % askedPerTurn === askedPerTurn - 1) await nextTurn();
        const found = await this.#sessions.alive(id);
        if (found.kind === 'live') continue;
        if (found.kind === 'ended' && found.next !== undefined) this.#connections.move(id, found.next);
        else if (found.kind === 'none' && !this.#missing.has(id)) missing.add(id);
        else this.#connections.end(id, found.kind === 'ended' ? found.reason : 'revoked');
      }
      this.#missing = missing;
    } catch (error) {
      this.#log.warn(
        { error },
        'the store could not be asked whether live connections may go on; they do until it can',
      );
    } finally {
      this.#isSweeping = false;
    }
  }
}

/**
 * What is live, and on which session: WebSockets, event streams and requests, so that the end of a session ends them too, and so
 * does a configuration or a change of their user by which they would not be let in.
 */
import type { Log } from '../core/log.ts';
import type { Reason } from '../core/reason.ts';
import { credentialKey, type ShownCredential } from '../core/shown-credential.ts';
import type { ConnectionKind, LiveConnection, Opened } from './live-connection.ts';
import { LiveEntries, LiveEntry } from './live-entries.ts';

/** What is registered. */
export type Registration = LiveEntry;

interface ConnectionsOptions {
  readonly log?: Log;
  /** How old a request must be to be cut, in milliseconds: a page must not break because its user signs out beside it. */
  readonly grace?: number;
}

/** The live connections of this process, by session. */
export class Connections {
  readonly #entries = new LiveEntries();
  readonly #counts: Record<ConnectionKind, number> = { websocket: 0, stream: 0, request: 0 };
  readonly #grace: number;
  #registered = 0;
  readonly #log: Log | undefined;

  constructor({ grace = 1000, log }: ConnectionsOptions = {}) {
    this.#grace = grace;
    this.#log = log;
  }

  /** Registers a connection, on a session or on none; call what it returns when the connection has ended by itself. */
  add(sessionId: string | undefined, connection: LiveConnection): () => void {
    const entry = this.register(sessionId, connection);
    return () => this.remove(entry);
  }

  /** The same without a function for each: give what it returns to `remove`. */
  register(
    sessionId: string | undefined,
    connection: LiveConnection,
    startedAt: number = performance.now(),
  ): Registration {
    this.#registered += 1;
    const entry = new LiveEntry(connection, { startedAt, seq: this.#registered });
    this.#entries.add(sessionId, entry);
    this.#counts[entry.kind] += 1;
    return entry;
  }

  /**
   * Ends what is live on a session; true when there was something. Requests that have only begun get until the grace is
   * over to finish by themselves.
   */
  end(sessionId: string | undefined, reason: Reason): boolean {
    return this.endWhere(sessionId, () => reason);
  }

  /** Ends what of a session, or of what is on none, has a reason to end; true when there was something to ask about. */
  endWhere(sessionId: string | undefined, reasonFor: (opened: Opened) => Reason | undefined): boolean {
    const entries = this.#entries.of(sessionId);
    if (entries.length === 0) return false;
    for (const entry of entries) {
      const reason = entry.isEnding ? undefined : reasonFor(entry.connection.opened);
      if (reason === undefined) continue;
      entry.isEnding = true;
      const left = entry.kind === 'request' ? entry.startedAt + this.#grace - performance.now() : 0;
      if (left <= 0) this.#cut(entry, reason);
      else setTimeout(() => entry.list && this.#cut(entry, reason), left).unref();
    }
    return true;
  }

  /** The same of everything that is live. */
  endEach(reasonFor: (opened: Opened) => Reason | undefined): void {
    for (const [sessionId] of [...this.#entries.all()]) this.endWhere(sessionId, reasonFor);
  }

  /** A session goes on under another id, as after a rise of its level; so does what is live on it. */
  move(sessionId: string, next: string): void {
    if (sessionId === next) return;
    const entries = this.#entries.of(sessionId);
    for (const entry of entries) {
      this.#entries.remove(entry);
      this.#entries.add(next, entry);
      entry.connection.moved?.(next);
    }
  }

  /** Ends everything, as when the gateway closes. */
  endAll(reason: Reason): void {
    for (const [sessionId] of [...this.#entries.all()]) this.end(sessionId, reason);
  }

  /** The sessions on which something has been live for longer than the grace: those whose end must be looked for. */
  sessions(): readonly string[] {
    const before = performance.now() - this.#grace;
    const found: string[] = [];
    for (const [sessionId, entries] of this.#entries.all())
      if (sessionId !== undefined && hasLasting(entries, before)) found.push(sessionId);
    return found;
  }

  /** What speaks for lasting connections that are on no session, each credential once. */
  credentials(): readonly ShownCredential[] {
    const before = performance.now() - this.#grace;
    const found = new Map<string, ShownCredential>();
    for (const entry of this.#entries.of(undefined)) {
      const { credential } = entry.connection.opened;
      if (credential && isLasting(entry, before)) found.set(credentialKey(credential), credential);
    }
    return [...found.values()];
  }

  /** What has been opened up to this moment, for `openedSince`. */
  get mark(): number {
    return this.#registered;
  }

  /** Whether something has registered after a mark and is live, but for requests within the grace. */
  openedSince(sessionId: string | undefined, mark: number): boolean {
    const before = performance.now() - this.#grace;
    for (const entry of this.#entries.of(sessionId)) if (entry.seq > mark && isLasting(entry, before)) return true;
    return false;
  }

  /** How many are live on one session. */
  count(sessionId: string): number {
    return this.#entries.count(sessionId);
  }

  /** How many are live, by kind. */
  counts(): Readonly<Record<ConnectionKind, number>> {
    return { ...this.#counts };
  }

  /** One that cannot be ended must not keep the others alive. */
  #cut(entry: LiveEntry, reason: Reason): void {
    try {
      entry.connection.end(reason);
    } catch (error) {
      this.#log?.error({ error, kind: entry.kind }, 'a live connection could not be ended');
    }
  }

  /** It has ended by itself; a second time means nothing. */
  remove(entry: Registration): void {
    if (this.#entries.remove(entry)) this.#counts[entry.kind] -= 1;
  }
}

function hasLasting(entries: Iterable<LiveEntry>, before: number): boolean {
  for (const entry of entries) if (isLasting(entry, before)) return true;
  return false;
}

/** Requests that have only begun mostly end by themselves. */
function isLasting({ kind, startedAt }: LiveEntry, before: number): boolean {
  return kind !== 'request' || startedAt <= before;
}

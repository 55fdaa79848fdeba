/**
 * What is live, and on which session: WebSockets, event streams and requests, so that the end of a session ends them too, and so
 * does a configuration or a change of their user by which they would not be let in.
 */
import type { Log } from '../core/log.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import { credentialKey, type ShownCredential } from '../core/shown-credential.ts';
import type { AppDemand, CanonicalTarget, Client, Forward } from '../core/verdict.ts';

/** What a live connection is; a request is any that is no event stream, such as a download. */
type ConnectionKind = 'websocket' | 'stream' | 'request';

/** What a connection was opened for: by it is judged whether it may stay open. */
export interface Opened {
  readonly target: Pick<CanonicalTarget, 'host' | 'port' | 'path'>;
  /** Whence it came. */
  readonly client: Client;
  /** Of a connection that its session does not speak for: who its request proved to be; absent where nobody had to. */
  readonly principal?: Principal;
  /** What that proof was, where it can be asked whether it still holds. */
  readonly credential?: ShownCredential;
  /** What the application itself asked for; it may come while it is open. */
  readonly demands?: readonly AppDemand[];
}

/** What a request was forwarded for. */
export function openedBy(
  { client, target, principal, session, credential }: Forward,
  demands?: readonly AppDemand[],
): Opened {
  const proved = principal && !session && { principal, ...(credential && { credential }) };
  return { client, target, ...proved, ...(demands && { demands }) };
}

/** A live connection as the registry holds it. */
export interface LiveConnection {
  readonly kind: ConnectionKind;
  readonly opened: Opened;
  /** Ends it now; called once. */
  end(reason: Reason): void;
  /** Told under which id its session goes on. */
  moved?(sessionId: string): void;
}

/** What the registry knows of a connection; a class, since each request has one. */
class Entry {
  readonly connection: LiveConnection;
  readonly kind: ConnectionKind;
  readonly startedAt: number;
  /** Counts up over all that register. */
  readonly seq: number;
  sessionId: string | undefined;
  isEnding = false;

  constructor(
    connection: LiveConnection,
    { sessionId, startedAt, seq }: Pick<Entry, 'sessionId' | 'startedAt' | 'seq'>,
  ) {
    this.connection = connection;
    this.kind = connection.kind;
    this.sessionId = sessionId;
    this.startedAt = startedAt;
    this.seq = seq;
  }
}

/** What is registered. */
export type Registration = Entry;

interface ConnectionsOptions {
  readonly log?: Log;
  /** How old a request must be to be cut, in milliseconds: a page must not break because its user signs out beside it. */
  readonly grace?: number;
}

/** The live connections of this process, by session. */
export class Connections {
  /** Under `undefined` what is on no session; one alone stands by itself, as most do. */
  readonly #sessions = new Map<string | undefined, Entry | Set<Entry>>();
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
    const entry = new Entry(connection, { sessionId, startedAt, seq: this.#registered });
    this.#put(sessionId, entry);
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
    const entries = this.#entriesOf(sessionId);
    if (entries.length === 0) return false;
    for (const entry of entries) {
      const reason = entry.isEnding ? undefined : reasonFor(entry.connection.opened);
      if (reason === undefined) continue;
      entry.isEnding = true;
      const left = entry.kind === 'request' ? entry.startedAt + this.#grace - performance.now() : 0;
      if (left <= 0) this.#cut(entry, reason);
      else setTimeout(() => this.#isLive(entry) && this.#cut(entry, reason), left).unref();
    }
    return true;
  }

  /** A session goes on under another id, as after a rise of its level; so does what is live on it. */
  move(sessionId: string, next: string): void {
    if (sessionId === next) return;
    const entries = this.#entriesOf(sessionId);
    this.#sessions.delete(sessionId);
    for (const entry of entries) {
      entry.sessionId = next;
      this.#put(next, entry);
      entry.connection.moved?.(next);
    }
  }

  /** Ends everything, as when the gateway closes. */
  endAll(reason: Reason): void {
    for (const sessionId of [...this.#sessions.keys()]) this.end(sessionId, reason);
  }

  /** The sessions on which something has been live for longer than the grace: those whose end must be looked for. */
  sessions(): readonly string[] {
    const before = performance.now() - this.#grace;
    return [...this.#sessions].flatMap(([sessionId, entries]) => {
      if (sessionId === undefined) return [];
      for (const entry of listOf(entries)) if (isLasting(entry, before)) return [sessionId];
      return [];
    });
  }

  /** What speaks for lasting connections that are on no session, each credential once. */
  credentials(): readonly ShownCredential[] {
    const before = performance.now() - this.#grace;
    const found = new Map<string, ShownCredential>();
    for (const entry of this.#entriesOf(undefined)) {
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
    for (const entry of this.#entriesOf(sessionId)) if (entry.seq > mark && isLasting(entry, before)) return true;
    return false;
  }

  /** How many are live on one session. */
  count(sessionId: string): number {
    const entries = this.#sessions.get(sessionId);
    return entries instanceof Set ? entries.size : entries ? 1 : 0;
  }

  /** How many are live, by kind. */
  counts(): Readonly<Record<ConnectionKind, number>> {
    return { ...this.#counts };
  }

  #put(sessionId: string | undefined, entry: Entry): void {
    const entries = this.#sessions.get(sessionId);
    if (entries instanceof Set) entries.add(entry);
    else this.#sessions.set(sessionId, entries ? new Set([entries, entry]) : entry);
  }

  /** In the order in which they came; a list of its own. */
  #entriesOf(sessionId: string | undefined): readonly Entry[] {
    const entries = this.#sessions.get(sessionId);
    return entries ? [...listOf(entries)] : [];
  }

  /** One that cannot be ended must not keep the others alive. */
  #cut(entry: Entry, reason: Reason): void {
    try {
      entry.connection.end(reason);
    } catch (error) {
      this.#log?.error({ error, kind: entry.kind }, 'a live connection could not be ended');
    }
  }

  #isLive(entry: Entry): boolean {
    return this.#entriesOf(entry.sessionId).includes(entry);
  }

  /** It has ended by itself; a second time means nothing. */
  remove(entry: Registration): void {
    const entries = this.#sessions.get(entry.sessionId);
    if (entries instanceof Set) {
      if (!entries.delete(entry)) return;
      if (entries.size === 0) this.#sessions.delete(entry.sessionId);
    } else if (entries === entry) this.#sessions.delete(entry.sessionId);
    else return;
    this.#counts[entry.kind] -= 1;
  }
}

function listOf(entries: Entry | Set<Entry>): Iterable<Entry> {
  return entries instanceof Set ? entries : [entries];
}

/** Requests that have only begun mostly end by themselves. */
function isLasting({ kind, startedAt }: Entry, before: number): boolean {
  return kind !== 'request' || startedAt <= before;
}

/**
 * Which entries are on which session. A map that loses and gets a key with each request makes a new table of its own every few dozen
 * requests, and V8 lets the old one point to the new one: with the first of them that has become old everything that hangs on those behind
 * it outlives the young generation, and half of the process's time goes into moving it. So a session that has nothing left
 * keeps its place until many have.
 */
import type { LiveConnection } from './live-connection.ts';

/** Sessions without an entry that keep their place. */
const maxEmpty = 4096;

/** What is known of a live connection. */
export class LiveEntry {
  readonly connection: LiveConnection;
  readonly kind: LiveConnection['kind'];
  readonly startedAt: number;
  /** Counts up over all that register. */
  readonly seq: number;
  isEnding = false;
  /** Where it stands; absent once it has ended. */
  list: EntryList | undefined;
  previous: LiveEntry | undefined;
  next: LiveEntry | undefined;

  constructor(connection: LiveConnection, { startedAt, seq }: Pick<LiveEntry, 'startedAt' | 'seq'>) {
    this.connection = connection;
    this.kind = connection.kind;
    this.startedAt = startedAt;
    this.seq = seq;
  }
}

/** The entries of one session, in the order in which they came; each is taken out without a search. */
class EntryList {
  first: LiveEntry | undefined;
  #last: LiveEntry | undefined;
  count = 0;

  add(entry: LiveEntry): void {
    entry.list = this;
    entry.previous = this.#last;
    if (this.#last) this.#last.next = entry;
    else this.first = entry;
    this.#last = entry;
    this.count += 1;
  }

  /** It points to nothing any more: it may have become old, and would keep what is young. */
  remove(entry: LiveEntry): void {
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    entry.list = undefined;
    entry.previous = undefined;
    entry.next = undefined;
    this.count -= 1;
  }

  *[Symbol.iterator](): Generator<LiveEntry, void, undefined> {
    for (let entry = this.first; entry; entry = entry.next) yield entry;
  }
}

/** Entries by session. */
export class LiveEntries {
  /** Under `undefined` what is on no session. */
  readonly #lists = new Map<string | undefined, EntryList>();
  #empty = 0;

  add(sessionId: string | undefined, entry: LiveEntry): void {
    const known = this.#lists.get(sessionId);
    const list = known ?? new EntryList();
    if (!known) this.#lists.set(sessionId, list);
    else if (list.count === 0) this.#empty -= 1;
    list.add(entry);
  }

  /** False where it has been removed before. */
  remove(entry: LiveEntry): boolean {
    const { list } = entry;
    if (!list) return false;
    list.remove(entry);
    if (list.count === 0) this.#emptied();
    return true;
  }

  /** What is on one session; a list of its own. */
  of(sessionId: string | undefined): readonly LiveEntry[] {
    const list = this.#lists.get(sessionId);
    return list ? [...list] : [];
  }

  count(sessionId: string): number {
    return this.#lists.get(sessionId)?.count ?? 0;
  }

  /** The sessions that have something, with what they have. */
  *all(): Generator<readonly [sessionId: string | undefined, entries: Iterable<LiveEntry>], void, undefined> {
    for (const [sessionId, list] of this.#lists) if (list.count > 0) yield [sessionId, list];
  }

  #emptied(): void {
    this.#empty += 1;
    if (this.#empty <= maxEmpty) return;
    for (const [sessionId, { count }] of this.#lists) if (count === 0) this.#lists.delete(sessionId);
    this.#empty = 0;
  }
}

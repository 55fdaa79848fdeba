/**
 * A store in Redis, for several machines. Each change is one step on the server. Records of sessions are copied here for a moment, and
 * go by the copy while the server does not answer, for as long as `grace` says; ends made meanwhile count here, and are written.
 */
import type { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.ts';
import type { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import type { MaybePromise } from '../../core/maybe-promise.ts';
import type { Changes, Store, Stored, StoredEntry, StoreOutage, WriteOptions } from '../../core/store.ts';
import type { ServerInfo } from './client.ts';
import { Ends } from './ends.ts';
import { newVersion, RedisEntries } from './entries.ts';
import { JournalFollower } from './journal-follower.ts';
import { RedisLink } from './link.ts';
import type { RedisStoreOptions } from './options.ts';
import { type Copy, SessionCopies } from './session-copies.ts';

/** How old a copy may be while the server answers, and how long ago it must have been heard, in milliseconds. */
const maxAge = 2000;
const pollEvery = 500;
const pruneEvery = 60_000;

/** Keeps entries on a Redis server. */
export class RedisStore implements Store {
  readonly #prefix: string;
  readonly #grace: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #link: RedisLink;
  readonly #entries: RedisEntries;
  readonly #copies = new SessionCopies();
  readonly #journal: JournalFollower;
  readonly #ends = new Ends();
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #holder = newVersion();
  #isPolling = false;

  constructor(options: RedisStoreOptions, { clock, log }: { clock: Clock; log: Log }) {
    this.#prefix = options.prefix;
    this.#grace = options.grace;
    this.#clock = clock;
    this.#log = log;
    this.#entries = new RedisEntries(options.prefix, clock);
    this.#link = new RedisLink({
      options,
      log,
      onEnter: (client, info) => this.#enter(client, info),
      onMessage: (text) => {
        if (!this.#journal.hear(text)) void this.#poll();
      },
    });
    const use = this.#link.use.bind(this.#link);
    this.#journal = new JournalFollower({ prefix: options.prefix, copies: this.#copies, use });
    this.#timers = [
      setInterval(() => void this.#poll(), pollEvery).unref(),
      setInterval(() => void this.#prune(), pruneEvery).unref(),
    ];
  }

  /** Connects; once that was good, connections that end are made again. Throws a Failure. */
  open(): Promise<void> {
    return this.#link.open();
  }

  get(key: string): MaybePromise<Stored | undefined> {
    const held = this.#ends.held.get(key);
    if (held) return held;
    if (!this.#copies.copies(key)) return this.#link.use((client) => this.#entries.get(client, key));
    const copy = this.#copies.get(key);
    if (copy && this.#mayServe(copy)) return copy.entry;
    if (this.#link.problem) throw this.#link.problem;
    return this.#fetch(key);
  }

  async put(key: string, value: string, expiresAt?: number): Promise<void> {
    await this.#write(key, (client) => this.#entries.write(client, { key, value, expiresAt, how: 'put' }));
  }

  async replace(
    key: string,
    expected: string | undefined,
    value: string,
    expiresAt?: number,
    { announced = false, held = false, isFinal = false }: WriteOptions = {},
  ): Promise<boolean> {
    // What is held is an end, and an end is final.
    if (this.#ends.held.has(key)) return false;
    const end = { key, value, expiresAt, version: newVersion() };
    try {
      const entry = { ...end, how: 'replace', expected: expected ?? '', announced } as const;
      const isWritten = await this.#write(key, (client) => this.#entries.write(client, entry));
      if (isWritten && isFinal) this.#ends.remember(end);
      return isWritten;
    } catch (error) {
      if (!held || this.#link.isClosed) throw error;
      if (!(await this.#isStill(key, expected))) return false;
      if (!this.#ends.hold(end)) throw error;
      await this.#countHeld(key, expected, error);
      return true;
    }
  }

  async take(key: string): Promise<string | undefined> {
    return this.#write(key, (client) => this.#entries.take(client, key));
  }

  async delete(key: string): Promise<boolean> {
    return this.#write(key, (client) => this.#entries.remove(client, key));
  }

  async *list(prefix: string): AsyncGenerator<StoredEntry, void, undefined> {
    const use = <T>(work: (client: Redis) => Promise<T>): Promise<T> => this.#link.use(work);
    for await (const { key, ...entry } of this.#entries.list(use, prefix)) {
      const { value, version } = this.#ends.held.get(key) ?? entry;
      yield { key, value, version };
    }
  }

  count(prefix: string, at: number): Promise<number> {
    return this.#link.use((client) => this.#entries.count(client, prefix, at));
  }

  /** At once, as far as the server is heard; without it for as long as sessions go on. */
  changes(after?: string): MaybePromise<Changes> {
    const { problem, silence } = this.#link;
    if (problem && (this.#link.isClosed || silence >= this.#grace)) throw problem;
    if (problem || silence < maxAge) return this.#journal.changes(after);
    return this.#journal.readOn().then(() => this.#journal.changes(after));
  }

  /** A text about the store itself, which is no entry of it. */
  mark(): Promise<string | null> {
    return this.#link.use((client) => client.get(`${this.#prefix}:seal`));
  }

  /** Writes the text, where there is none, or over the one that is there. */
  async setMark(text: string, isNew: boolean): Promise<boolean> {
    const key = `${this.#prefix}:seal`;
    return (await this.#link.use((client) => (isNew ? client.set(key, text, 'NX') : client.set(key, text)))) !== null;
  }

  waiting(): number {
    return this.#ends.held.size;
  }

  outage(): StoreOutage | undefined {
    const { problem, silence } = this.#link;
    return problem && { message: problem.message, goesOn: Math.max(0, this.#grace - silence) };
  }

  async close(): Promise<void> {
    if (this.#link.isClosed) return;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#ends.held.size > 0) await this.#writeHeld().catch(() => undefined);
    if (this.#ends.held.size > 0)
      this.#log.error({ ends: this.#ends.held.size }, 'the store never took these ends of sessions; they are lost');
    this.#link.close();
  }

  /** While the server answers a copy counts for a moment; while it does not, for as long as sessions go on. */
  #mayServe({ entry: { expiresAt = Number.POSITIVE_INFINITY }, at }: Copy): boolean {
    const { isUp, silence } = this.#link;
    if (expiresAt <= this.#clock.now()) return false;
    return isUp ? silence < maxAge && performance.now() - at < maxAge : silence < this.#grace;
  }

  async #fetch(key: string): Promise<Stored | undefined> {
    try {
      const entry = await this.#copies.fill(key, () => this.#link.use((client) => this.#entries.get(client, key)));
      return this.#ends.held.get(key) ?? entry;
    } catch (error) {
      const copy = this.#copies.get(key);
      if (!copy || this.#link.isUp || !this.#mayServe(copy)) throw error;
      return this.#ends.held.get(key) ?? copy.entry;
    }
  }

  async #write<T>(key: string, work: (client: Redis) => Promise<T>): Promise<T> {
    // Without an answer the copy is what is known; an end is held by its version.
    const result = await this.#link.use(work);
    this.#copies.drop(key);
    return result;
  }

  /** Whether an entry is still the one that was read, as far as anybody can say: an end must not wait for that. */
  async #isStill(key: string, version: string | undefined): Promise<boolean> {
    try {
      return (await this.get(key))?.version === version;
    } catch {
      return true;
    }
  }

  /** A server that answers and has no room lets the entry go, so that the other gateways know it no more. */
  async #countHeld(key: string, expected: string | undefined, cause: unknown): Promise<void> {
    this.#journal.addOwn(key);
    if (this.#ends.held.size === 1)
      this.#log.warn({ error: cause }, 'the store takes nothing: ends of sessions are held here, and count');
    if (expected === undefined || !this.#link.isUp) return;
    await this.#link
      .use((client) => this.#entries.cut(client, key, expected))
      .catch((error: Failure) => this.#log.debug({ error }, 'the entry of an end could not be removed'));
  }

  /** Before anybody uses a new connection: what may be lost is written again, and nothing is believed that was known before. */
  async #enter(client: Redis, info: ServerInfo): Promise<void> {
    this.#entries.enter(info.identity);
    await this.#journal.enter(client, info.identity);
    await this.#ends.rewrite(client, this.#entries);
    await this.#writeHeld(client);
  }

  async #writeHeld(known?: Redis): Promise<void> {
    const work = (client: Redis): Promise<number> => this.#ends.release(client, this.#entries);
    const released = await (known ? work(known) : this.#link.use(work));
    if (released > 0) this.#log.info({ ends: released }, 'the ends that were held have been written to the store');
  }

  async #poll(): Promise<void> {
    if (this.#isPolling || !this.#link.isUp) return;
    this.#isPolling = true;
    try {
      await this.#journal.readOn();
      if (this.#ends.held.size > 0) await this.#writeHeld();
    } catch (error) {
      this.#log.debug({ error }, 'the journal of the store could not be read on');
    } finally {
      this.#isPolling = false;
    }
  }

  async #prune(): Promise<void> {
    if (!this.#link.isUp) return;
    try {
      const pruned = await this.#link.use((client) => this.#entries.prune(client, this.#holder, 0.9 * pruneEvery));
      if (pruned > 0) this.#log.debug({ pruned }, 'expired entries left the indexes of the store');
    } catch (error) {
      this.#log.warn({ error }, 'expired entries could not be removed from the indexes of the store');
    }
  }
}

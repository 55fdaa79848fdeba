/** Keeps the copy of the journal up with the server: by what is published, and by reading on where something was missed. */
import type { Redis } from 'ioredis';
import type { Changes } from '../../core/store.ts';
import { JournalCopy } from './journal-copy.ts';
import { since } from './scripts.ts';
import type { SessionCopies } from './session-copies.ts';

interface FollowerParts {
  readonly prefix: string;
  readonly copies: SessionCopies;
  /** Lends the connection. */
  readonly use: <T>(work: (client: Redis) => Promise<T>) => Promise<T>;
}

/** Follows the journal; whatever is announced leaves the copies at once. */
export class JournalFollower {
  readonly #parts: FollowerParts;
  readonly #journal = new JournalCopy();
  #identity = '';

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  changes(after?: string): Changes {
    return this.#journal.changes(after);
  }

  /** What counts here at once, though the server does not have it. */
  addOwn(key: string): void {
    this.#journal.addOwn(key);
  }

  /** Comes to a server; nothing is believed that was known of another one. */
  async enter(client: Redis, identity: string): Promise<void> {
    if (identity === this.#identity) return this.readOn(client);
    this.#identity = identity;
    this.#beginAnew(Number((await client.get(`${this.#parts.prefix}:seq`)) ?? 0));
  }

  /** What was published: `NUMBER KEY`, with 0 for what stands in no journal. False where something before it was missed. */
  hear(text: string): boolean {
    const space = text.indexOf(' ');
    const [seq, key] = [Number(text.slice(0, space)), text.slice(space + 1)];
    this.#parts.copies.drop(key);
    if (seq !== 0) return this.#journal.add(seq, key);
    this.#journal.addOwn(key);
    return true;
  }

  /** Reads what was missed, by a connection that is not in use yet where one is given. */
  async readOn(known?: Redis): Promise<void> {
    const { prefix, copies, use } = this.#parts;
    const work = (client: Redis): Promise<unknown> => since.run(client, prefix, [this.#journal.last]);
    const [last, isWhole, keys] = (await (known ? work(known) : use(work))) as [number, number, string[]];
    if (isWhole === 0) return this.#beginAnew(last);
    // The newest stands first.
    for (const [index, key] of keys.toReversed().entries()) {
      this.#journal.add(last - keys.length + 1 + index, key);
      copies.drop(key);
    }
  }

  #beginAnew(last: number): void {
    this.#journal.reset(this.#identity, last);
    this.#parts.copies.clear();
  }
}

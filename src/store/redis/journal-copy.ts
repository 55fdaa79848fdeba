/**
 * This process's copy of the journal: filled by what the server publishes, and read on from the server where something was missed. What
 * counts here alone, since the server does not take it, stands in it as well.
 */
import { hash } from 'node:crypto';
import type { Changes } from '../../core/store.ts';

/** How many announcements are kept for readers in this process, who ask many times a second. */
const maxKept = 10_000;

/** A run of announcements, numbered without a gap. */
class Announcements {
  #keys: string[] = [];
  #first = 0;

  get last(): number {
    return this.#first + this.#keys.length;
  }

  add(key: string): void {
    this.#keys.push(key);
    if (this.#keys.length <= maxKept) return;
    this.#keys = this.#keys.slice(maxKept / 2);
    this.#first += maxKept / 2;
  }

  /** Undefined where it does not reach back so far. */
  after(number: number): readonly string[] | undefined {
    if (number === this.last) return [];
    return number >= this.#first && number < this.last ? this.#keys.slice(number - this.#first) : undefined;
  }

  reset(last: number): void {
    this.#keys = [];
    this.#first = last;
  }
}

/** What was announced, as far as it is known here. */
export class JournalCopy {
  readonly #shared = new Announcements();
  readonly #own = new Announcements();
  /** Of the server whose journal it is. */
  #tag = '';

  /** The number of the last announcement that is known. */
  get last(): number {
    return this.#shared.last;
  }

  /** Begins anew: with another server, or where too much was missed. Readers are told that any key may have changed. */
  reset(identity: string, last: number): void {
    this.#tag = hash('sha256', identity, 'base64url').slice(0, 8);
    this.#shared.reset(last);
  }

  /** True where it was the next one or is known; false where some before it were missed. */
  add(seq: number, key: string): boolean {
    if (seq > this.#shared.last + 1) return false;
    if (seq === this.#shared.last + 1) this.#shared.add(key);
    return true;
  }

  /** For what counts here at once. */
  addOwn(key: string): void {
    this.#own.add(key);
  }

  changes(after?: string): Changes {
    const place = `${this.#tag}.${this.#shared.last}.${this.#own.last}`;
    if (after === undefined || after === place) return { keys: [], place, isWhole: true };
    const [tag, seq, own] = after.split('.');
    const shared = tag === this.#tag ? this.#shared.after(Number(seq)) : undefined;
    const here = this.#own.after(Number(own));
    return { keys: [...(shared ?? []), ...(here ?? [])], place, isWhole: shared !== undefined && here !== undefined };
  }
}

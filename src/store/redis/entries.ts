/** The entries on a Redis server: how one is written there, read, listed and counted. Whether the server answers is others' business. */
import { hash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.ts';
import type { Stored } from '../../core/store.ts';
import { entryKinds, kindOf } from '../entry-kinds.ts';
import { cut, prune, pruneBatch, remove, take, write } from './scripts.ts';

const versionLength = 16;
const generationLength = 8;
const endLength = 14;
const headLength = versionLength + generationLength + endLength;
/** How many entries a list reads at a time. */
const listPage = 200;
/** So much longer than its entry a name stays in the indexes: the clocks of gateways differ. */
const pruneAfter = 60_000;

/** A value as it was read. */
export interface ReadEntry extends Stored {
  /** In milliseconds since the epoch; undefined for one that stays. */
  readonly expiresAt: number | undefined;
}

/** A write of one entry. */
interface EntryWrite {
  readonly key: string;
  readonly value: string;
  readonly expiresAt: number | undefined;
  /** `final` writes over anything but the version that it has itself. */
  readonly how: 'put' | 'replace' | 'final';
  /** What `replace` expects; '' where nothing may be there. */
  readonly expected?: string;
  readonly announced?: boolean;
  /** A new one when absent. */
  readonly version?: string;
}

/** Reads and writes entries below a prefix, on a server that each connection finds out. */
export class RedisEntries {
  readonly #prefix: string;
  readonly #clock: Clock;
  /** Of what is written from here on: what is one-time was begun on this very server, or is not there. */
  #generation = ''.padStart(generationLength);

  constructor(prefix: string, clock: Clock) {
    this.#prefix = prefix;
    this.#clock = clock;
  }

  /** Comes to a server: a failover and a restart give it another identity. */
  enter(identity: string): void {
    this.#generation = hash('sha256', identity, 'base64url').slice(0, generationLength);
  }

  async get(client: Redis, key: string): Promise<ReadEntry | undefined> {
    return this.#read(key, await client.get(this.#entry(key)));
  }

  /** False where it was not written. */
  async write(client: Redis, entry: EntryWrite): Promise<boolean> {
    const { key, value, expiresAt = Number.POSITIVE_INFINITY, how, announced, version = newVersion() } = entry;
    const isEndless = expiresAt === Number.POSITIVE_INFINITY;
    const end = isEndless ? 0 : Math.min(Math.ceil(expiresAt), 10 ** endLength - 1);
    const raw = version + this.#generation + String(end).padStart(endLength, '0') + value;
    const lasts = isEndless ? '' : Math.ceil(end - this.#clock.now());
    const known = how === 'final' ? version : (entry.expected ?? '');
    const words = [key, raw, lasts, isEndless ? '+inf' : end, how, known, announced ? '1' : ''];
    return (await write.run(client, this.#prefix, words)) === 1;
  }

  async take(client: Redis, key: string): Promise<string | undefined> {
    // What is printed and kept for years outlives servers: lost with each restart it would be of no use on its day.
    const generation = entryKinds[kindOf(key)]?.isOneTime ? this.#generation : '';
    const raw = await take.run(client, this.#prefix, [key, generation]);
    return typeof raw === 'string' ? raw.slice(headLength) : undefined;
  }

  async remove(client: Redis, key: string): Promise<boolean> {
    return (await remove.run(client, this.#prefix, [key])) === 1;
  }

  /** For a server without memory: the entry goes, and whoever listens is told. */
  async cut(client: Redis, key: string, version = ''): Promise<boolean> {
    return (await cut.run(client, this.#prefix, [key, version])) === 1;
  }

  /** Live entries whose key begins with `prefix`, page by page; `use` lends a client for each. */
  async *list(
    use: <T>(work: (client: Redis) => Promise<T>) => Promise<T>,
    prefix: string,
  ): AsyncGenerator<ReadEntry & { readonly key: string }, void, undefined> {
    for (let from: string | undefined = `[${prefix}`; from !== undefined; ) {
      const start: string = from;
      const { entries, last } = await use((client) => this.#page(client, start, endOf(prefix)));
      yield* entries;
      from = last === undefined ? undefined : `(${last}`;
    }
  }

  /** How many entries are live at a moment: those of a kind by the index alone. */
  async count(client: Redis, prefix: string, at: number): Promise<number> {
    if (/^[^:]*:$/.test(prefix)) return client.zcount(`${this.#prefix}:until:${prefix}`, `(${at}`, '+inf');
    let count = 0;
    for await (const { expiresAt = Number.POSITIVE_INFINITY } of this.list((work) => work(client), prefix))
      if (expiresAt > at) count += 1;
    return count;
  }

  /** Clears the indexes of what has expired; how many names. One gateway at a time does so. */
  async prune(client: Redis, holder: string, milliseconds: number): Promise<number> {
    const isOurs = await client.set(`${this.#prefix}:pruning`, holder, 'PX', milliseconds, 'NX');
    if (isOurs === null) return 0;
    let pruned = 0;
    for (;;) {
      const count = Number(await prune.run(client, this.#prefix, [this.#clock.now() - pruneAfter]));
      pruned += count;
      if (count < pruneBatch) return pruned;
    }
  }

  async #page(client: Redis, from: string, to: Buffer) {
    const names = await client.zrangebylex(`${this.#prefix}:names`, from, to, 'LIMIT', 0, listPage);
    const values = names.length > 0 ? await client.mget(names.map((name) => this.#entry(name))) : [];
    const entries = names.flatMap((key, index) => {
      const entry = this.#read(key, values[index] ?? null);
      return entry ? [{ key, ...entry }] : [];
    });
    return { entries, last: names.length === listPage ? names.at(-1) : undefined };
  }

  #entry(key: string): string {
    return `${this.#prefix}:e:${key}`;
  }

  /** What is one-time and was begun in another generation is not there: it may have been used up. */
  #read(key: string, raw: string | null): ReadEntry | undefined {
    if (raw === null) return undefined;
    const version = raw.slice(0, versionLength);
    const generation = raw.slice(versionLength, versionLength + generationLength);
    if (entryKinds[kindOf(key)]?.isOneTime && generation !== this.#generation) return undefined;
    const end = Number(raw.slice(versionLength + generationLength, headLength));
    return { value: raw.slice(headLength), version, expiresAt: end === 0 ? undefined : end };
  }
}

/** A version that no other write has: a counter would come again after a failover. */
export function newVersion(): string {
  return randomBytes(versionLength / 2).toString('hex');
}

/** The first text after all keys of a prefix: no UTF-8 has this byte. */
function endOf(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])]);
}

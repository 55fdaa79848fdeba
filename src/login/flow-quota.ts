/**
 * How much of the store one address may fill before anybody has signed in there, and all of them together. Who begins too much
 * loses the oldest of their own; nobody is refused, since a whole site may be behind one address.
 */
import { addressGroup } from '../users/address.ts';

/** Bounds in bytes. `least` is what even an empty value counts for. */
interface ShareLimits {
  readonly ofAddress: number;
  readonly ofAll: number;
  readonly least: number;
}

interface Entry {
  readonly address: string;
  readonly bytes: number;
  readonly until: number;
}

/** Keeps account of entries of the store that this process has made, and that all last equally long. */
export class StoreQuota {
  readonly #limits: ShareLimits;
  /** By key, in the order in which they expire. */
  readonly #entries = new Map<string, Entry>();
  readonly #ofAddress = new Map<string, { bytes: number; readonly keys: Set<string> }>();
  #total = 0;

  /** Each of several workers keeps account of its own entries: it has its part of the room. */
  constructor({ ofAddress, ofAll, least }: ShareLimits, workers = 1) {
    this.#limits = { ofAddress: ofAddress / workers, ofAll: ofAll / workers, least };
  }

  /** Enters what has been stored under a key; the keys that make way for it are to be deleted. */
  enter(key: string, value: string, client: string, { now, until }: { now: number; until: number }): string[] {
    this.#expire(now);
    this.forget(key);
    const address = addressGroup(client);
    const bytes = Math.max(Buffer.byteLength(value), this.#limits.least);
    const share = this.#ofAddress.get(address) ?? { bytes: 0, keys: new Set() };
    share.bytes += bytes;
    share.keys.add(key);
    this.#ofAddress.set(address, share);
    this.#entries.set(key, { address, bytes, until });
    this.#total += bytes;
    const over: string[] = [];
    while (share.bytes > this.#limits.ofAddress) over.push(this.#dropOldest(share.keys));
    while (this.#total > this.#limits.ofAll) over.push(this.#dropOldest(this.#largest().keys));
    return over;
  }

  /** Takes off what is no longer in the store. */
  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#total -= entry.bytes;
    const share = this.#ofAddress.get(entry.address);
    if (!share) return;
    share.bytes -= entry.bytes;
    share.keys.delete(key);
    if (share.keys.size === 0) this.#ofAddress.delete(entry.address);
  }

  #expire(now: number): void {
    for (const [key, { until }] of this.#entries) {
      if (until > now) return;
      this.forget(key);
    }
  }

  #dropOldest(keys: ReadonlySet<string>): string {
    const [oldest = ''] = keys;
    this.forget(oldest);
    return oldest;
  }

  /** Whoever fills most gives way first: one who floods does not push out the others. */
  #largest(): { readonly bytes: number; readonly keys: ReadonlySet<string> } {
    let largest: { bytes: number; keys: ReadonlySet<string> } = { bytes: 0, keys: new Set() };
    for (const share of this.#ofAddress.values()) if (share.bytes > largest.bytes) largest = share;
    return largest;
  }
}

/** A map that is bounded by what its values take in memory: what nobody has asked for in a while goes, without an order to keep. */

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/** Keeps values in two generations: the older one goes whole, and what is asked for in it becomes young again. */
export class KeptMap<Value> {
  readonly #maxYoung: number;
  #young = new Map<string, Entry<Value>>();
  #old: ReadonlyMap<string, Entry<Value>> = new Map();
  #youngBytes = 0;

  /** `maxBytes` is the bound of both generations together. */
  constructor(maxBytes: number) {
    this.#maxYoung = maxBytes / 2;
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young) return young.value;
    const old = this.#old.get(key);
    if (!old) return undefined;
    this.#add(key, old);
    return old.value;
  }

  /** `bytes` is what the key and the value take, as far as one can tell. */
  set(key: string, value: Value, bytes: number): void {
    const before = this.#young.get(key);
    if (before) this.#youngBytes -= before.bytes;
    this.#add(key, { value, bytes });
  }

  #add(key: string, entry: Entry<Value>): void {
    if (this.#youngBytes + entry.bytes > this.#maxYoung) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(key, entry);
    this.#youngBytes += entry.bytes;
  }
}

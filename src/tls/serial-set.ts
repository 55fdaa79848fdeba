/** Serial numbers of revoked certificates, packed: a million of them take some thirty megabytes, and one is found at once. */
import { randomInt } from 'node:crypto';

/** The longest serial of RFC 5280 §4.1.2.2 has 20 bytes; some authorities write more, and the count takes one byte. */
export const longestSerial = 255;

/** Is filled once, sealed, and then asked. */
export class SerialSet {
  /** Each as its length and its bytes. */
  #packed = Buffer.allocUnsafeSlow(4096);
  #used = 0;
  #count = 0;
  /** Open addressing: 0 is free, else the place in `#packed` and one. */
  #slots = new Uint32Array(2);
  // Nobody who chooses serials knows which of them meet.
  readonly #seed = randomInt(2 ** 31);

  get count(): number {
    return this.#count;
  }

  add(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.#used + length + 1 > this.#packed.length) {
      const larger = Buffer.allocUnsafeSlow(this.#packed.length * 2);
      this.#packed.copy(larger, 0, 0, this.#used);
      this.#packed = larger;
    }
    this.#packed[this.#used] = length;
    bytes.copy(this.#packed, this.#used + 1, start, end);
    this.#used += length + 1;
    this.#count += 1;
  }

  /** Makes the table; gives way each time so many are in it. */
  *seal(each: number): Generator<void> {
    this.#packed = Buffer.from(this.#packed.subarray(0, this.#used));
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(this.#count * 2 + 2)));
    for (let at = 0, done = 1; at < this.#used; at += (this.#packed[at] ?? 0) + 1, done++) {
      const slot = this.#slotOf(this.#packed, at + 1, at + 1 + (this.#packed[at] ?? 0));
      if (this.#slots[slot] === 0) this.#slots[slot] = at + 1;
      if (done % each === 0) yield;
    }
  }

  has(serial: Buffer): boolean {
    return serial.length <= longestSerial && this.#slots[this.#slotOf(serial, 0, serial.length)] !== 0;
  }

  /** The slot in which a serial is, or the free one in which it would be. */
  #slotOf(bytes: Buffer, start: number, end: number): number {
    let hash = this.#seed ^ 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = this.#slots[slot] ?? 0;
      if (place === 0 || this.#isAt(place - 1, bytes, start, end)) return slot;
    }
  }

  #isAt(place: number, bytes: Buffer, start: number, end: number): boolean {
    const length = this.#packed[place] ?? 0;
    return length === end - start && this.#packed.compare(bytes, start, end, place + 1, place + 1 + length) === 0;
  }
}

/** A strict walk over DER (X.690 §10): one element at a time, each within its parent, and nothing is copied or built. */

/** The tags that certificates and revocation lists are made of. */
export const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Bytes that are no DER, or not the kind of thing that was to be read. */
export class DerError extends Error {}

/** Stands at one element; it is moved, not made anew, as a list has millions of them. */
export class DerCursor {
  readonly bytes: Buffer;
  tag = -1;
  /** Where the element begins, its content begins, and both end. */
  start = 0;
  content = 0;
  end = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Moves to the element at a place; it must end before `limit`. */
  read(at: number, limit: number): this {
    const { bytes } = this;
    if (at + 2 > limit) throw new DerError('an element is missing');
    const tag = bytes[at] ?? 0;
    // Tags of several bytes stand in none of the structures that are read here.
    if ((tag & 0x1f) === 0x1f) throw new DerError('a tag is not known');
    let length = bytes[at + 1] ?? 0;
    let content = at + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4 || content + count > limit) throw new DerError('a length cannot be read');
      length = bytes.readUIntBE(content, count);
      content += count;
      if (length < 0x80 || length < 2 ** (8 * (count - 1)))
        throw new DerError('a length is not written as DER wants it');
    }
    if (content + length > limit) throw new DerError('an element is longer than what holds it');
    this.tag = tag;
    this.start = at;
    this.content = content;
    this.end = content + length;
    return this;
  }

  /** The same, for an element that must be of one kind. */
  expect(tag: number, at: number, limit: number): this {
    this.read(at, limit);
    if (this.tag !== tag) throw new DerError('an element is of another kind');
    return this;
  }

  /** The element with its header. */
  get whole(): Buffer {
    return this.bytes.subarray(this.start, this.end);
  }

  get inside(): Buffer {
    return this.bytes.subarray(this.content, this.end);
  }
}

/** The elements inside bytes, one after the other, each with its header. */
export function elementsOf(
  content: Buffer,
): readonly { readonly tag: number; readonly whole: Buffer; readonly inside: Buffer }[] {
  const found: { tag: number; whole: Buffer; inside: Buffer }[] = [];
  const cursor = new DerCursor(content);
  for (let at = 0; at < content.length; at = cursor.end) {
    const { tag, whole, inside } = cursor.read(at, content.length);
    found.push({ tag, whole, inside });
  }
  return found;
}

/** An object identifier with dots. */
export function oidText(content: Buffer): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    if (parts.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      parts.push(first, value - first * 40);
    } else parts.push(value);
    value = 0;
  }
  return parts.join('.');
}

/** A UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 writes it, in milliseconds since the epoch. */
export function timeOf(tag: number, content: Buffer): number {
  const text = content.toString('latin1');
  const form = tag === tags.utcTime ? /^\d{12}Z$/ : /^\d{14}Z$/;
  if ((tag !== tags.utcTime && tag !== tags.generalizedTime) || !form.test(text))
    throw new DerError('a date cannot be read');
  // Years of two digits are those from 1950 to 2049.
  const whole = tag === tags.generalizedTime ? text : `${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}`;
  const [, year, month, day, hour, minute, second] = /^(....)(..)(..)(..)(..)(..)Z$/.exec(whole) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(time)) throw new DerError('a date cannot be read');
  return time;
}

/** How many bytes at the front of an integer say nothing: without them two spellings of a number are one. */
export function idleBytes(bytes: Buffer, start: number, end: number): number {
  let at = start;
  for (; at + 1 < end; at++) {
    const [byte = 0, next = 0] = [bytes[at], bytes[at + 1]];
    if (!(byte === 0 && next < 0x80) && !(byte === 0xff && next >= 0x80)) break;
  }
  return at - start;
}

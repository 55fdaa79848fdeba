/** Lays out DER (X.690 §10), for requests and bundles: each function gives one element. */

/** An element with its header. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), ...contents]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const short = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | short.length]), short, ...contents]);
}

/** SEQUENCE. */
export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(0x30, ...contents);

/** SET, of one element or of elements in their order already. */
export const set = (...contents: readonly Uint8Array[]): Buffer => element(0x31, ...contents);

/** OCTET STRING. */
export const octets = (content: Uint8Array): Buffer => element(0x04, content);

/** BIT STRING without idle bits at its end. */
export const bits = (content: Uint8Array): Buffer => element(0x03, Buffer.from([0]), content);

/** `[number]`, constructed, around elements. */
export const tagged = (number: number, ...contents: readonly Uint8Array[]): Buffer =>
  element(0xa0 + number, ...contents);

/** INTEGER that is not negative. */
export function integer(value: number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return element(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

/** OBJECT IDENTIFIER. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((value) => {
    const groups = [value & 0x7f];
    for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return element(0x06, Buffer.from(bytes));
}

/** NULL. */
export const nothing = element(0x05);

/** UTF8String. */
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'));

/** BMPString. */
export const bmp = (text: string): Buffer => element(0x1e, Buffer.from(text, 'utf16le').swap16());

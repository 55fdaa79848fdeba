/**
 * The first message of a TLS client, read without answering it: for which host it comes. Pure; whoever reads a socket gives the
 * bytes that have come so far. A hello may come in many pieces, and in several records (RFC 8446 §5.1).
 */

/** What the first bytes of a connection are. */
export type ClientHello =
  /** Nothing can be said before there are so many bytes. */
  | { readonly kind: 'incomplete'; readonly needs: number }
  /** The name is in lower case and without a trailing dot; undefined where the client names none. */
  | { readonly kind: 'complete'; readonly servername: string | undefined }
  | { readonly kind: 'refused'; readonly detail: string };

/** The longest hello that is read, its records' headers not counted: with post-quantum keys one takes about 2 KiB. */
const maxLength = 16_384;
const recordHeader = 5;
const messageHeader = 4;
/** Records of no content, or of a byte each, would make the headers larger than what they hold. */
const maxRecords = 64;

/** The most bytes that are ever looked at before a hello is refused. */
export const maxHelloBytes: number = maxLength + messageHeader + maxRecords * recordHeader;

/** Reads a hello at the beginning of a connection. Bytes that can begin none are refused as soon as they show it. */
export function readClientHello(bytes: Buffer): ClientHello {
  const pieces: Buffer[] = [];
  let [at, found] = [0, 0];
  for (let records = 0; ; records += 1) {
    if (bytes[at] !== undefined && bytes[at] !== 22)
      return refused(at === 0 ? notTls(bytes) : 'another message stands in it');
    if (bytes.length < at + recordHeader) return { kind: 'incomplete', needs: at + recordHeader };
    if (bytes[at + 1] !== 3) return refused('it is no version of TLS');
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > maxLength) return refused('a record in it has a length that TLS does not have');
    const end = at + recordHeader + length;
    pieces.push(bytes.subarray(at + recordHeader, Math.min(end, bytes.length)));
    found += Math.min(end, bytes.length) - at - recordHeader;
    const message = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    const reading = readMessage(message ?? Buffer.alloc(0));
    if (reading.kind !== 'incomplete') return reading;
    if (bytes.length < end) return { kind: 'incomplete', needs: Math.min(end, bytes.length + reading.needs - found) };
    if (records >= maxRecords) return refused(`it comes in more than ${maxRecords} records`);
    at = end;
  }
}

function readMessage(message: Buffer): ClientHello {
  if (message.length > 0 && message[0] !== 1) return refused('it does not begin with a ClientHello');
  if (message.length < messageHeader) return { kind: 'incomplete', needs: messageHeader };
  const length = message.readUIntBE(1, 3);
  if (length > maxLength) return refused(`it is longer than ${maxLength} bytes`);
  if (message.length < messageHeader + length) return { kind: 'incomplete', needs: messageHeader + length };
  try {
    return { kind: 'complete', servername: servernameIn(message.subarray(messageHeader, messageHeader + length)) };
  } catch {
    return refused('its fields do not fit into it');
  }
}

/** Reads fields one after another; a field that goes beyond the end throws. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(size: 1 | 2): number {
    return this.take(size).readUIntBE(0, size);
  }

  take(size: number): Buffer {
    const end = this.#at + size;
    if (end > this.#bytes.length) throw new RangeError('beyond the end');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

/** RFC 8446 §4.1.2, and RFC 6066 §3 for the name. */
function servernameIn(hello: Buffer): string | undefined {
  const fields = new Fields(hello);
  fields.take(2 + 32);
  fields.take(fields.number(1));
  fields.take(fields.number(2));
  fields.take(fields.number(1));
  if (fields.isAtEnd) return undefined;
  const extensions = new Fields(fields.take(fields.number(2)));
  let servername: string | undefined;
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const content = extensions.take(extensions.number(2));
    if (type !== 0) continue;
    // OpenSSL would take one of them, and who reads the other has another host.
    if (servername !== undefined) throw new RangeError('two names');
    const list = new Fields(content.subarray(2));
    if (list.number(1) !== 0) throw new RangeError('no host name');
    servername = list.take(list.number(2)).toString('latin1').toLowerCase().replace(/\.$/, '');
    if (!list.isAtEnd) throw new RangeError('two names');
  }
  return servername;
}

function notTls(bytes: Buffer): string {
  return /^[A-Z]{3,}(?: |$)/.test(bytes.toString('latin1', 0, 16))
    ? 'it is plain HTTP, and the address takes TLS only'
    : 'it does not begin with a TLS record';
}

function refused(detail: string): ClientHello {
  return { kind: 'refused', detail };
}

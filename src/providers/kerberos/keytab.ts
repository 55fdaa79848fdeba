/** Reads keytabs (MIT's format 0x0502): whose keys are in one and of what kind. The keys themselves stay unknown. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OperatorError } from '../../core/errors.ts';

/** One key. */
export interface KeytabEntry {
  /** Such as `HTTP/cc.example.com@EXAMPLE.COM`. */
  readonly principal: string;
  /** The number of an encryption type (RFC 3961 §8). */
  readonly enctype: number;
  readonly kvno: number;
  /** When it was written, in milliseconds since the epoch; 0 when the file does not say. */
  readonly writtenAt: number;
  /** Two entries with the same key have the same fingerprint; the key cannot be found from it. */
  readonly fingerprint: string;
}

/** Reads a keytab. Throws an OperatorError when the file cannot be read or is none. */
export function readKeytab(path: string): KeytabEntry[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return parseKeytab(bytes);
  } catch (error) {
    if (!(error instanceof KeytabError)) throw error;
    throw new OperatorError(
      `the keytab ${path} cannot be read: ${error.message}`,
      'export it again with ktadd, ktpass or msktutil',
      error,
    );
  } finally {
    bytes.fill(0);
  }
}

/** What is wrong with the bytes of a keytab. */
export class KeytabError extends Error {}

/** Reads the bytes of a keytab. Throws a KeytabError. */
export function parseKeytab(bytes: Buffer): KeytabEntry[] {
  if (bytes.length < 2) throw new KeytabError('it is empty');
  if (bytes.readUInt16BE(0) === 0x0501)
    throw new KeytabError('it is of version 1, which depends on the machine that wrote it');
  if (bytes.readUInt16BE(0) !== 0x0502) throw new KeytabError('it is not a keytab');
  const entries: KeytabEntry[] = [];
  const file = new Reader(bytes, 2);
  while (!file.isAtEnd) {
    const size = file.int32();
    // A hole: the negated length of an entry that was deleted. A zero ends some writers' files.
    if (size < 0) file.skip(-size);
    else if (size > 0) entries.push(readEntry(file.part(size)));
    else break;
  }
  return entries;
}

function readEntry(entry: Reader): KeytabEntry {
  const count = entry.uint16();
  const realm = entry.counted().toString('utf8');
  const components = Array.from({ length: count }, () => entry.counted().toString('utf8'));
  entry.skip(4); // the type of the name
  const writtenAt = entry.uint32() * 1000;
  const shortKvno = entry.uint8();
  const enctype = entry.uint16();
  const fingerprint = createHash('sha256').update(`${enctype}:`).update(entry.counted()).digest('hex');
  // The last four bytes are there since kvnos passed 255; a zero says nothing.
  const longKvno = entry.remaining >= 4 ? entry.uint32() : 0;
  return {
    principal: `${components.join('/')}@${realm}`,
    enctype,
    kvno: longKvno || shortKvno,
    writtenAt,
    fingerprint,
  };
}

/** Reads big-endian numbers and counted strings, and never past the end. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  get isAtEnd(): boolean {
    return this.remaining === 0;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  counted(): Buffer {
    const length = this.uint16();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  part(length: number): Reader {
    const at = this.#take(length);
    return new Reader(this.#bytes.subarray(at, at + length));
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    if (length > this.remaining) throw new KeytabError('it ends in the middle of an entry');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

const enctypeNames: Readonly<Record<number, string>> = {
  1: 'des-cbc-crc',
  2: 'des-cbc-md4',
  3: 'des-cbc-md5',
  16: 'des3-cbc-sha1',
  17: 'aes128-cts-hmac-sha1-96',
  18: 'aes256-cts-hmac-sha1-96',
  19: 'aes128-cts-hmac-sha256-128',
  20: 'aes256-cts-hmac-sha384-192',
  23: 'arcfour-hmac',
  24: 'arcfour-hmac-exp',
  25: 'camellia128-cts-cmac',
  26: 'camellia256-cts-cmac',
};

/** An encryption type as klist writes it. */
export function enctypeName(enctype: number): string {
  return enctypeNames[enctype] ?? `enctype ${enctype}`;
}

/** Whether an encryption type is broken or deprecated (RFC 6649, RFC 8429). */
export function isWeak(enctype: number): boolean {
  return /^(?:des|arcfour)/.test(enctypeName(enctype));
}

function unreadable(path: string, cause: unknown): OperatorError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  if (code === 'ENOENT') {
    return new OperatorError(
      `the keytab ${path} does not exist`,
      'export it on the KDC or domain controller and copy it here',
      cause,
    );
  }
  if (code === 'EACCES') {
    const hint = `chown it to the user that runs the gateway, and chmod 600 ${path}`;
    return new OperatorError(`the keytab ${path} may not be read by this user`, hint, cause);
  }
  return new OperatorError(`the keytab ${path} cannot be read (${code})`, 'name a file that this user may read', cause);
}

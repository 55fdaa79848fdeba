/**
 * Certificate revocation lists (RFC 5280 §5) out of a file: PEM or DER, walked in pieces so that requests go on meanwhile. Whose
 * they are, and whether they still hold, is for revocation.ts.
 */
import { open } from 'node:fs/promises';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { OperatorError } from '../core/errors.ts';
import { extensionsOf, nameWords } from './certificate-parts.ts';
import { DerCursor, DerError, elementsOf, idleBytes, tags, timeOf } from './der.ts';
import { type Signed, signatureAlgorithm } from './list-signature.ts';
import { crlBlocks } from './pem-blocks.ts';
import { longestSerial, SerialSet } from './serial-set.ts';

/** One list. */
export interface RevocationList {
  /** The authority's name as it is encoded, and in words. */
  readonly issuer: Buffer;
  readonly issuerWords: string;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  readonly serials: SerialSet;
  /** Why the list does not name all that its authority has revoked: a certificate that is not in it may be revoked all the same. */
  readonly partial: string | undefined;
  readonly signed: Signed;
}

const maxBytes = 64 * 1024 * 1024;
const maxEntries = 1_000_000;
/** Some milliseconds' worth. */
const each = 10_000;

const oids = { deltaIndicator: '2.5.29.27', issuingPoint: '2.5.29.28' };
/** Critical extensions that are understood. */
const understood: ReadonlySet<string> = new Set([...Object.values(oids), '2.5.29.20', '2.5.29.35']);

/** Reads all lists of a file; throws an OperatorError that names it and what is wrong. */
export async function readRevocationLists(file: string): Promise<readonly RevocationList[]> {
  const bytes = await readBounded(file);
  const isDer = bytes[0] === tags.sequence;
  const encoded = isDer ? [bytes] : await crlBlocks(bytes, file);
  const lists: RevocationList[] = [];
  for (const der of encoded) {
    try {
      lists.push(await readList(der, file));
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      throw new OperatorError(
        isCutOff(der) ? `the file ${file} is cut off` : `the file ${file} is no revocation list: ${error.message}`,
        'fetch it again from the authority, whole; the one before goes on where there is one',
        error,
      );
    }
  }
  return lists;
}

async function readBounded(file: string): Promise<Buffer> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      // In PEM three bytes take four, and each line its end.
      if (size > maxBytes * 1.4) throw tooLarge(file);
      const bytes = await handle.readFile();
      if (bytes.length > 0) return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    const words: Readonly<Record<string, string>> = {
      ENOENT: 'does not exist',
      EACCES: 'may not be read by this user',
      EISDIR: 'is a folder; name the list itself',
    };
    const why = words[code] ?? `cannot be read (${code})`;
    throw new OperatorError(`the file ${file} ${why}`, 'check the path and its permissions', error);
  }
  throw new OperatorError(
    `the file ${file} has 0 bytes: a list that revokes nothing has some, too`,
    'fetch it again from the authority',
  );
}

function tooLarge(file: string): OperatorError {
  return new OperatorError(
    `the file ${file} is larger than ${maxBytes / 1024 / 1024} MiB`,
    'have the authority leave expired certificates out, or publish several lists',
  );
}

/** The outermost element says how long the whole is. */
function isCutOff(der: Buffer): boolean {
  const count = (der[1] ?? 0) & 0x7f;
  if (der[0] !== tags.sequence || (der[1] ?? 0) < 0x80 || count === 0 || count > 4) return false;
  return der.length < 2 + count || der.readUIntBE(2, count) > der.length - 2 - count;
}

async function readList(der: Buffer, file: string): Promise<RevocationList> {
  if (der.length > maxBytes) throw tooLarge(file);
  const outer = new DerCursor(der).expect(tags.sequence, 0, der.length);
  if (outer.end !== der.length) throw new DerError('something follows it');
  const [content, algorithm, bits, ...more] = elementsOf(outer.inside);
  if (
    content?.tag !== tags.sequence ||
    algorithm?.tag !== tags.sequence ||
    bits?.tag !== tags.bitString ||
    more.length > 0
  )
    throw new DerError('it has other parts');
  if (bits.inside[0] !== 0) throw new DerError('its signature cannot be read');
  const fields = [...elementsOf(content.inside)];
  const take = (...kinds: readonly number[]) => (kinds.includes(fields[0]?.tag ?? -1) ? fields.shift() : undefined);
  const need = (...kinds: readonly number[]) => {
    const found = take(...kinds);
    if (!found) throw new DerError('a part of it is missing');
    return found;
  };
  if (fields[0]?.tag === 0xa0)
    throw new OperatorError(`the file ${file} is a certificate, no revocation list`, 'name the list of the authority');
  take(tags.integer);
  if (!need(tags.sequence).whole.equals(algorithm.whole)) throw new DerError('it names two algorithms');
  const reading = signatureAlgorithm(algorithm.whole);
  if (reading.kind === 'refused')
    throw new OperatorError(
      `the list in ${file} is signed by ${reading.name}, which is not taken`,
      'have the authority sign with SHA-256 or more',
    );
  const issuer = need(tags.sequence).whole;
  const thisUpdate = dateOf(need(tags.utcTime, tags.generalizedTime));
  const next = take(tags.utcTime, tags.generalizedTime);
  const entries = take(tags.sequence);
  const extensions = take(0xa0);
  if (fields.length > 0) throw new DerError('it has other parts');
  return {
    // A copy, as the file's bytes are let go of once the signature is verified.
    issuer: Buffer.from(issuer),
    issuerWords: nameWords(issuer),
    thisUpdate,
    nextUpdate: next && dateOf(next),
    partial: extensions && whyPartial(extensions.inside, file),
    serials: await serialsIn(entries?.inside ?? Buffer.alloc(0), file),
    signed: { algorithm: reading.algorithm, content: content.whole, signature: bits.inside.subarray(1) },
  };
}

function dateOf({ tag, inside }: { readonly tag: number; readonly inside: Buffer }): number {
  return timeOf(tag, inside);
}

/** Extensions that make a list speak of some certificates only. What is not understood and critical counts as such. */
function whyPartial(bytes: Buffer, file: string): string | undefined {
  for (const { oid, isCritical, value } of extensionsOf(bytes)) {
    if (oid === oids.deltaIndicator) return 'it is a delta, which names what has changed since another list';
    if (oid === oids.issuingPoint) {
      const words = scopeOf(value, file);
      if (words !== undefined) return words;
    } else if (isCritical && !understood.has(oid)) return `it has a critical extension that is not known: ${oid}`;
  }
  return undefined;
}

/** IssuingDistributionPoint, RFC 5280 §5.2.5. */
function scopeOf(value: Buffer, file: string): string | undefined {
  const flags = elementsOf(new DerCursor(value).expect(tags.sequence, 0, value.length).inside).map(({ tag }) => tag);
  if (flags.includes(0x84))
    throw new OperatorError(
      `the list in ${file} is an indirect one, which names certificates of several authorities`,
      'fetch the list of each authority',
    );
  if (flags.includes(0x83) || flags.includes(0xa3))
    return 'it names certificates that are revoked for some reasons only';
  if (flags.includes(0x82)) return 'it names certificates of authorities only';
  if (flags.includes(0x85)) return 'it names attribute certificates only';
  return undefined;
}

/** `SEQUENCE OF SEQUENCE { serial INTEGER, date Time, extensions OPTIONAL }`: each must be whole, and only the serial counts. */
async function serialsIn(bytes: Buffer, file: string): Promise<SerialSet> {
  const serials = new SerialSet();
  const entry = new DerCursor(bytes);
  const field = new DerCursor(bytes);
  for (let at = 0; at < bytes.length; at = entry.end) {
    entry.expect(tags.sequence, at, bytes.length);
    field.expect(tags.integer, entry.content, entry.end);
    const start = field.content + idleBytes(bytes, field.content, field.end);
    const end = field.end;
    if (end - start > longestSerial || end === start) throw new DerError('a serial has an impossible length');
    serials.add(bytes, start, end);
    field.read(end, entry.end);
    if (field.tag !== tags.utcTime && field.tag !== tags.generalizedTime) throw new DerError('a date is missing');
    if (field.end < entry.end && field.expect(tags.sequence, field.end, entry.end).end !== entry.end)
      throw new DerError('an entry has other parts');
    if (serials.count > maxEntries)
      throw new OperatorError(
        `the list in ${file} has more than ${maxEntries} entries`,
        'have the authority leave expired certificates out, or publish several lists',
      );
    if (serials.count % each === 0) await yieldToOthers();
  }
  for (const _ of serials.seal(each)) await yieldToOthers();
  return serials;
}

/** What node:crypto does not give of a certificate: its names and its serial as they are encoded, and what its key may sign. */
import type { X509Certificate } from 'node:crypto';
import { DerCursor, elementsOf, idleBytes, oidText, tags } from './der.ts';

/** Parts of a certificate, each as its bytes. */
interface CertificateParts {
  readonly serial: Buffer;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** The SubjectPublicKeyInfo. */
  readonly key: Buffer;
  /** Whether the key may sign revocation lists; one that says nothing of its use may. */
  readonly signsLists: boolean;
}

const kept = new WeakMap<X509Certificate, CertificateParts>();
const keyUsageOid = '2.5.29.15';
const keyUsageCrlSign = 0x02;

/** Reads them; the certificate has been parsed by OpenSSL already. */
export function certificateParts(certificate: X509Certificate): CertificateParts {
  const known = kept.get(certificate);
  if (known) return known;
  const { raw } = certificate;
  const cursor = new DerCursor(raw).expect(tags.sequence, 0, raw.length);
  const body = elementsOf(cursor.expect(tags.sequence, cursor.content, cursor.end).inside);
  // [0] is the version; serial, algorithm, issuer, validity, subject and key follow one another (RFC 5280 §4.1).
  const fields = body[0]?.tag === 0xa0 ? body.slice(1) : body;
  const [serial, , issuer, , subject, key] = fields;
  const empty = Buffer.alloc(0);
  const number = serial?.inside ?? empty;
  const parts = {
    serial: number.subarray(idleBytes(number, 0, number.length)),
    issuer: issuer?.whole ?? empty,
    subject: subject?.whole ?? empty,
    key: key?.whole ?? empty,
    signsLists: maySignLists(fields.find(({ tag }) => tag === 0xa3)?.inside),
  };
  kept.set(certificate, parts);
  return parts;
}

function maySignLists(extensions: Buffer | undefined): boolean {
  const usage = extensions && extensionsOf(extensions).find(({ oid }) => oid === keyUsageOid);
  if (!usage) return true;
  const bits = new DerCursor(usage.value).expect(tags.bitString, 0, usage.value.length).inside;
  // The first byte counts the bits that are not used.
  return ((bits[1] ?? 0) & keyUsageCrlSign) !== 0;
}

/** One extension of a certificate or a revocation list. */
interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  /** What its OCTET STRING holds. */
  readonly value: Buffer;
}

/** The extensions inside `Extensions ::= SEQUENCE OF Extension`. */
export function extensionsOf(bytes: Buffer): readonly Extension[] {
  const list = new DerCursor(bytes).expect(tags.sequence, 0, bytes.length).inside;
  return elementsOf(list).map(({ inside }) => {
    const parts = elementsOf(inside);
    return {
      oid: oidText(parts[0]?.inside ?? Buffer.alloc(0)),
      isCritical: parts.length > 2 && (parts[1]?.inside[0] ?? 0) !== 0,
      value: parts.at(-1)?.inside ?? Buffer.alloc(0),
    };
  });
}

const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.25': 'DC',
};
const bmpString = 0x1e;

/** A distinguished name for people, the common name first, as other reports write it. */
export function nameWords(name: Buffer): string {
  const sets = elementsOf(new DerCursor(name).expect(tags.sequence, 0, name.length).inside);
  const words = sets.flatMap(({ inside }) =>
    elementsOf(inside).map((pair) => {
      const [type, value] = elementsOf(pair.inside);
      const oid = oidText(type?.inside ?? Buffer.alloc(0));
      const text = value?.inside ?? Buffer.alloc(0);
      const isWide = value?.tag === bmpString && text.length % 2 === 0;
      return `${shortNames[oid] ?? oid}=${isWide ? Buffer.from(text).swap16().toString('utf16le') : text.toString('utf8')}`;
    }),
  );
  return words.reverse().join(', ');
}

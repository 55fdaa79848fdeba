/**
 * Writes PKCS#12 (RFC 7292) that Windows, Java, openssl and our own reader open: AES-256 and SHA-256 throughout, nothing of the
 * RC2 and 3DES of old.
 */
import {
  createCipheriv,
  createHash,
  createHmac,
  hash,
  type KeyObject,
  pbkdf2Sync,
  randomBytes,
  type X509Certificate,
} from 'node:crypto';
import type { Secret } from '../core/secret.ts';
import { bmp, integer, nothing, octets, oid, sequence, set, tagged } from './der-writer.ts';

/** What goes into a bundle. */
interface BundleContent {
  /** The owner's own first. */
  readonly certificates: readonly X509Certificate[];
  /** Absent where no key leaves. */
  readonly key?: KeyObject;
  /** Shown by Windows and Java. */
  readonly name: string;
}

const oids = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  /** Java takes a certificate without a key for trusted where it carries this, and for nothing else. */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
  anyPurpose: '2.5.29.37.0',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacSha256: '1.2.840.113549.2.9',
  aes256: '2.16.840.1.101.3.4.1.42',
  sha256: '2.16.840.1.101.3.4.2.1',
};
/** More would take readers written in script seconds; a password of the prompt has a rule of its own. */
const rounds = 50_000;

/** A bundle in DER. */
export function writeBundle({ certificates, key, name }: BundleContent, password: Secret): Buffer {
  const id = createHash('sha1')
    .update(certificates[0]?.raw ?? '')
    .digest();
  const ownMarks = [attribute(oids.friendlyName, bmp(name)), attribute(oids.localKeyId, octets(id))];
  const bags = certificates.map((certificate, index) =>
    sequence(
      oid(oids.certificateBag),
      tagged(0, sequence(oid(oids.x509Certificate), tagged(0, octets(certificate.raw)))),
      ...(key ? marksOf(index === 0 ? ownMarks : []) : marksOf(trustMarks(index === 0 ? name : `${name}-${index}`))),
    ),
  );
  const parts = [encryptedData(sequence(...bags), password)];
  if (key) {
    const plain = key.export({ type: 'pkcs8', format: 'der' });
    const { algorithm, encrypted } = encrypt(plain, password);
    const bag = sequence(
      oid(oids.shroudedKeyBag),
      tagged(0, sequence(algorithm, octets(encrypted))),
      ...marksOf(ownMarks),
    );
    parts.push(sequence(oid(oids.data), tagged(0, octets(sequence(bag)))));
  }
  const content = sequence(...parts);
  const salt = randomBytes(16);
  const mac = createHmac('sha256', macKey(password, salt)).update(content).digest();
  return sequence(
    integer(3),
    sequence(oid(oids.data), tagged(0, octets(content))),
    sequence(sequence(sequence(oid(oids.sha256), nothing), octets(mac)), octets(salt), integer(rounds)),
  );
}

function attribute(id: string, value: Buffer): Buffer {
  return sequence(oid(id), set(value));
}

function trustMarks(name: string): Buffer[] {
  return [attribute(oids.friendlyName, bmp(name)), attribute(oids.trustedKeyUsage, oid(oids.anyPurpose))];
}

function marksOf(attributes: readonly Buffer[]): Buffer[] {
  // DER wants the elements of a set in order.
  return attributes.length === 0 ? [] : [set(...attributes.toSorted(Buffer.compare))];
}

function encryptedData(content: Buffer, password: Secret): Buffer {
  const { algorithm, encrypted } = encrypt(content, password);
  const inner = sequence(oid(oids.data), algorithm, primitive(encrypted));
  return sequence(oid(oids.encryptedData), tagged(0, sequence(integer(0), inner)));
}

/** `[0] IMPLICIT OCTET STRING`. */
function primitive(content: Buffer): Buffer {
  const whole = octets(content);
  whole[0] = 0x80;
  return whole;
}

/** PBES2 of RFC 8018 §6.2. */
function encrypt(content: Buffer, password: Secret): { readonly algorithm: Buffer; readonly encrypted: Buffer } {
  const salt = randomBytes(16);
  const vector = randomBytes(16);
  const derived = pbkdf2Sync(Buffer.from(password.reveal(), 'utf8'), salt, rounds, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', derived, vector);
  const derivation = sequence(octets(salt), integer(rounds), sequence(oid(oids.hmacSha256), nothing));
  return {
    algorithm: sequence(
      oid(oids.pbes2),
      sequence(sequence(oid(oids.pbkdf2), derivation), sequence(oid(oids.aes256), octets(vector))),
    ),
    encrypted: Buffer.concat([cipher.update(content), cipher.final()]),
  };
}

/** RFC 7292, appendix B.2, for a key of one digest's length: the password in UTF-16 with an end, the salt, each filled to 64 bytes. */
function macKey(password: Secret, salt: Buffer): Buffer {
  const text = Buffer.concat([Buffer.from(password.reveal(), 'utf16le').swap16(), Buffer.alloc(2)]);
  let digest = hash('sha256', Buffer.concat([Buffer.alloc(64, 3), filled(salt), filled(text)]), 'buffer');
  for (let round = 1; round < rounds; round++) digest = hash('sha256', digest, 'buffer');
  return digest;
}

function filled(bytes: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / 64) * 64, bytes);
}

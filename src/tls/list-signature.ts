/** Whether an authority has signed a revocation list: the algorithms that count, checked off the thread that serves. */
import { constants, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto';
import { DerCursor, elementsOf, oidText, tags } from './der.ts';

interface Algorithm {
  /** Null where the key says it. */
  readonly hash: string | null;
  readonly isPss?: true;
  readonly type: 'rsa' | 'ec' | 'ed';
}

/** How a list is signed, or the name of a way that is not taken. */
type SignatureReading =
  | { readonly kind: 'known'; readonly algorithm: Algorithm }
  | { readonly kind: 'refused'; readonly name: string };

const known: Readonly<Record<string, Algorithm>> = {
  '1.2.840.113549.1.1.11': { hash: 'sha256', type: 'rsa' },
  '1.2.840.113549.1.1.12': { hash: 'sha384', type: 'rsa' },
  '1.2.840.113549.1.1.13': { hash: 'sha512', type: 'rsa' },
  '1.2.840.10045.4.3.2': { hash: 'sha256', type: 'ec' },
  '1.2.840.10045.4.3.3': { hash: 'sha384', type: 'ec' },
  '1.2.840.10045.4.3.4': { hash: 'sha512', type: 'ec' },
  '1.3.101.112': { hash: null, type: 'ed' },
  '1.3.101.113': { hash: null, type: 'ed' },
};
const pssOid = '1.2.840.113549.1.1.10';
const pssHashes: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
/** Somebody can make two lists with one of these digests. */
const weak: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'MD5 with RSA',
  '1.2.840.113549.1.1.5': 'SHA-1 with RSA',
  '1.2.840.10045.4.1': 'SHA-1 with ECDSA',
  '1.2.840.10040.4.3': 'SHA-1 with DSA',
};

/** Reads an AlgorithmIdentifier, given whole. */
export function signatureAlgorithm(identifier: Buffer): SignatureReading {
  const [type, parameters] = elementsOf(new DerCursor(identifier).expect(tags.sequence, 0, identifier.length).inside);
  const oid = oidText(type?.inside ?? Buffer.alloc(0));
  const algorithm = oid === pssOid ? pssAlgorithm(parameters?.inside) : known[oid];
  return algorithm
    ? { kind: 'known', algorithm }
    : { kind: 'refused', name: weak[oid] ?? `an algorithm of the number ${oid}` };
}

/** RFC 4055 §3.1: without [0] the digest is SHA-1, which is not taken. */
function pssAlgorithm(parameters: Buffer | undefined): Algorithm | undefined {
  const digest = parameters && elementsOf(parameters).find(({ tag }) => tag === 0xa0)?.inside;
  const type = digest && elementsOf(new DerCursor(digest).expect(tags.sequence, 0, digest.length).inside)[0];
  const hash = type && pssHashes[oidText(type.inside)];
  return hash === undefined ? undefined : { hash, isPss: true, type: 'rsa' };
}

/** What is to be verified. */
export interface Signed {
  readonly algorithm: Algorithm;
  readonly content: Buffer;
  readonly signature: Buffer;
}

/** Verifies in the pool of threads; a key of another kind has not signed. */
export async function isSignedBy({ algorithm, content, signature }: Signed, key: KeyObject): Promise<boolean> {
  const input = inputFor(algorithm, key);
  if (!input) return false;
  return new Promise((resolve) => {
    verify(algorithm.hash, content, input, signature, (error, isGood) => resolve(error === null && isGood));
  });
}

function inputFor({ type, isPss }: Algorithm, key: KeyObject): VerifyKeyObjectInput | undefined {
  const isOfType = { rsa: /^rsa/, ec: /^ec$/, ed: /^ed/ }[type].test(key.asymmetricKeyType ?? '');
  if (!isOfType) return undefined;
  return isPss
    ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
    : { key };
}

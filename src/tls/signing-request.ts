/** Requests for certificates (PKCS#10, RFC 2986): a key, and what an authority is asked to put into the certificate. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { ipv6Groups } from '../core/address.ts';
import { bits, element, integer, nothing, octets, oid, sequence, set, tagged, utf8 } from './der-writer.ts';
import { purposeOid, type TlsSide } from './purpose.ts';

/** The kinds of keys that are made. */
export const keyTypes = ['ec256', 'ec384', 'rsa3072'] as const;

/** One of them. */
export type KeyType = (typeof keyTypes)[number];

/** What is asked for. */
interface RequestTerms {
  /** DNS names; the first is the Common Name too, for authorities that look for one. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly uses: readonly TlsSide[];
}

const oids = {
  commonName: '2.5.4.3',
  extensionRequest: '1.2.840.113549.1.9.14',
  keyUsage: '2.5.29.15',
  alternativeName: '2.5.29.17',
  extendedKeyUsage: '2.5.29.37',
};
/** The longest Common Name of RFC 5280, appendix A.1. */
const longestCommonName = 64;

/** Makes a key. */
export function makeKey(type: KeyType): KeyObject {
  switch (type) {
    case 'ec256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'ec384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'rsa3072':
      return generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
  }
}

/** A request in DER, signed by the key that it is for. */
export function signingRequest(key: KeyObject, { names, addresses, uses }: RequestTerms): Buffer {
  const algorithm = signatureOf(key);
  const [commonName = ''] = names;
  // A name that is too long for it stands under subjectAltName alone.
  const subject = commonName.length > longestCommonName ? [] : [set(sequence(oid(oids.commonName), utf8(commonName)))];
  const extensions = sequence(
    extension(oids.keyUsage, keyUsageOf(key), true),
    extension(oids.extendedKeyUsage, sequence(...uses.map((use) => oid(purposeOid(use)))), false),
    extension(
      oids.alternativeName,
      sequence(...names.map(dnsName), ...addresses.map(addressName)),
      subject.length === 0,
    ),
  );
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const content = sequence(
    integer(0),
    sequence(...subject),
    publicKey,
    tagged(0, sequence(oid(oids.extensionRequest), set(extensions))),
  );
  return sequence(content, algorithm.identifier, bits(sign(algorithm.hash, content, key)));
}

/** DER in PEM, in lines of 64. */
export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function signatureOf(key: KeyObject): { readonly hash: string | null; readonly identifier: Buffer } {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
        ? { hash: 'sha256', identifier: sequence(oid('1.2.840.10045.4.3.2')) }
        : { hash: 'sha384', identifier: sequence(oid('1.2.840.10045.4.3.3')) };
    case 'ed25519':
      return { hash: null, identifier: sequence(oid('1.3.101.112')) };
    default:
      return { hash: 'sha256', identifier: sequence(oid('1.2.840.113549.1.1.11'), nothing) };
  }
}

/** digitalSignature, and for RSA keyEncipherment, which TLS 1.2 of old clients takes. */
function keyUsageOf(key: KeyObject): Buffer {
  return key.asymmetricKeyType === 'rsa' ? Buffer.from('030205a0', 'hex') : Buffer.from('03020780', 'hex');
}

function extension(id: string, value: Buffer, isCritical: boolean): Buffer {
  return sequence(oid(id), ...(isCritical ? [Buffer.from('0101ff', 'hex')] : []), octets(value));
}

function dnsName(name: string): Buffer {
  return element(0x82, Buffer.from(name, 'latin1'));
}

function addressName(address: string): Buffer {
  const bytes = isIPv4(address)
    ? address.split('.').map(Number)
    : ipv6Groups(address).flatMap((group) => [group >> 8, group & 0xff]);
  return element(0x87, Buffer.from(bytes));
}

/** Reads a certificate and its key out of PKCS#12, the `.p12` and `.pfx` of Windows and Java, old ciphers included. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { OperatorError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';

type Forge = typeof import('node-forge');
type Bag = import('node-forge').pkcs12.Bag;

const load = createRequire(import.meta.url);

/** What a bundle holds, in the order of the file. */
interface Pkcs12Content {
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}

/**
 * Opens a bundle. Throws an OperatorError; `source` names the file in it.
 *
 * OpenSSL 3 refuses the RC2 and 3DES of bundles from older Windows and Java, and cannot list what is inside; node-forge
 * opens both kinds. Keys that it cannot name (elliptic curves) come out as ASN.1 all the same, and Node reads that.
 */
export function readPkcs12(bytes: Buffer, password: Secret | undefined, source: string): Pkcs12Content {
  // Loaded here: few configurations name a bundle, and the library is large.
  const forge: Forge = load('node-forge');
  const bundle = open(forge, bytes, password, source);
  const { oids } = forge.pki;
  const bags = (type: string | undefined): Bag[] =>
    type === undefined ? [] : (bundle.getBags({ bagType: type })[type] ?? []);
  try {
    return {
      certificates: bags(oids.certBag).flatMap((bag) => certificateOf(forge, bag)),
      keys: [...bags(oids.pkcs8ShroudedKeyBag), ...bags(oids.keyBag)].flatMap((bag) => keyOf(forge, bag)),
    };
  } catch (error) {
    throw new OperatorError(`${source} holds a certificate or key that cannot be read`, convert(source), error);
  }
}

function open(forge: Forge, bytes: Buffer, password: Secret | undefined, source: string) {
  let structure: import('node-forge').asn1.Asn1;
  try {
    structure = forge.asn1.fromDer(forge.util.createBuffer(bytes.toString('latin1')));
  } catch (error) {
    throw new OperatorError(
      `${source} is no PKCS#12 bundle, or is cut off`,
      'name a .p12 or .pfx file; a certificate in PEM goes under certificate: and key:',
      error,
    );
  }
  try {
    return forge.pkcs12.pkcs12FromAsn1(structure, true, password?.reveal() ?? '');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/password|MAC|decrypt|too few bytes|unparsed/i.test(message))
      throw new OperatorError(
        password ? `the password of ${source} is wrong` : `${source} has a password, and none is configured`,
        'write it under password: as { env: NAME } or { file: PATH }',
        error,
      );
    throw new OperatorError(`${source} cannot be read as PKCS#12`, convert(source), error);
  }
}

function convert(source: string): string {
  const file = source.replace(/^the file /, '');
  return `convert it to PEM, and configure certificate: and key: openssl pkcs12 -in ${file} -nodes -out site.pem`;
}

function certificateOf({ asn1, pki }: Forge, { cert, asn1: raw }: Bag): X509Certificate[] {
  const content = cert ? pki.certificateToAsn1(cert) : raw;
  return content ? [new X509Certificate(Buffer.from(asn1.toDer(content).getBytes(), 'latin1'))] : [];
}

function keyOf({ asn1, pki }: Forge, { key, asn1: raw }: Bag): KeyObject[] {
  const content = key ? pki.privateKeyToAsn1(key) : raw;
  if (!content) return [];
  const der = Buffer.from(asn1.toDer(content).getBytes(), 'latin1');
  return [createPrivateKey({ key: der, format: 'der', type: key ? 'pkcs1' : 'pkcs8' })];
}

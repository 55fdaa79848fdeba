/** The certificates in a PKCS#7 file (`.p7b`, `.p7c`), in which authorities of Windows hand out a chain. */
import { X509Certificate } from 'node:crypto';
import { OperatorError } from '../core/errors.ts';
import { DerCursor, DerError, elementsOf, oidText, tags } from './der.ts';

const signedData = '1.2.840.113549.1.7.2';
const block = /-----BEGIN (PKCS7|CMS|CERTIFICATE)-----([\s\S]*?)-----END \1-----/;

/** The bytes of a PKCS#7 structure in DER or PEM; undefined for anything else. */
export function pkcs7Bytes(bytes: Buffer): Buffer | undefined {
  if (bytes[0] === tags.sequence) return isSignedData(bytes) ? bytes : undefined;
  const [, label, body = ''] = block.exec(bytes.toString('latin1')) ?? [];
  if (label === undefined) return undefined;
  const der = Buffer.from(body, 'base64');
  // An authority of Windows writes its chain under the label of a certificate.
  return label !== 'CERTIFICATE' || isSignedData(der) ? der : undefined;
}

function isSignedData(bytes: Buffer): boolean {
  try {
    const outer = new DerCursor(bytes).read(0, bytes.length);
    return oidText(outer.expect(tags.oid, outer.content, outer.end).inside) === signedData;
  } catch {
    return false;
  }
}

/** `ContentInfo { SignedData { version, digests, content, [0] certificates … } }`, RFC 2315 §9.1. The signature is nobody's here. */
export function pkcs7Certificates(bytes: Buffer, source: string): X509Certificate[] {
  try {
    const content = elementsOf(new DerCursor(bytes).expect(tags.sequence, 0, bytes.length).inside)[1]?.inside;
    const data = content && elementsOf(new DerCursor(content).expect(tags.sequence, 0, content.length).inside);
    const certificates = data?.find(({ tag }) => tag === 0xa0);
    return elementsOf(certificates?.inside ?? Buffer.alloc(0)).map(({ whole }) => new X509Certificate(whole));
  } catch (error) {
    throw new OperatorError(
      `${source} is a PKCS#7 file that cannot be read${error instanceof DerError ? `: ${error.message}` : ''}`,
      'convert it with: openssl pkcs7 -print_certs -in FILE -out chain.pem',
      error,
    );
  }
}

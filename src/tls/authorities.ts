/** Certificate authorities: reads PEM bundles and Java's trust stores, and says clearly why one cannot be used. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { OperatorError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { trustStoreCertificates, trustStoreKind } from './trust-store.ts';

/** Certificates that are trusted, in PEM and read. */
export interface Authorities {
  /** Where they come from, in an operator's words. */
  readonly source: string;
  readonly pem: readonly string[];
  readonly certificates: readonly X509Certificate[];
  /**
   * Each is trusted as it stands, also one that is no CA: so Java means it, and `keytool -import` of a server's full
   * chain keeps the server's own certificate only.
   */
  readonly trustsEach?: boolean;
}

const block = /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g;
const asPem = 'convert it with: openssl x509 -inform der -in FILE -out ca.pem';

/**
 * Reads a file of one or more certificates in PEM, or a trust store with its password. Throws an OperatorError that names the
 * file and what is wrong.
 */
export function readAuthorities(path: string, password?: Secret): Authorities {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (bytes.length === 0)
    throw new OperatorError(`the file ${path} is empty`, 'put the certificate of the CA in it, in PEM');
  if (trustStoreKind(bytes)) return storedAuthorities(bytes, password, `the file ${path}`);
  if (password)
    throw new OperatorError(
      `the file ${path} is no trust store, and needs no password`,
      'write ca: FILE for certificates in PEM',
    );
  // A DER certificate is one ASN.1 SEQUENCE with a length of two bytes; PEM begins with text.
  if (bytes[0] === 0x30 && bytes[1] === 0x82)
    throw new OperatorError(`the file ${path} is a certificate in DER, not PEM`, asPem);
  return parseAuthorities(bytes.toString('latin1'), `the file ${path}`);
}

function storedAuthorities(bytes: Buffer, password: Secret | undefined, source: string): Authorities {
  const certificates = trustStoreCertificates(bytes, password, source).map((content, index) => {
    try {
      return new X509Certificate(content);
    } catch (error) {
      throw new OperatorError(
        `certificate ${index + 1} of ${source} cannot be read`,
        'import it again with keytool',
        error,
      );
    }
  });
  return { source, pem: certificates.map(String), certificates, trustsEach: true };
}

/** Reads certificates out of PEM text; `source` names the text in errors. Text between the blocks is ignored. */
export function parseAuthorities(text: string, source: string): Authorities {
  if (/-----BEGIN PKCS7-----/.test(text)) {
    throw new OperatorError(
      `${source} is a PKCS#7 bundle`,
      'convert it with: openssl pkcs7 -print_certs -in FILE -out ca.pem',
    );
  }
  const pem = [...text.matchAll(block)].map(([certificate]) => certificate);
  const begun = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g)?.length ?? 0;
  if (begun === 0) {
    const found = text.match(/-----BEGIN ([A-Z0-9 ]+)-----/)?.[1];
    throw new OperatorError(
      `${source} holds no certificate${found ? `, but a ${found.toLowerCase()}` : ''}`,
      'it must hold one or more "-----BEGIN CERTIFICATE-----" blocks',
    );
  }
  if (begun !== pem.length)
    throw new OperatorError(`${source} is cut off: a certificate begins and does not end`, 'copy it again, whole');
  const certificates = pem.map((certificate, index) => {
    try {
      return new X509Certificate(certificate);
    } catch (error) {
      throw new OperatorError(`certificate ${index + 1} of ${source} cannot be read`, 'copy it again, whole', error);
    }
  });
  return { source, pem, certificates };
}

/** The CAs of the machine and those that come with Node; what holds where no bundle is configured. */
export function systemAuthorities(): readonly string[] {
  return [...new Set([...getCACertificates('bundled'), ...getCACertificates('system'), ...getCACertificates('extra')])];
}

let anchors: readonly X509Certificate[] | undefined;

/** The same, read; kept, as it takes some milliseconds. */
export function systemAnchors(): readonly X509Certificate[] {
  anchors ??= systemAuthorities().map((pem) => new X509Certificate(pem));
  return anchors;
}

function unreadable(path: string, error: unknown): OperatorError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'does not exist',
    EACCES: 'may not be read by this user',
    EISDIR: 'is a folder; name the bundle itself',
  };
  return new OperatorError(
    `the file ${path} ${why[code] ?? `cannot be read (${code})`}`,
    'check the path and its permissions',
    error,
  );
}

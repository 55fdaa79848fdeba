/** Who vouches for the certificates of clients: PEM, DER or a Java trust store. Every one must be an authority. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OperatorError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { type Authorities, readAuthorities } from './authorities.ts';

/** Reads them; throws an OperatorError that names the file and what is wrong. */
export function readClientAuthorities({
  file,
  password,
}: {
  readonly file: string;
  readonly password: Secret | undefined;
}): Authorities {
  const found = (password ? undefined : derIn(file)) ?? readAuthorities(file, password);
  const leaf = found.certificates.find(({ ca }) => !ca);
  if (leaf)
    throw new OperatorError(
      `the file ${file} holds a certificate that is no authority: ${leaf.subject.replaceAll('\n', ', ')}`,
      'name the certificate of the CA that has issued it; a single machine is let in by a row of peers',
    );
  return found;
}

/** One certificate in DER, as Windows exports it; undefined for whatever else, which the reader of bundles explains. */
function derIn(file: string): Authorities | undefined {
  try {
    const bytes = readFileSync(file);
    if (bytes[0] !== 0x30) return undefined;
    const certificate = new X509Certificate(bytes);
    return { source: `the file ${file}`, pem: [String(certificate)], certificates: [certificate] };
  } catch {
    return undefined;
  }
}

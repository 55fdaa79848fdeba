/** Certificates of authorities, which are added to those that are there. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { OperatorError } from '../../core/errors.ts';
import { readAuthorities } from '../../tls/authorities.ts';
import { certificateFolder, type Import, type Imported, put, relativeTo } from './imported.ts';

/** Adds authorities to a file of them: the one before goes on while certificates of both are about. */
export async function importAuthority({ name, config, certificates, files, now }: Import): Promise<Imported> {
  const stranger = certificates.find(({ ca }) => !ca);
  if (stranger)
    throw new OperatorError(
      `${files.join(', ')} holds a certificate that is no authority: ${stranger.subject.replaceAll('\n', ', ')}`,
      'import the certificate of the authority that has issued it; a single machine is a peer:NAME',
    );
  for (const one of certificates) {
    if (Date.parse(one.validTo) <= now)
      throw new OperatorError(
        `${files.join(', ')} is not imported: ${one.subject} expired on ${one.validTo}`,
        'fetch the next one',
      );
    if (one.publicKey.asymmetricKeyType === 'rsa' && (one.publicKey.asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
      throw new OperatorError(
        `${files.join(', ')} is not imported: the key of ${one.subject} is too short`,
        'the authority needs another key',
      );
  }
  const file = path.join(certificateFolder(config), `${name}.pem`);
  const before = existsSync(file) ? readAuthorities(file).certificates : [];
  const known = new Set(before.map(({ fingerprint256 }) => fingerprint256));
  const added = certificates.filter(({ fingerprint256 }) => !known.has(fingerprint256));
  const kept = put(file, [...before, ...added].map(String).join(''), false);
  return {
    said: [
      `${file}: ${before.length + added.length} authorities, ${added.length} of them new${kept ? `; the file before is kept as ${kept}` : ''}`,
      ...added.map(
        (one) =>
          `SHA-256 ${one.fingerprint256.replaceAll(':', '').toLowerCase()}: ${one.subject.replaceAll('\n', ', ')}`,
      ),
    ],
    remarks: [],
    row: {
      under:
        ' where these authorities count: under clientCertificates of a listener or stream; of an upstream or a provider it is ca',
      text: `authorities: ${relativeTo(config, file)}`,
    },
  };
}

/** Pins: the public keys that a server may have, by their digest. */
import { createHash, type X509Certificate } from 'node:crypto';

const form = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** The pin of a certificate's public key: `sha256/` and the base64 digest of its SubjectPublicKeyInfo, as in RFC 7469. */
export function spkiPin(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`;
}

/** Whether a text has the form of a pin. */
export function isPin(text: string): boolean {
  return form.test(text);
}

/** The chain and the name are good, but the server's key is none of the pinned ones. The message names the key that it is. */
export class PinMismatchError extends Error {
  readonly code = 'GATEHOUSE_PIN_MISMATCH';
  constructor(shown: string) {
    super(`it is ${shown}`);
    this.name = 'PinMismatchError';
  }
}

/** Pins: what a server may show, by the digest of its public key, or by the thumbprint of its certificate. */
import { createHash, type X509Certificate } from 'node:crypto';
import { readThumbprint } from './thumbprint.ts';

const form = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** The pin of a certificate's public key: `sha256/` and the base64 digest of its SubjectPublicKeyInfo, as in RFC 7469. */
export function spkiPin(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`;
}

/** A pin as it is compared, or what is wrong with the text. */
type PinReading =
  | { readonly kind: 'pin'; readonly pin: string }
  | { readonly kind: 'invalid'; readonly problem: string; readonly hint?: string };

/** Reads a pin such as `sha256/BASE64`, or a thumbprint in any of its spellings. */
export function readPin(text: string): PinReading {
  if (form.test(text)) return { kind: 'pin', pin: text };
  if (/^sha(?:1|256)[/:]/i.test(text)) return { kind: 'invalid', problem: 'is no pin such as sha256/BASE64' };
  const reading = readThumbprint(text);
  return reading.kind === 'invalid' ? reading : { kind: 'pin', pin: reading.hex };
}

/** Whether a certificate is one of the pinned ones, or has one of the pinned keys. */
export function showsPin(pins: readonly string[], certificate: X509Certificate): boolean {
  return pins.some((pin) =>
    pin.startsWith('sha256/') ? pin === spkiPin(certificate) : pin === thumbprint(certificate, pin.length),
  );
}

/** The thumbprint of a certificate with as many digits, SHA-1's 40 or SHA-256's 64, in lower case. */
function thumbprint({ fingerprint, fingerprint256 }: X509Certificate, digits: number): string {
  return (digits === 40 ? fingerprint : fingerprint256).replaceAll(':', '').toLowerCase();
}

/**
 * The chain and the name are good, but the server shows none of what is pinned. The message names what it does show, as it would be
 * pinned.
 */
export class PinMismatchError extends Error {
  readonly code = 'GATEHOUSE_PIN_MISMATCH';
  constructor(shown: X509Certificate) {
    super(`it is ${spkiPin(shown)}, of the certificate with the thumbprint ${thumbprint(shown, 64)}`);
    this.name = 'PinMismatchError';
  }
}

/** Options with which a provider says whom it trusts: CA bundles and pins. The trusting is done by `tls/`. */
import * as z from 'zod';
import { filePath, secret } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { readAuthorities } from '../tls/authorities.ts';
import { readPin } from '../tls/pins.ts';

/**
 * A PEM file of CAs, or one of Java's trust stores (JKS, PKCS#12) with its password, read; one that cannot be used is
 * an error at the key that names it.
 */
export function caBundle() {
  const store = z.strictObject({
    file: filePath().describe('the trust store, as keytool writes it: PKCS#12 or JKS'),
    password: secret().describe('its password'),
  });
  return z
    .union([filePath().transform((file) => ({ file, password: undefined })), store])
    .transform(({ file, password }, context) => {
      try {
        return readAuthorities(file, password);
      } catch (error) {
        if (!(error instanceof OperatorError)) throw error;
        context.addIssue({ code: 'custom', message: error.hint ? `${error.message}; ${error.hint}` : error.message });
        return z.NEVER;
      }
    });
}

/** As many as fit beside one server: the one of today, the next one, those of its copies. */
const maxPins = 16;

/** A server's public keys by their digests, or its certificates by their thumbprints; yields what `tls/pins.ts` compares. */
export function pins() {
  return z.array(pin()).min(1).max(maxPins);
}

function pin() {
  return z.string().transform((text, context) => {
    const reading = readPin(text);
    if (reading.kind === 'pin') return reading.pin;
    const { problem, hint = 'gatehouse check --connect prints the pin of a server' } = reading;
    context.addIssue({ code: 'custom', message: problem, params: { hint } });
    return z.NEVER;
  });
}

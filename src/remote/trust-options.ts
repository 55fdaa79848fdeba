/** Options with which a provider says whom it trusts: CA bundles and pins. The trusting is done by `tls/`. */
import * as z from 'zod';
import { filePath, secret } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { readAuthorities } from '../tls/authorities.ts';
import { isPin } from '../tls/pins.ts';

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

/** The digest of a server's public key. */
export function pin() {
  return z.string().refine(isPin, 'must be a pin such as sha256/BASE64, which "gatehouse check --connect" prints');
}

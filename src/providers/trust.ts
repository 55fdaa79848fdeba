/** Options with which a provider says whom it trusts: CA bundles and pins. The trusting is done by `tls/`. */
import * as z from 'zod';
import { filePath } from '../config/values.ts';
import { OperatorError } from '../core/errors.ts';
import { readAuthorities } from '../tls/authorities.ts';
import { isPin } from '../tls/pins.ts';

/** A PEM file of authorities, read; one that cannot be used is an error at the key that names it. */
export function caBundle() {
  return filePath().transform((path, context) => {
    try {
      return readAuthorities(path);
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

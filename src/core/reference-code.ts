/**
 * The short code by which a user tells an operator what they have met: eight signs that follow from the request's id, so that
 * page, audit and log agree without being told.
 */
import { createHash } from 'node:crypto';

/** Crockford's alphabet: no I, L, O and U, which are read as others or make words. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const signs = 8;

/** The code of a request, such as `7K3M-9QXD`. Of a million requests one in a million shares its code with another. */
export function referenceCode(requestId: string): string {
  const bytes = createHash('sha256').update('gatehouse reference code\n').update(requestId).digest();
  // Forty bits, five for each sign.
  let rest = bytes.readUIntBE(0, 5);
  let code = '';
  for (let index = 0; index < signs; index++) {
    code = alphabet[rest % alphabet.length] + code;
    rest = Math.floor(rest / alphabet.length);
  }
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/** A code as somebody has typed it or told it, in its one spelling; undefined where it is none. */
export function readReferenceCode(text: string): string | undefined {
  const plain = text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  return plain.length === signs && [...plain].every((sign) => alphabet.includes(sign))
    ? `${plain.slice(0, 4)}-${plain.slice(4)}`
    : undefined;
}

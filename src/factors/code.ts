/** Codes as people type them. */

/**
 * What was meant by a typed code: full-width and other digits are ASCII ones, blanks and hyphens that people put in are left
 * out. Undefined for whatever is not exactly so many digits then: a leading zero counts.
 */
export function readCode(typed: string | undefined, digits: number): string | undefined {
  if (typed === undefined || typed.length > maxTyped) return undefined;
  const code = typed.normalize('NFKC').replace(/[\s\p{Pd}]/gu, '');
  return new RegExp(`^[0-9]{${digits}}$`).test(code) ? code : undefined;
}

const maxTyped = 64;

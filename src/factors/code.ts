/** Codes and names of devices as people type them. */

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

const longestName = 64;

/** What somebody calls a device. */
export function readName(typed = ''): string {
  const name = typed
    .normalize('NFC')
    .replace(/\p{Cc}/gu, ' ')
    .trim();
  return [...name].slice(0, longestName).join('');
}

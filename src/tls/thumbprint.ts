/** Thumbprints as people paste them: out of a Windows dialogue, openssl or a mail, with what these put between the digits. */

/** A text that was read as a thumbprint, or what is wrong with it. */
type ThumbprintReading =
  | {
      readonly kind: 'thumbprint';
      readonly algorithm: 'sha1' | 'sha256';
      /** 40 or 64 digits in lower case. */
      readonly hex: string;
      /** Characters nobody sees that were dropped, as `U+200E`, each once; spaces, colons and hyphens are not told. */
      readonly invisible: readonly string[];
    }
  | { readonly kind: 'invalid'; readonly problem: string; readonly hint: string };

/** Marks of direction and width without a shape: the Windows dialogue copies U+200E in front of the first digit. */
const invisible = /[\u200b-\u200f\u202a-\u202e\ufeff]/g;
const separators = /[\s:\-\u2010\u2011]/g;

/** Reads a thumbprint. The digest is told by the number of digits: SHA-1 has 40, SHA-256 has 64. */
export function readThumbprint(text: string): ThumbprintReading {
  const dropped = [...new Set(text.match(invisible) ?? [])].map(codePoint);
  const digits = text.replace(invisible, '').replace(separators, '');
  const stranger = /[^0-9a-f]/iu.exec(digits)?.[0];
  if (stranger !== undefined)
    return {
      kind: 'invalid',
      problem: `has a character that is no hex digit: ${shown(stranger)}`,
      hint: 'write the 40 or 64 digits alone; spaces, colons and hyphens between them are fine',
    };
  if (digits.length !== 40 && digits.length !== 64)
    return {
      kind: 'invalid',
      problem: `has ${digits.length} hex digits; a SHA-1 thumbprint has 40, a SHA-256 one 64`,
      hint: 'copy it again, whole: gatehouse cert check FILE prints both',
    };
  const algorithm = digits.length === 40 ? 'sha1' : 'sha256';
  return { kind: 'thumbprint', algorithm, hex: digits.toLowerCase(), invisible: dropped };
}

function shown(character: string): string {
  return /[!-~]/.test(character) ? character : codePoint(character);
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

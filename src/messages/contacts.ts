/**
 * Addresses that codes and notices go to: one mail address, one telephone number, each in one spelling and never a list. What
 * cannot be exactly one is none (a comma, a group or a line break in an address sends a mail to somebody else).
 */

/** How long an address may be: RFC 5321 §4.5.3.1.3. */
const maxAddress = 254;
const maxLocalPart = 64;

/** A mail address in its one spelling, the domain in lower case; undefined where the text is anything but exactly one. */
export function mailAddress(text: string): string | undefined {
  const [local = '', domain = '', ...more] = text.trim().split('@');
  const address = `${local}@${domain.toLowerCase()}`;
  const isOne =
    more.length === 0 &&
    address.length <= maxAddress &&
    local.length <= maxLocalPart &&
    // Dot-atom of RFC 5321, with letters of any language (RFC 6531); no quoted local part, no address of a machine.
    /^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u.test(local) &&
    /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)*[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u.test(
      domain,
    ) &&
    !/^[\d.]+$/.test(domain);
  return isOne ? address : undefined;
}

/** What a page shows of a mail address: enough for its owner, too little for anybody else. */
export function maskedAddress(address: string): string {
  const [local = '', domain = ''] = address.split('@');
  const signs = [...local];
  const last = signs.length > 2 ? signs.at(-1) : '';
  return `${signs[0] ?? ''}•••${last}@${domain}`;
}

/** Which telephone numbers are sent to: with these beginnings, such as `+33`. */
interface NumberingPlan {
  readonly countries: readonly string[];
  /** Of numbers that are written without a country. */
  readonly defaultCountry?: string | undefined;
}

/** A number, or why it is none: it is no number, or of a country that is not sent to. */
type NumberReading =
  | { readonly kind: 'number'; readonly number: string }
  | { readonly kind: 'no-number' }
  | { readonly kind: 'foreign' };

/** Reads a telephone number as people and directories write it, and gives it as E.164 has it. */
export function phoneNumber(text: string, { countries, defaultCountry }: NumberingPlan): NumberReading {
  const digits = text.normalize('NFKC').replace(/[\s.()/-]/gu, '');
  const number = international(digits, defaultCountry);
  if (number === undefined || !/^\+[1-9]\d{6,14}$/.test(number)) return { kind: 'no-number' };
  return countries.some((country) => number.startsWith(country)) ? { kind: 'number', number } : { kind: 'foreign' };
}

/** `00` is how most of the world dials abroad; one leading zero is how it dials within a country. */
function international(digits: string, defaultCountry: string | undefined): string | undefined {
  if (digits.startsWith('+')) return digits;
  if (digits.startsWith('00')) return `+${digits.slice(2)}`;
  return defaultCountry === undefined ? undefined : defaultCountry + digits.replace(/^0/, '');
}

/** What a page shows of a number. */
export function maskedNumber(number: string): string {
  return `•••• ${number.slice(-2)}`;
}

/**
 * How API tokens look: `gha_`, an id that is no secret, the secret, and a checksum, so that scanners of leaked secrets know one at
 * sight and a slip is told from a guess. Which tokens there are is the users' room's.
 */
import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Secret } from './secret.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const begin = 'gha_';
const idSigns = 10;
/** 62 to this power is above 2 to the power of 256. */
const secretSigns = 43;
const checkSigns = 6;
const whole = new RegExp(`^${begin}[0-9A-Za-z]{${idSigns + secretSigns + checkSigns}}$`);
const within = new RegExp(`${begin}[0-9A-Za-z]{${idSigns + secretSigns + checkSigns}}`);

/** What a text turned out to be; `mistyped` begins like a token, and is cut, lengthened or has a wrong sign. */
type TokenReading = { readonly kind: 'token'; readonly id: string } | { readonly kind: 'mistyped' | 'other' };

/** Makes a token. Its id may be shown to anybody. */
export function createApiToken(): { readonly id: string; readonly text: Secret } {
  const id = randomSigns(idSigns);
  const body = begin + id + randomSigns(secretSigns);
  return { id, text: new Secret(body + checksumOf(body)) };
}

/** Reads what may be a token. */
export function readApiToken(text: string): TokenReading {
  if (!text.startsWith(begin)) return { kind: 'other' };
  const isSound = whole.test(text) && checksumOf(text.slice(0, -checkSigns)) === text.slice(-checkSigns);
  return isSound ? { kind: 'token', id: text.slice(begin.length, begin.length + idSigns) } : { kind: 'mistyped' };
}

/** Whether a token stands somewhere in a text. */
export function holdsApiToken(text: string): boolean {
  return text.includes(begin) && within.test(text);
}

function randomSigns(count: number): string {
  return Array.from({ length: count }, () => alphabet[randomInt(alphabet.length)]).join('');
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let signs = '';
  for (let index = 0; index < checkSigns; index++) {
    signs = alphabet[rest % alphabet.length] + signs;
    rest = Math.floor(rest / alphabet.length);
  }
  return signs;
}

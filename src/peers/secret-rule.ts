/** What a secret must be like that machines share: strong enough to be one, plain enough to be typed into another product's form. */
import { randomInt } from 'node:crypto';

const shortest = 8;
const longest = 64;
const generated = 32;

/** Each must be there. */
const classes: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['an upper-case letter', /[A-Z]/],
  ['a lower-case letter', /[a-z]/],
  ['a digit', /[0-9]/],
  ['a character that is neither letter nor digit', /[^A-Za-z0-9]/],
];

/** Signs that no shell, YAML or XML gives a meaning of its own inside quotes, and letters that are not taken for another. */
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_.~+=@^';

/** Everything that is wrong with a secret, in words that do not hold it; empty when it is good. */
export function secretFaults(secret: string): readonly string[] {
  // A space at an end is lost where it is copied, and other letters are written differently from program to program.
  const isPlain = /^[\x20-\x7e]*$/.test(secret);
  const length = isPlain ? secret.length : [...secret].length;
  return [
    ...(length < shortest ? [`has ${length} characters, fewer than ${shortest}`] : []),
    ...(length > longest ? [`has ${length} characters, more than ${longest}`] : []),
    ...(isPlain ? [] : ['has characters other than printable ASCII']),
    ...(secret.trim() === secret ? [] : ['begins or ends with white space']),
    ...classes.filter(([, pattern]) => !pattern.test(secret)).map(([name]) => `has not ${name}`),
  ];
}

/** A secret of 32 characters at random that is good. */
export function generateSecret(): string {
  for (;;) {
    const secret = Array.from({ length: generated }, () => alphabet[randomInt(alphabet.length)]).join('');
    if (secretFaults(secret).length === 0) return secret;
  }
}

/** User names in their one spelling. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalUsername, federatedUsername } from '../../src/core/principal.ts';
import { trials } from '../support/tools/properties.ts';

const spellings: Readonly<Record<string, readonly string[]>> = {
  alice: ['alice', 'ALICE', ' Alice ', '\u3000alice\u00a0', '\uff41\uff4c\uff49\uff43\uff45'],
  'zo\u00eb': ['zo\u00eb', 'zoe\u0308', 'ZO\u00cb', 'ZOE\u0308'],
  // Greek capitals with two accents: their small letters have one code point, which NFKC only makes of small ones.
  '\u0390': ['\u0390', '\u03aa\u0301', '\u03ca\u0301', '\u0399\u0308\u0301'],
  '': ['', '  ', '\u3000', '\t\n'],
};
for (const [canonical, written] of Object.entries(spellings))
  test(`canonicalUsername: every spelling of ${JSON.stringify(canonical)} is one name`, () => {
    for (const username of written) assert.equal(canonicalUsername(username), canonical, JSON.stringify(username));
  });

test('canonicalUsername: a canonical name is its own', () => {
  const everyLetter = Array.from({ length: 0x2_0000 }, (_, point) => String.fromCodePoint(point));
  const changed = everyLetter
    .flatMap((letter) => [letter, `a${letter}`, `${letter}\u0301`, `${letter}\u0308\u0301`, `a${letter}\u0345`])
    .filter((username) => canonicalUsername(canonicalUsername(username)) !== canonicalUsername(username));
  assert.deepEqual(changed, []);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (username) => {
      const canonical = canonicalUsername(username);
      assert.equal(canonicalUsername(canonical), canonical);
    }),
    trials(1000),
  );
});

test('federatedUsername: a name that only looks like another, or that hides signs, is nobody’s', () => {
  const strangers = {
    'full-width letters': '\uff41lice',
    'a ligature': 'o\ufb03ce',
    'a long s': 'alice\u017f',
    'the kelvin sign': '\u212aarl',
    'the angstrom sign': '\u212bke',
    'the ohm sign': '\u2126',
    'a soft hyphen': 'ali\u00adce',
    'a zero-width space': 'ali\u200bce',
    'a zero-width joiner': 'alice\u200d',
    'a byte order mark': '\ufeffalice',
    'a Hangul filler': 'alice\u3164',
    'a variation selector': 'alice\ufe0f',
    'an override of direction': '\u202eecila',
    'half a pair': 'alice\ud800',
    'a line break': 'alice\n',
    'a space behind it': 'alice ',
    'a space before it': ' alice',
    'a space that does not break': 'alice\u00a0',
    'a line separator': 'alice\u2028',
    'a line separator inside': 'ali\u2028ce',
    'a paragraph separator': 'alice\u2029',
    'an ogham space': 'alice\u1680',
    'an ogham space inside': 'ali\u1680ce',
    'an ideographic space': '\u3000alice',
    'a Hangul choseong filler': 'alice\u115f',
    'a Hangul jungseong filler': 'alice\u1160',
    'a half-width Hangul filler': 'alice\uffa0',
    'empty braille': '\u2800',
    'empty braille behind it': 'alice\u2800',
    'a musical null notehead': 'alice\u{1d159}',
    'the place of an object': 'alice\ufffc',
    'an inherent vowel of Khmer': 'alice\u17b4',
    nothing: '  ',
    'too much': 'a'.repeat(257),
  };
  for (const [what, name] of Object.entries(strangers)) assert.equal(federatedUsername(name), undefined, what);
  const people = {
    'zoe\u0308': 'zo\u00eb',
    'ZO\u00cb': 'zo\u00eb',
    Alice: 'alice',
    'alice smith': 'alice smith',
    '\uac00\ub098': '\uac00\ub098',
    'o’neil': 'o’neil',
  };
  for (const [name, canonical] of Object.entries(people)) assert.equal(federatedUsername(name), canonical);
});

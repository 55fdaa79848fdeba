/** Thumbprints as they are pasted: what is dropped, what is told, what is refused. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readThumbprint } from '../../src/tls/thumbprint.ts';
import { testCertificates } from '../support/tools/certificates.ts';

const own = new X509Certificate(readFileSync(testCertificates().good.certificate));
const sha1 = own.fingerprint.replaceAll(':', '').toLowerCase();
const sha256 = own.fingerprint256.replaceAll(':', '').toLowerCase();
const pairs = (hex: string): string => hex.replace(/..(?!$)/g, '$& ');

const read: Readonly<Record<string, readonly [text: string, hex: string, invisible: readonly string[]]>> = {
  'as openssl writes it': [own.fingerprint256, sha256, []],
  'in small letters without anything between': [sha1, sha1, []],
  'as Windows shows it, with the mark that its dialogue copies': [`\u200e${pairs(sha1)}`, sha1, ['U+200E']],
  'with a mark in front, colons and capitals': [`\u200e${own.fingerprint}`, sha1, ['U+200E']],
  'with hyphens, as .NET writes bytes': [own.fingerprint.replaceAll(':', '-'), sha1, []],
  'with marks of every kind': [
    `\ufeff${pairs(sha256).replace(' ', '\u200b').replace(' ', '\u202a\u202c')}\u200f`,
    sha256,
    ['U+FEFF', 'U+200B', 'U+202A', 'U+202C', 'U+200F'],
  ],
  'over two lines, with spaces that do not break': [
    `${sha256.slice(0, 32)}\r\n\t\u00a0${sha256.slice(32)} `,
    sha256,
    [],
  ],
};

for (const [name, [text, hex, invisible]] of Object.entries(read))
  test(`thumbprint: ${name}`, () => {
    const algorithm = hex.length === 40 ? 'sha1' : 'sha256';
    assert.deepEqual(readThumbprint(text), { kind: 'thumbprint', algorithm, hex, invisible });
  });

const refused: Readonly<Record<string, readonly [text: string, problem: RegExp]>> = {
  'a digit that is missing': [sha1.slice(1), /^has 39 hex digits/],
  'nothing but what is dropped': ['\u200e : -', /^has 0 hex digits/],
  'two in one text': [`${sha1}${sha256}`, /^has 104 hex digits/],
  'a letter that is no digit': [`${sha1.slice(1)}O`, /no hex digit: O$/],
  'a digit of another script': [`${sha1.slice(1)}\uff11`, /no hex digit: U\+FF11$/],
  'a mark that is none of these': [`${sha1}\u2060`, /no hex digit: U\+2060$/],
  'the words of openssl': [`SHA1 Fingerprint=${own.fingerprint}`, /no hex digit: S$/],
  'a pin': ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', /no hex digit: s$/],
  'a character beyond the first plane': [`${sha1}\u{1d7d9}`, /no hex digit: U\+1D7D9$/],
};

for (const [name, [text, problem]] of Object.entries(refused))
  test(`thumbprint: ${name} is refused`, () => {
    const reading = readThumbprint(text);
    assert.ok(reading.kind === 'invalid' && reading.hint !== '');
    assert.match(reading.problem, problem);
  });

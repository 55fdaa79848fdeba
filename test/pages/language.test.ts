/** The language of a page: Accept-Language with its qualities, and texts that are complete. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { languages, preferredLanguage } from '../../src/pages/language.ts';

const cases: Record<string, { header: string | undefined; want: string; fallback?: 'en' | 'fr' }> = {
  'no header': { header: undefined, want: 'en' },
  'no header, French by default': { header: undefined, want: 'fr', fallback: 'fr' },
  'a plain language': { header: 'fr', want: 'fr' },
  'a region': { header: 'fr-CA', want: 'fr' },
  'upper case': { header: 'FR-fr', want: 'fr' },
  'the order of equals': { header: 'fr, en', want: 'fr' },
  'the higher quality, though later': { header: 'en;q=0.4, fr;q=0.8', want: 'fr' },
  'a language we lack, first': { header: 'de, fr;q=0.5, en;q=0.4', want: 'fr' },
  'only languages we lack': { header: 'de, nl', want: 'en' },
  'a language ruled out': { header: 'fr;q=0, en;q=0.1', want: 'en' },
  'everything but one': { header: 'en;q=0, *', want: 'fr' },
  everything: { header: '*', want: 'en' },
  'a quality that is none': { header: 'fr;q=high, en;q=0.1', want: 'en' },
  'a quality above one': { header: 'fr;q=2, en;q=0.1', want: 'en' },
  rubbish: { header: ';;,,=;q', want: 'en' },
  'a header too long to be honest': { header: `${'x,'.repeat(600)}fr`, want: 'en' },
};
for (const [name, { header, want, fallback }] of Object.entries(cases))
  test(`language: ${name}`, () => assert.equal(preferredLanguage(header, fallback), want));

const shape = (value: unknown, path = ''): string[] => {
  if (Array.isArray(value)) return [`${path}[]${value.length > 0 ? '' : ' empty'}`];
  if (typeof value !== 'object' || value === null) return [`${path}: ${typeof value}`];
  return Object.entries(value).flatMap(([key, inner]) => shape(inner, `${path}.${key}`));
};

const sentences = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value
      ? Object.values(value).flatMap(sentences)
      : [];

test('texts: every language has the same keys', () => {
  const wanted = shape(languages.en).sort();
  for (const texts of Object.values(languages)) assert.deepEqual(shape(texts).sort(), wanted);
});

test('texts: no sentence is empty, or left in English', () => {
  const english = new Set(sentences(languages.en));
  for (const sentence of sentences(languages.fr)) {
    assert.notEqual(sentence.trim(), '');
    if (sentence.length > 12) assert.ok(!english.has(sentence), sentence);
  }
});

test('texts: French double punctuation keeps to its word', () => {
  for (const sentence of sentences(languages.fr)) assert.doesNotMatch(sentence, /[ \w][;:!?](?:\s|$)/u, sentence);
});

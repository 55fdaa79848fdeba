/**
 * The machine that matches where JavaScript could take long: it finds what JavaScript finds, and its time on the longest path is
 * bounded whatever the pattern.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { machineOf } from '../../src/core/regex-machine.ts';
import { parseLocation } from '../../src/routing/location-text.ts';
import { locationWarnings } from '../../src/routing/location-warnings.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { maxPath } from '../../src/routing/path.ts';
import { regexMatcher } from '../../src/routing/regex-matcher.ts';
import { blowUp, quickUpTo } from '../../src/routing/regex-safety.ts';
import { routeAt } from '../support/scenes/routes.ts';
import { fastest, timesThePace } from '../support/tools/pace.ts';
import { trials } from '../support/tools/properties.ts';

const atom = fc.constantFrom(
  ...['a', 'b', 'A', '/', '.', '0', '-', 's', 'k', '\u00e9', '\u00df', '\u03a3', '\u{1f600}', '\u017f', '\u212a'],
  ...['\\d', '\\w', '\\W', '\\s', '\\S', '\\x41', '\\u0061', '\\u{1f600}', '\\ud83d\\ude00', '\\cJ', '\\n', '\\/'],
  ...['[ab]', '[^/]', '[^a]', '[a-z0]', '[A-Z]', '[\u00e9-\u00fc]', '[\u{1f600}\u00e9]', '[^s]', '[\\]a]', '[^]', '[]'],
  ...['\\p{L}', '\\P{Lu}', '[\\w-]', '[\\p{Lu}/]'],
);
const edge = fc.constantFrom('^', '$', '\\b', '\\B');
const quantifier = fc.constantFrom(
  ...['', '', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,3}', '{0,2}?', '{2,}', '{0}', '{3,}?'],
);
const open = fc.constantFrom('(', '(?:', '(?:', '(?m:', '(?s:', '(?ms:', '(?-m:', '(?m-s:', '(?<name>');
const look = fc.constantFrom('(?=', '(?!', '(?<=', '(?<!');
const { either } = fc.letrec<{ piece: string; sequence: string; either: string }>((tie) => ({
  piece: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 5, arbitrary: fc.tuple(atom, quantifier).map((parts) => parts.join('')) },
    { weight: 2, arbitrary: edge },
    { weight: 2, arbitrary: fc.tuple(look, tie('either')).map(([begin, inner]) => `${begin}${inner})`) },
    {
      weight: 3,
      arbitrary: fc.tuple(open, tie('either'), quantifier).map(([begin, inner, times]) => `${begin}${inner})${times}`),
    },
  ),
  sequence: fc.array(tie('piece'), { maxLength: 3 }).map((parts) => parts.join('')),
  either: fc.array(tie('sequence'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|')),
}));
const characters = [
  ...'abA/0.-_ sSkK',
  '\u00e9',
  '\u00c9',
  '\u00df',
  '\u1e9e',
  '\u{1f600}',
  '\u017f',
  '\u212a',
  '\u03c2',
];
const text = fc
  .array(fc.constantFrom(...characters, '\u03c3', '\u03a3', '\n', '\r', '\u2028', '\ud83d'), { maxLength: 8 })
  .map((parts) => parts.join(''));

test('regex machine: finds what JavaScript finds, and nothing else', () => {
  let compared = 0;
  let found = 0;
  fc.assert(
    fc.property(
      either,
      fc.boolean(),
      fc.array(text, { minLength: 8, maxLength: 8 }),
      (source, isInsensitive, texts) => {
        // Patterns that JavaScript does not read, and such as could keep it busy on eight characters already.
        if (source.length > 50 || !isRead(source)) return;
        const pattern = new RegExp(source, isInsensitive ? 'iu' : 'u');
        const machine = machineOf(source, isInsensitive);
        if (!machine) return;
        for (const one of texts) {
          const isMatch = pattern.test(one);
          assert.equal(machine.test(one), isMatch, `${pattern} on ${JSON.stringify(one)}`);
          compared += 1;
          if (isMatch) found += 1;
        }
      },
    ),
    trials(1500),
  );
  assert.ok(compared > 5000 && found > 1000 && found < compared - 1000, `${found} matches of ${compared}`);
});

function isRead(source: string): boolean {
  try {
    return new RegExp(source, 'u') !== undefined;
  } catch {
    return false;
  }
}

test('regex machine: letters of a group for case count within the group alone', () => {
  const cases: readonly (readonly [string, boolean, string, boolean])[] = [
    ['^/(?i:ab|c)d$', false, '/ABd', true],
    ['^/(?i:ab|c)d$', false, '/Cd', true],
    ['^/(?i:ab|c)d$', false, '/cD', false],
    ['^/(?i:a(?-i:b))$', false, '/Ab', true],
    ['^/(?i:a(?-i:b))$', false, '/AB', false],
    ['^/(?-i:a|[b-d])x$', true, '/cX', true],
    ['^/(?-i:a|[b-d])x$', true, '/CX', false],
  ];
  for (const [source, isInsensitive, one, isMatch] of cases)
    assert.equal(machineOf(source, isInsensitive)?.test(one), isMatch, `${source} on ${one}`);
});

test('regex machine: there is none of a pattern that refers back, or is very large', () => {
  assert.equal(machineOf('^/(\\w+)/\\1$', false), undefined);
  assert.equal(machineOf('^/(?<x>a)\\k<x>$', false), undefined);
  assert.equal(machineOf('(?:a{100}b){100}', false), undefined);
  assert.equal(machineOf('(?:){1000000000}', false), undefined);
});

// Each was taken, and took a hundred milliseconds to a second.
const dearOnes: readonly (readonly [string, string])[] = [
  ['[a-z]{0,2}\\w*\\.js$', 'a'],
  ['\\w{0,50}[ab]{0,50}[a-c]{0,20}!', 'a'],
  ['\\w{0,90}[ab]{0,90}!', 'ab'],
  ['\\p{L}{0,50}(\\w){0,4}[^/]{0,4}(?!(?:a|b|[c-z])?[^/])!', 'z'],
  ['\\w{1,120}#$', 'a0'],
];
for (const [source, round] of dearOnes)
  test(`regex matcher: ${source} takes little time on the longest path`, () => {
    assert.equal(blowUp(source, false), undefined);
    for (const modifier of ['~', '~*'])
      for (const host of [undefined, 'h']) {
        const locations = compileLocations([routeAt(`${modifier} ${source}`, host === undefined ? {} : { host })]);
        const path = `/${round.repeat(maxPath)}`.slice(0, maxPath);
        const took = fastest(() => locations.match({ host: 'h', port: '443', path }));
        assert.ok(timesThePace(took) < 1, `${modifier} ${source} took ${took} ms`);
      }
  });

test('regex matcher: no pattern takes long on the texts that JavaScript is given', () => {
  for (const [source, round] of dearOnes) {
    const longest = quickUpTo(source, false);
    assert.ok(longest > 15 && longest < 2000, `${source}: ${longest}`);
    const took = fastest(() => new RegExp(source, 'u').test(`/${round.repeat(longest)}`.slice(0, longest)));
    assert.ok(timesThePace(took) < 1, `${source} took ${took} ms`);
  }
});

test('regex matcher: what is taken at an operator’s own risk is read by the machine where there is one', () => {
  const insecureRegex = true;
  const nested = routeAt('~ ^/(a+)+$', { insecureRegex });
  const match = (path: string) => compileLocations([nested]).match({ host: 'h', port: '443', path })?.route;
  const took = fastest(() => assert.equal(match(`/${'a'.repeat(maxPath - 2)}!`), undefined));
  assert.ok(timesThePace(took) < 1, `${took} ms`);
  assert.equal(match(`/${'a'.repeat(28)}`), nested);
  const messages = locationWarnings([nested, routeAt('~ ^(a+)+\\1$', { insecureRegex })]).map(({ message }) => message);
  assert.match(messages[0] ?? '', /in a proxy that tries one reading after the other, such as nginx, though not here/);
  assert.match(messages[1] ?? '', /keep all other requests waiting/);
});

const manyWords = Array.from({ length: 200 }, (_, at) => `x${at}`).join('|');

test('regex matcher: a pattern that no machine reads is refused where JavaScript would be slow with it', () => {
  assert.equal(blowUp('^/(\\w+)/\\1$', false), undefined);
  assert.equal(blowUp('(\\w+)-\\1$', false), undefined);
  assert.equal(blowUp(`\\.(?:${manyWords})$`, false), undefined);
  assert.match(blowUp('([a-z]{0,50})\\w{0,50}#\\1', false) ?? '', /^refers back/);
});

test('regex matcher: signs that Unicode folds to letters of ASCII are none to a part that disregards case', () => {
  assert.equal(parseLocation('~ ^/(?i:static)/').kind, 'ok');
  const match = (path: string) =>
    compileLocations([routeAt('~ ^/(?i:static)/')]).match({ host: 'h', port: '443', path })?.route.name;
  assert.equal(match('/STATIC/x'), '~ ^/(?i:static)/');
  assert.equal(match(`/${encodeURIComponent('\u017f')}tatic/x`), undefined);
});

test('regex matcher: short paths and cheap patterns are matched by JavaScript itself', () => {
  for (const source of ['\\.(?:js|css)$', '^/(login|logout|api)(/.*)?$', '^/rec/(?<year>\\d+)/(.*)$', '^/(\\w+)/\\1$'])
    assert.ok(regexMatcher(source, false) instanceof RegExp, source);
  for (const source of ['/api/.*\\.json$', '.*\\.php', '\\w*\\.js$', '[a-z0-9]{8,32}/.*\\.js$'])
    assert.ok(quickUpTo(source, true) > 250, `${source}: ${quickUpTo(source, true)}`);
});

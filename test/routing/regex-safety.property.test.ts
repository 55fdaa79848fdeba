/**
 * Regular expressions that pass the check, met with texts made to keep them busy: none may take long on a path of the longest
 * length. Time is that of the processor, so that other work on the machine does not count.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxPath } from '../../src/routing/path.ts';
import { blowUp } from '../../src/routing/regex-safety.ts';
import { trials } from '../support/tools/properties.ts';

/** What is promised is 50 ms on a quiet core; a busy one with another cache to share gets room. */
const mostMilliseconds = 300;

const atom = fc.constantFrom('a', 'b', '/', '0', '.', '\\d', '\\w', '[ab]', '[^/]', '[a-z0]', '(?=a)', '(?!b)', '\\b');
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '*?', '+?', '{2}', '{1,3}', '{0,20}', '{2,}');
const { pattern } = fc.letrec<{ pattern: string; piece: string; group: string }>((tie) => ({
  group: fc
    .tuple(
      fc.constantFrom('(', '(?:', '(?:', '(?=', '(?!'),
      fc.array(tie('piece'), { minLength: 1, maxLength: 3 }),
      tie('piece'),
    )
    .chain(([open, parts, other]) =>
      fc.constantFrom(`${open}${parts.join('')})`, `${open}${parts.join('')}|${other})`),
    ),
  piece: fc
    .oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.tuple(atom, quantifier),
      fc.tuple(tie('group'), quantifier),
    )
    .map(([part, times]) => (/^\(\?[=!]|^\\b/.test(part) ? part : `${part}${times}`)),
  pattern: fc
    .tuple(
      fc.constantFrom('^/', '^', ''),
      fc.array(tie('piece'), { minLength: 1, maxLength: 5 }),
      fc.constantFrom('$', '!', ''),
    )
    .map(([start, parts, end]) => `${start}${parts.join('')}${end}`),
}));

/** A text that begins as a path, goes round and round, and ends as no pattern does. */
const attack = fc.tuple(
  fc.constantFrom('/', '/a', '/a/0', 'b/'),
  fc.array(fc.constantFrom('a', 'b', '/', '0', 'aa', 'ab', 'a/', '/0'), { minLength: 1, maxLength: 3 }),
  fc.constantFrom('', '#', '\n', '/#', 'a#'),
);

function milliseconds(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test('regex safety: what passes takes little time on texts made for it, up to the longest path', () => {
  let passed = 0;
  let refused = 0;
  fc.assert(
    fc.property(pattern, fc.array(attack, { minLength: 5, maxLength: 5 }), (source, attacks) => {
      if (blowUp(source, false) !== undefined) {
        refused += 1;
        return;
      }
      passed += 1;
      const compiled = new RegExp(source, 'u');
      // By steps, so that a pattern that should not have passed fails instead of never ending.
      for (const [start, round, end] of attacks)
        for (const length of [18, 26, 40, 200, 1000, maxPath]) {
          const body = round.join('').repeat(length);
          const text = start + body.slice(0, length - start.length - end.length) + end;
          const took = milliseconds(() => compiled.test(text));
          assert.ok(
            took < mostMilliseconds,
            `${source} took ${took} ms for ${length} of ${start} (${round.join('')})* ${end}`,
          );
        }
    }),
    trials(100),
  );
  assert.ok(passed > 15 && refused > 15, `${passed} passed, ${refused} were refused`);
});

const refusedOnes = [
  ...['^/(a+)+$', '(a|a)*$', '\\d+\\d+$', '^\\d+\\d+$', '(a*)*$', '(a+)*b', '^(\\w+\\s?)*$', '(a|aa)+$', '(.*)*x'],
  ...[
    '^(a?){30}a{30}$',
    '(x+x+)+y',
    '^/.*.*$',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '.*a.*b.*c',
    '^(a|b|ab)*c',
    '^/(?=(a+)+$)x',
  ],
  ...[
    '^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}$',
    '^/(a{1,30}){1,30}$',
    '(?:(?:a)+b?)+$',
    '^/(?!(?:a|a)*$)',
  ],
  ...[`${'a?'.repeat(24)}b`, '^(a|\\u{61})+$', '^([a-c]|[c-e])+$', '(?<x>a+)\\k<x>+$'],
];
for (const source of refusedOnes)
  test(`regex safety: ${source} is refused`, () => {
    assert.notEqual(blowUp(source, false), undefined);
  });

// Locations of real sites, and what our own import makes of them: rewrites and nested locations, with what it looks ahead at.
const takenOnes = [
  ...['^/rec/(?<year>\\d+)/(.*)$', '^/(login|logout|api)(/.*)?$', '\\.(?:js|css)$', '/api/v[0-9]+/(users/)?websocket$'],
  ...[
    '^/img/.{1,3}\\.png$',
    '/\\.(?!well-known)',
    '^/xuc/api/[\\w-]+/history$',
    '/api/.*\\.json$',
    '\\d+$',
    '.*\\.php',
  ],
  ...[
    '^/(?:[a-z]+/)*[a-z]+\\.html$',
    '^/([^/]+)/([^/]+)/(.*)$',
    '^/a/.*/b/.*$',
    '^/[a-z]{2}(-[A-Z]{2})?/',
    '^/(a|b)+$',
  ],
  ...['^(?=/api).*?(?:\\.json$)', '^(?=/api(?!/x|/y)).*?(?:\\d+$)', '^(?!/api/)/.*\\.json$', '^/(?!(?:a|b)/)[^/]+/x'],
  ...[
    '^/((?!admin).)*$',
    '^/(\\w+)/\\1$',
    '^/\\p{L}+$',
    '^/v\\d{1,3}\\.\\d{1,3}/',
    '^/[^/]+/static/.*\\.(css|js|png)$',
  ],
];
for (const source of takenOnes)
  test(`regex safety: ${source} is taken`, () => {
    assert.equal(blowUp(source, true), undefined);
  });

test('regex safety: letters that are one without regard to case count as one', () => {
  assert.equal(blowUp('^/(a|A)+$', false), undefined);
  assert.notEqual(blowUp('^/(a|A)+$', true), undefined);
});

/**
 * Regular expressions that pass the check, met with texts made to keep them busy: none may take long on a path of the longest
 * length. Time is that of the processor, so that other work on the machine does not count.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { importNginx } from '../../src/interop/nginx/import.ts';
import { parseNginx } from '../../src/interop/nginx/parse.ts';
import { maxPath } from '../../src/routing/path.ts';
import { regexMatcher } from '../../src/routing/regex-matcher.ts';
import { blowUp } from '../../src/routing/regex-safety.ts';
import { fastest, milliseconds, timesThePace } from '../support/tools/pace.ts';
import { trials } from '../support/tools/properties.ts';

/** The work of a judgement; a busy core with another cache to share gets room. */
const maxMilliseconds = 150;

const atom = fc.constantFrom(
  'a',
  'b',
  '/',
  '0',
  '.',
  '\\d',
  '\\w',
  '[ab]',
  '[^/]',
  '[a-z0]',
  '(?=a)',
  '(?!b)',
  '\\b',
  '(?i:A)',
  '(^|/)',
  '(?:|)',
  '(\\w)',
  '(?:a|b|[c-z])',
);
const quantifier = fc.constantFrom(
  '',
  '',
  '',
  '*',
  '+',
  '?',
  '*?',
  '+?',
  '{2}',
  '{1,3}',
  '{0,9}',
  '{0,20}',
  '{26}',
  '{2,}',
  '{1,120}',
);
const { pattern } = fc.letrec<{ pattern: string; piece: string; group: string }>((tie) => ({
  group: fc
    .tuple(
      fc.constantFrom('(', '(?:', '(?:', '(?i:', '(?=', '(?!'),
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
      fc.constantFrom('^/', '^/api/', '^', ''),
      fc.array(tie('piece'), { minLength: 1, maxLength: 5 }),
      fc.constantFrom('$', '!', ''),
    )
    .map(([start, parts, end]) => `${start}${parts.join('')}${end}`),
}));

/** A text that begins as a path, goes round and round, and ends as no pattern does. */
const attack = fc.tuple(
  fc.constantFrom('/', '/a', '/a/0', '/api/', 'b/'),
  fc.array(fc.constantFrom('a', 'A', 'b', '/', '0', 'aa', 'ab', 'a/', '/0'), { minLength: 1, maxLength: 3 }),
  fc.constantFrom('', '#', '\n', '/#', 'a#'),
);

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
      const matcher = regexMatcher(source, false);
      // By steps, so that a pattern that should not have passed fails instead of never ending.
      for (const [start, round, end] of attacks)
        for (const length of [18, 26, 40, 200, 1000, maxPath]) {
          const body = round.join('').repeat(length);
          const text = start + body.slice(0, length - start.length - end.length) + end;
          const took = fastest(() => matcher.test(text));
          // Which is 50 ms on a quiet core.
          if (took > maxMilliseconds / 10)
            assert.ok(
              timesThePace(took) < 1,
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
  // Prefixes before bounded repetition, letters of a modifier's own, and rounds that read nothing.
  ...['^/(a?){40}a{40}$', '^/(a?){26}a{26}$', `^/${'a?'.repeat(24)}${'a'.repeat(24)}$`, '^/api/([a-z]{0,9}){8}[0-9]$'],
  ...['^/(\\w{1,20}){5}x$', '^/((?:a|a){0,25})$', '^/(?i:(a|A))*x$', '^/(?i:a|A)*x$', '(^|/)+x$', '^/(?:|){25}$'],
  ...[
    '^/(?:a?|b?){25}$',
    `^/${'(?:ab)?'.repeat(24)}${'ab'.repeat(24)}$`,
    '^/(?=(?:a?){30}b)',
    '[^]*a.{20}b',
    '^/((a+)+b)?',
    '^/(?-i:(?i:a)|A)*x$',
  ],
  // Readings that come one after the other into a loop are there at once.
  ...['[^/]{0,20}[a-z0]+?!', '[a-z]{0,20}[a-z0-9]+\\.js$', '(?:a?){20}[a-z]+$', '[^/]{0,9}[a-z]+$'],
  // Of what is searched for with a loop behind, few readings take long already, and those that try much or keep groups longest.
  ...['[^/]{0,5}[a-z0]+?!', '[a-z]{0,5}\\w*\\.js$', '[a-z]{0,3}\\w*\\.js$', '(((((\\w)))))*#', '[a-z0]+(a|b){0,2}!'],
  ...['(?:a|b|c|[d-z])*?(\\w)?\\.js$', `(?:${[...'abcdefghijklm'].map((one) => `[${one}-]`).join('|')})*#`],
  ...['/*?(?i:A){0,3}(?:a|b|c|[d-z])+\\.js$', '[a-z]{0,3}a*0*?(?:js|css)'],
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
    '^/(?i:a|b)*x$',
    '^/(?:a|(?-i:A))?x$',
    '^/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
    '^/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/x$',
    '[a-z0-9]{8,32}/.*\\.js$',
    '(?<!\\.min)\\.js$',
    '/.*\\.(jpg|jpeg|gif|png|css|js|ico|svg|woff2?|ttf|eot|webp|map)$',
    '^/((?!admin).)*$',
    '((?!admin).)*$',
    '/(.*)\\.(jpg|jpeg|gif|png|css|js|ico|svg|woff2?|ttf|eot|webp|map)$',
    `\\w+\\.(?:${'avi css csv doc docx eot flv gif gz htm html ico jpeg jpg js json mov mp3 mp4 ogg pdf png ppt rar svg swf'.replaceAll(' ', '|')})$`,
    '[A-Za-z0-9_.-]+\\.(js|css)$',
    '(?:[a-z0-9-]+/)+[a-z0-9-]+\\.html$',
    '^(?=/a(?!/b)).*?(?:(?i:c$))',
    '^(?=.*?(?:(?i:c$)))(?=.*?(?:(a|b)c))(?=.*?(?:[ab]b))(?!/x).*?(?:B$)',
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

test('regex safety: what the import of nginx writes is taken', () => {
  const fixtures = path.join(import.meta.dirname, '../fixtures/nginx');
  const locations = new Set<string>();
  const faultOf = ({ location }: { location: string }) => {
    locations.add(location);
    return undefined;
  };
  for (const file of readdirSync(fixtures, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.conf')) continue;
    const source = parseNginx({ file, text: readFileSync(path.join(fixtures, file), 'latin1') }, () => undefined);
    const options = {
      host: undefined,
      domains: ['example.com'],
      keepsPublic: false,
      readable: () => undefined,
      faultOf,
    };
    for (const { data } of importNginx([source], options).routes) locations.add(data.location);
  }
  const patterns = [...locations].filter((location) => location.startsWith('~'));
  assert.ok(patterns.length > 20, `${patterns.length} patterns`);
  for (const pattern of patterns) {
    const [, modifier, source = ''] = /^(~\*?) ?(.*)$/s.exec(pattern) ?? [];
    assert.equal(blowUp(source, modifier === '~*'), undefined, pattern);
  }
});

const hugeOnes = [
  '(a{1000}){1000}',
  `${'('.repeat(6)}|${'){1000}'.repeat(6)}`,
  `${'('.repeat(9000)}a${')'.repeat(9000)}`,
];
const wideOnes = ['^/(?:a?b?c?d?e?f?g?h?i?j?k?){9}$', '(?:(?:[a-z]?[0-9]?){90}x)*y', `^/(${'(?:a|b|c)?'.repeat(300)})`];
for (const source of [...hugeOnes, ...wideOnes])
  test(`regex safety: ${source.slice(0, 40)} is judged by a bounded amount of work`, () => {
    const took = milliseconds(() => blowUp(source, false));
    assert.ok(took < maxMilliseconds, `${took} ms`);
  });

test('regex safety: what cannot be judged is refused as that', () => {
  assert.match(blowUp(`${'('.repeat(6)}|${'){1000}'.repeat(6)}`, false) ?? '', /^cannot be judged/);
  assert.match(blowUp('(?<=a{1,3})b', false) ?? '', /^cannot be judged/);
});

/** nginx's configuration language: words, quotes, blocks, includes, and the place of everything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '../../../src/core/errors.ts';
import { word } from '../../../src/interop/front-proxies/nginx-text.ts';
import { type Directive, type Include, parseNginx } from '../../../src/interop/nginx/parse.ts';
import { hasOuterAlternatives, readPattern } from '../../../src/interop/nginx/pattern.ts';
import { readSize, readTime } from '../../../src/interop/nginx/units.ts';
import { trials } from '../../support/tools/properties.ts';

const nothing: Include = () => undefined;
const read = (text: string, include: Include = nothing) => parseNginx({ file: 'nginx.conf', text }, include);

/** Names, words and blocks without their places. */
function shape(directives: readonly Directive[]): unknown[] {
  return directives.map(({ name, args, body }) => (body ? [name, ...args, shape(body)] : [name, ...args]));
}

test('nginx parse: words, blocks and comments', () => {
  const { directives } = read(`
    user www; # a comment; with { signs }
    http { server{listen 80;location / {}} }
    log_format main '$a "b"' "it's" a#b;
    include_like ${'$'}{a}b {}
  `);
  assert.deepEqual(shape(directives), [
    ['user', 'www'],
    [
      'http',
      [
        [
          'server',
          [
            ['listen', '80'],
            ['location', '/', []],
          ],
        ],
      ],
    ],
    ['log_format', 'main', '$a "b"', "it's", 'a#b'],
    ['include_like', `${'$'}{a}b`, []],
  ]);
});

test('nginx parse: escapes are taken off as nginx does, in quotes and outside of them', () => {
  const words = (text: string) => read(`x ${text};`).directives[0]?.args;
  assert.deepEqual(words('"a\\"b" \'c\\\'d\' e\\"f'), ['a"b', "c'd", 'e"f']);
  assert.deepEqual(words('\\.php$ "\\.php$" \\\\d "\\\\d" \\d'), ['\\.php$', '\\.php$', '\\d', '\\d', '\\d']);
  assert.deepEqual(words('"a\\nb\\tc" a\\ b a\\;b'), ['a\nb\tc', 'a\\ b', 'a\\;b']);
  assert.deepEqual(words('"" \'\''), ['', '']);
  assert.deepEqual(words('"a{b};" "x y"'), ['a{b};', 'x y']);
});

test('nginx parse: what our own exports write is read back word for word', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      const plain = text.replace(/[\t\r\n]/g, '');
      fc.pre(plain !== '');
      assert.deepEqual(read(`x ${word(plain)};`).directives[0]?.args, [plain]);
    }),
    trials(),
  );
});

test('nginx parse: every directive has its place', () => {
  const { directives } = read('a 1;\n  b {\n\tc "x\ny" d; e;\n}\n');
  const [first, block] = directives;
  assert.deepEqual(first?.place, { file: 'nginx.conf', line: 1, column: 1 });
  assert.deepEqual(block?.place, { file: 'nginx.conf', line: 2, column: 3 });
  assert.deepEqual(
    block?.body?.map(({ place: { line, column } }) => [line, column]),
    [
      [3, 2],
      [4, 7],
    ],
  );
});

test('nginx parse: blocks of Lua are skipped with the braces and quotes in them', () => {
  const { directives } = read(`
    content_by_lua_block {
      -- a comment with }
      local a = "}" .. '\\'}' .. [[ } ]] --[[ } ]] .. [==[ ]] } ]==]
      if a then return { b = { 1 } } end
    }
    next 1;`);
  assert.deepEqual(shape(directives), [['content_by_lua_block'], ['next', '1']]);
  assert.equal(directives[1]?.place.line, 7);
});

test('nginx parse: what nginx would not read is refused with the place', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    'a {': /nginx\.conf:1:1 {2}the block that begins here has no end/,
    'a 1;\n }': /nginx\.conf:2:2 {2}a } closes no block/,
    'a 1': /1:1 {2}the directive that begins here has no end/,
    'a }': /1:1 {2}the directive/,
    'a;\n ;': /2:2 {2}a ; stands where a directive begins/,
    '{': /1:1 {2}a \{ stands/,
    'a "b;\n': /1:3 {2}a quote is not closed/,
    'a "b"c;': /1:6 {2}a letter stands right behind/,
    'include a b;': /1:1 {2}include takes one file/,
    'x_by_lua_block { "': /1:1 {2}the block of Lua has no end/,
  };
  for (const [text, message] of Object.entries(cases))
    assert.throws(
      () => read(text),
      (error: unknown) => error instanceof OperatorError && message.test(error.message) && error.hint !== undefined,
      text,
    );
  assert.throws(() => read('a { '.repeat(100)), OperatorError);
});

test('nginx parse: a message repeats nothing of the file, which may hold passwords', () => {
  assert.throws(
    () => read('set $x "s3cret;'),
    (error: unknown) => error instanceof OperatorError && !`${error.message}${error.hint}`.includes('s3cret'),
  );
});

test('nginx parse: includes stand in the place of their directive, with places of their own', () => {
  const files: Readonly<Record<string, string>> = { 'one.conf': 'b 1;\nc 2;', 'deep.conf': 'include one.conf;' };
  const asked: string[][] = [];
  const include: Include = (pattern, from) => {
    asked.push([pattern, from]);
    if (pattern === '*.conf') return Object.entries(files).map(([file, text]) => ({ file, text }));
    const text = files[pattern];
    return text === undefined ? undefined : [{ file: pattern, text }];
  };
  const { directives, missed } = read('a { include *.conf; include none.conf; }', include);
  const [block] = directives;
  assert.deepEqual(
    block?.body?.map(({ name, place: { file, line } }) => `${name} ${file}:${line}`),
    ['b one.conf:1', 'c one.conf:2', 'b one.conf:1', 'c one.conf:2'],
  );
  assert.deepEqual(asked, [
    ['*.conf', 'nginx.conf'],
    ['one.conf', 'deep.conf'],
    ['none.conf', 'nginx.conf'],
  ]);
  assert.deepEqual(
    missed.map(({ pattern, place }) => [pattern, place.column]),
    [['none.conf', 21]],
  );
});

test('nginx parse: includes in a circle, and ever more of them, come to an end', () => {
  const circle: Include = (pattern) => [{ file: pattern, text: 'x 1; include nginx.conf; include other.conf;' }];
  const { directives, missed } = read('include other.conf;', circle);
  assert.ok(directives.length < 10);
  assert.match(missed[0]?.why ?? '', /includes itself/);
  let count = 0;
  const many: Include = () => {
    count += 1;
    return [{ file: String(count), text: 'x 1; include a; include b;' }];
  };
  const { missed: refused } = read('include a;', many);
  assert.ok(count < 5000);
  assert.ok(refused.some(({ why }) => /more than 1000 files/.test(why)));
});

test('nginx parse: any text is read or refused with an OperatorError, and never anything else', () => {
  const piece = fc.oneof(
    fc.constantFrom(...['{', '}', ';', '"', "'", '\\', '$', '${', '#', '\n', ' ', '\t', '\r', '--[[', ']]', '[=[']),
    fc.constantFrom(
      'server',
      'location',
      'include',
      'x_by_lua_block',
      'if',
      '/',
      '~',
      '=',
      'a b',
      '\u{1f600}',
      '\0',
      '\ud800',
    ),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      try {
        read(pieces.join(''));
      } catch (error) {
        assert.ok(error instanceof OperatorError, String(error));
      }
    }),
    trials(2000),
  );
});

test('nginx patterns: what PCRE and JavaScript write differently is put in JavaScript’s words', () => {
  const cases: Readonly<Record<string, string>> = {
    '\\.(png|jpe?g)$': '\\.(png|jpe?g)$',
    '^/a\\-b\\_c\\ d': '^/a-b_c d',
    '[[:alpha:]_-]+': '[A-Za-z_\\-]+',
    '[\\w-.]': '[\\w\\-.]',
    '[]a]': '[\\]a]',
    '[^[]': '[^\\[]',
    '^/a{b}': '^/a\\{b\\}',
    '^/x]': '^/x\\]',
    '(?P<n>a)(?P=n)?': '',
    '(?P<n>a)': '(?<n>a)',
    "(?'n'a)\\k<n>": '(?<n>a)\\k<n>',
    '\\A/x\\z': '^/x$',
    '(*UTF8)é': 'é',
    'a{2,3}?b': 'a{2,3}?b',
    '\\x41\\x{1F600}': '\\x41\\u{1F600}',
    '\\h+': '[ \\t]+',
  };
  for (const [pattern, source] of Object.entries(cases)) {
    const reading = readPattern(pattern);
    if (source === '') assert.equal(reading.kind, 'unreadable', pattern);
    else assert.deepEqual(reading, { kind: 'ok', source, insensitive: false }, pattern);
  }
  assert.deepEqual(readPattern('(?i)^/X'), { kind: 'ok', source: '^/X', insensitive: true });
});

test('nginx patterns: of what has no counterpart it is said why, and with what its paths begin', () => {
  const begins = (pattern: string) => {
    const reading = readPattern(pattern);
    return reading.kind === 'unreadable' ? reading.begins : undefined;
  };
  assert.equal(begins('^/admin/(?>x)'), '/admin/');
  assert.equal(begins('^/admi?(?>x)'), '/adm');
  assert.equal(begins('^/admin(?>x)|^/b'), '');
  assert.equal(begins('/admin(?>x)'), '');
  assert.equal(begins('(?i)^/admin(?>x)'), '');
  assert.equal(begins('^/a++'), '/a');
  for (const pattern of [
    'a*+',
    '\\Qa.b\\E',
    '(?R)',
    '(?|a|b)',
    '[[:^alpha:]]',
    '(?#x)a',
    '\\Ga',
    'a\\',
    '[a',
    '(a',
    '(?s:a)',
  ])
    assert.equal(readPattern(pattern).kind, 'unreadable', pattern);
});

test('nginx patterns: any text has a reading, and what is read compiles', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom(...'ab[]()\\{}?*+|^$.-:<>=!d1,'.split(''))).map((a) => a.join('')),
      ),
      (text) => {
        const reading = readPattern(text);
        if (reading.kind === 'ok') assert.doesNotThrow(() => new RegExp(reading.source, 'u'));
      },
    ),
    trials(2000),
  );
  assert.equal(hasOuterAlternatives('^/a|b'), true);
  assert.equal(hasOuterAlternatives('^/(a|b)[|]\\|'), false);
});

test('nginx units: times and sizes become those of our configuration', () => {
  const times = {
    '60': '1m',
    '90s': '90s',
    '1h 30m': '90m',
    '1d': '24h',
    '500ms': '500ms',
    '1M': '720h',
    '0': undefined,
    '5 x': undefined,
  };
  for (const [text, time] of Object.entries(times)) assert.equal(readTime(text), time, text);
  const sizes = {
    '0': 0,
    '10m': '10mb',
    '1G': '1gb',
    '8k': '8kb',
    '1000': '1000b',
    '2048': '2kb',
    '1.5m': undefined,
    x: undefined,
  };
  for (const [text, size] of Object.entries(sizes)) assert.equal(readSize(text), size, text);
});

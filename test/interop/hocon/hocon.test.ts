/** HOCON as XiVO's files have it: what is read, what is refused and where, and that nothing is fetched or run. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are substitutions of HOCON
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '../../../src/core/errors.ts';
import { type HoconNode, readHocon } from '../../../src/interop/hocon/hocon.ts';
import { trials } from '../../support/tools/properties.ts';

const files: Readonly<Record<string, string>> = {
  'inner.conf': 'a { fromInner = yes }\nb = inner',
  'loop.conf': 'include "loop.conf"',
};
const options = {
  file: 'xuc.conf',
  env: { HOME: '/opt/xuc', EMPTY: '' },
  files: (name: string) => (files[name] === undefined ? undefined : { file: name, text: files[name] }),
};

function plain(value: HoconNode['value']): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, node]) => [key, plain(node.value)]));
  return Array.isArray(value) ? value.map((node: HoconNode) => plain(node.value)) : value;
}

const read = (text: string): unknown => plain(readHocon(text, options).root);

const readings: Readonly<Record<string, readonly [text: string, want: unknown]>> = {
  nothing: ['', {}],
  'comments of both kinds': ['# one\na = 1 // two\n//three\nb = "x # y" # z', { a: '1', b: 'x # y' }],
  'braces around it all': ['{ "a": { "b": [1, "two"] } }', { a: { b: ['1', 'two'] } }],
  'equals, colon, nothing before a brace': ['a = 1\nb : 2\nc { d = 3 }', { a: '1', b: '2', c: { d: '3' } }],
  'commas and line breaks between settings': ['a=1, b=2\nc=3,\nd=4', { a: '1', b: '2', c: '3', d: '4' }],
  'dotted keys, and quotes in them': ['a.b.c = 1\na."b.c" = 2', { a: { b: { c: '1' }, 'b.c': '2' } }],
  'objects that are merged, later values first': ['a { x = 1 }\na { y = 2 }\na.x = 3', { a: { x: '3', y: '2' } }],
  'an object that replaces text, and text that replaces it': [
    'a = 1\na { b = 2 }\nc { d = 1 }\nc = 2',
    { a: { b: '2' }, c: '2' },
  ],
  'xivo = "" and then braces': ['xivo = ""\nxivo {}', { xivo: {} }],
  'words without quotes keep the blanks between them': ['a = 7 days  \nb = one  two', { a: '7 days', b: 'one  two' }],
  'text in quotes keeps its own': ['a = "  x  "', { a: '  x  ' }],
  escapes: ['a = "tab\\t quote\\" \\u00e9 back\\\\slash"', { a: 'tab\t quote" é back\\slash' }],
  'three quotation marks': ['a = """one "two"\n three\\n"""', { a: 'one "two"\n three\\n' }],
  null: ['a = null', { a: null }],
  'lists, on lines or with commas': ['a = [1, 2\n3,]\na += 4', { a: ['1', '2', '3', '4'] }],
  'lists and objects that are joined': [
    'a = [1] [2]\nb = { x = 1 } { y = 2 }',
    { a: ['1', '2'], b: { x: '1', y: '2' } },
  ],
  'substitutions, also of what comes later': [
    ['a = ${b}/x', 'b = "y"', 'c = ${a}"-"${b}'].join('\n'),
    { a: 'y/x', b: 'y', c: 'y/x-y' },
  ],
  'a substitution of itself is what stood before': [['p = "/a"', 'p = ${p}":/b"'].join('\n'), { p: '/a:/b' }],
  'a substitution of an object, added to': [
    ['b = { x = 1 }', 'a = ${b} { y = 2 }', 'a.z = 3'].join('\n'),
    { b: { x: '1' }, a: { x: '1', y: '2', z: '3' } },
  ],
  'the environment where there is no such key': ['a = ${HOME}/x', { a: '/opt/xuc/x' }],
  'an optional substitution of nothing leaves the key out': [
    ['a = ${?NOTHING}', 'b = x${?NOTHING}y'].join('\n'),
    { b: 'xy' },
  ],
  'an include, later settings over it': [
    'include "inner.conf"\na.own = 1\nb = outer',
    { a: { fromInner: 'yes', own: '1' }, b: 'outer' },
  ],
  'an include within braces': ['x { include file("inner.conf") }', { x: { a: { fromInner: 'yes' }, b: 'inner' } }],
  'include as a key': ['include = 1', { include: '1' }],
  'Windows line ends and a byte order mark': ['\ufeffa = 1\r\nb = 2\r\n', { a: '1', b: '2' }],
};

for (const [name, [text, want]] of Object.entries(readings))
  test(`hocon: ${name}`, () => assert.deepEqual(read(text), want));

const refusals: Readonly<Record<string, readonly [text: string, where: string, what: RegExp]>> = {
  'an include of an address': ['a = 1\ninclude url("http://127.0.0.1:1/x.conf")', '2:1', /nothing is fetched/],
  'an include of an address in plain quotes': ['include "https://example.com/x.conf"', '1:1', /nothing is fetched/],
  'an include of an address that is required': [
    'include required(url("file:///etc/passwd"))',
    '1:1',
    /nothing is fetched/,
  ],
  'an include that must be there and is not': ['include required("nothing.conf")', '1:1', /no file nothing\.conf/],
  'an include of itself': ['include "loop.conf"', '1:1', /includes itself/],
  'two settings on one line': ['a = "x" b = "y"', '1:11', /= stands in a value/],
  'a setting behind an include': ['include "inner.conf" a = 1', '1:22', /on a line of its own/],
  'an address without quotes': ['url = ldap://host:389', '1:11', /: stands in a value/],
  'a key without a value': ['a {\n  b =\n}', '2:3', /no value/],
  'a quotation mark that does not close': ['a = "x\nb = 1', '1:5', /does not close/],
  'a brace that does not close': ['a {\n b = 1\n', '3:1', /a brace that was opened/],
  'a brace too many': ['a = 1\n}', '2:1', /never opened/],
  'a list that does not close': ['a = [1, 2', '1:10', /list/],
  'a substitution of nothing': [['', 'a = ${NOTHING}'].join('\n'), '2:5', /stands for nothing/],
  'substitutions in a circle': [['a = ${b}', 'b = ${a}'].join('\n'), '2:5', /stands for nothing/],
  'an unknown escape': ['a = "\\x"', '1:5', /escape/],
  'text and a list joined': ['a = x [1]', '1:5', /cannot be joined/],
};

for (const [name, [text, where, what]] of Object.entries(refusals))
  test(`hocon: ${name} is refused, with its place`, () =>
    assert.throws(
      () => read(text),
      (error) => {
        assert.ok(error instanceof OperatorError, String(error));
        assert.match(error.message, what);
        assert.match(error.message, new RegExp(`\\.conf:${where}  `));
        return true;
      },
    ));

test('hocon: what XiVO keeps inside its program is noted and left out', () => {
  const { root, leftOut } = readHocon('include "application.conf"\ninclude classpath("inner.conf")\na = 1', options);
  assert.deepEqual(plain(root), { a: '1' });
  assert.deepEqual(
    leftOut.map(({ line, what }) => [line, what]),
    [
      [1, 'include "application.conf"'],
      [2, 'include "inner.conf"'],
    ],
  );
});

test('hocon: each value knows its file, line and column', () => {
  const { root } = readHocon('include "inner.conf"\n\n  c = 1', options);
  assert.deepEqual(root.get('c')?.at && { ...root.get('c')?.at, text: undefined, kind: undefined }, {
    file: 'xuc.conf',
    line: 3,
    column: 7,
    kind: undefined,
    text: undefined,
  });
  assert.equal(root.get('b')?.at.file, 'inner.conf');
});

test('hocon: substitutions that double with each line end in an error, not in a full memory', () => {
  const lines = Array.from({ length: 40 }, (_, index) => `a${index} = ${'${a'}${index + 1}}${'${a'}${index + 1}}`);
  assert.throws(() => read([...lines, 'a40 = x'].join('\n')), /too many/);
});

test('hocon: a mistake repeats no word of the file, which could be a piece of a password', () => {
  for (const text of [
    'managerPassword = ab,hunter2',
    'managerPassword = hunter2:x',
    'p = "hunter2" hunter2 = 1',
    'p = hunter2$x',
    'p = ${hunter2}',
  ])
    assert.throws(
      () => read(text),
      (error) => error instanceof OperatorError && !`${error.message}${error.hint}`.includes('hunter2'),
      text,
    );
});

test('hocon: any text is read or refused, and JSON is read as JSON reads it', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '=',
    ':',
    ',',
    '\n',
    ' ',
    'a',
    'b.c',
    '"x"',
    '"',
    '${a}',
    '${?b}',
    '+=',
    '#',
    '//',
    'include',
    '"""',
    '\\',
    '$',
    'null',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 25 }), (words) => {
      try {
        read(words.join(''));
      } catch (error) {
        assert.ok(error instanceof OperatorError, String(error));
      }
    }),
    trials(2000),
  );
  const asText = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (_, part) =>
      typeof part === 'number' || typeof part === 'boolean' ? String(part) : part,
    );
  const key = fc.string({ minLength: 1 }).filter((name) => name !== '__proto__' && name.trim() === name);
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean());
  const { tree } = fc.letrec((tie) => ({
    tree: fc.dictionary(key, fc.oneof({ maxDepth: 4 }, scalar, fc.array(scalar), tie('tree')), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(tree, (value) => assert.deepEqual(read(JSON.stringify(value, undefined, 1)), asText(value))),
    trials(),
  );
});

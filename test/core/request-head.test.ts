/** Header lines as a value: what they say, which two servers could read differently, and that bytes and lists give the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderLines } from '../../src/core/request-head.ts';
import { trials } from '../support/tools/properties.ts';

const lines = (...raw: string[]) => new HeaderLines(raw);

test('head: names are read without case, values stay in order, and each line is kept as it came', () => {
  const head = lines('SOAPAction', '"a"', 'Accept', 'text/html', 'accept', 'b, ,c', 'soapACTION', '"b"');
  assert.deepEqual(head.named('soapaction'), ['"a"', '"b"']);
  assert.deepEqual(head.list('accept'), ['text/html', 'b', 'c']);
  assert.deepEqual(head.named('absent'), []);
  assert.equal(head.has('accept'), true);
  const seen: string[][] = [];
  head.each((...line) => seen.push(line));
  assert.deepEqual(seen[0], ['soapaction', '"a"', 'SOAPAction']);
  assert.deepEqual(seen[3], ['soapaction', '"b"', 'soapACTION']);
});

test('head: of two lines that differ none is the one value', () => {
  assert.equal(lines('Host', '1').single('host'), '1');
  assert.equal(lines('Host', '1', 'host', '1').single('host'), '1');
  assert.equal(lines('Host', '1', 'host', '2').single('host'), undefined);
  assert.equal(lines().single('host'), undefined);
});

test('head: one line takes the place of all of its name, and others can be left out', () => {
  const head = lines('host', 'a', 'X', '1', 'HOST', 'b');
  assert.deepEqual(head.with('Host', 'c').raw, ['Host', 'c', 'X', '1']);
  assert.deepEqual(head.without((name) => name === 'x').raw, ['host', 'a', 'HOST', 'b']);
});

const faults: readonly (readonly [string, readonly string[]])[] = [
  ['a name without a value', ['Accept']],
  ['a space in a name', ['Accept ', 'x']],
  ['an empty name', ['', 'x']],
  ['a line feed in a value', ['X', 'a\nb']],
  ['two of what counts once', ['Authorization', 'a', 'authorization', 'a']],
  ['an underscore in what counts once', ['Content_Type', 'a']],
  ['a length and a coding', ['Content-Length', '1', 'Transfer-Encoding', 'chunked']],
  ['two lengths', ['Content-Length', '1', 'Content-Length', '1']],
  ['a length with a sign', ['Content-Length', '+5']],
  ['a coding beside chunked', ['Transfer-Encoding', 'gzip, chunked']],
];
for (const [name, raw] of faults)
  test(`head: ${name} is a fault`, () => assert.equal(typeof new HeaderLines(raw).fault(), 'string'));

test('head: several cookies, tabs and octets beyond ASCII are none', () => {
  assert.equal(lines('Cookie', 'a=1', 'cookie', 'b=2', 'X', 'a\tb', 'Y', '\xe4\x80').fault(), undefined);
});

test('head: the end of a body has one judge', () => {
  assert.deepEqual(lines().framing(), { kind: 'none' });
  assert.deepEqual(lines('content-length', '0').framing(), { kind: 'none' });
  assert.deepEqual(lines('content-length', '17').framing(), { kind: 'length', bytes: 17 });
  assert.deepEqual(lines('Transfer-Encoding', ' Chunked').framing(), { kind: 'chunked' });
  assert.equal(lines('Transfer-Encoding', 'chunked').framing(0).kind, 'faulty');
  assert.equal(lines('Transfer_Encoding', 'chunked').framing().kind, 'faulty');
  assert.equal(lines('Content_Length', '1').framing().kind, 'faulty');
});

test('head: Node’s own form joins what is a list, and takes the first of what counts once', () => {
  const raw = ['Cookie', 'a=1', 'cookie', 'b=2', 'Accept', 'x', 'accept', 'y', 'Referer', '/1', 'referer', '/2'];
  const { headers, headersDistinct } = new HeaderLines([...raw, '__proto__', 'z', 'Set-Cookie', 'c=3']).toNode();
  assert.deepEqual(
    { ...headers },
    {
      cookie: 'a=1; b=2',
      accept: 'x, y',
      referer: '/1',
      ['__proto__']: 'z',
      'set-cookie': ['c=3'],
    },
  );
  assert.deepEqual(headersDistinct.accept, ['x', 'y']);
});

const name = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}$/);
// No space or tab around it: those belong to the line, not to the value.
const value = fc.stringMatching(/^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,30}[!-~\x80-\xff])?)?$/);
const blank = fc.stringMatching(/^[ \t]{0,3}$/);

test('head: bytes are read as the lines that they hold', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, blank, value, blank), { maxLength: 12 }), (written) => {
      const text = written.map(([key, before, content, after]) => `${key}:${before}${content}${after}\r\n`).join('');
      const head = HeaderLines.fromBytes(Buffer.from(text, 'latin1'));
      assert.deepEqual(
        head?.raw,
        written.flatMap(([key, , content]) => [key, content]),
      );
    }),
    trials(300),
  );
});

for (const block of [
  'A: 1',
  'A: 1\n',
  'A\r\n',
  ': 1\r\n',
  'A : 1\r\n',
  'A: 1\r\n B: 2\r\n',
  'A: 1\r2\r\n',
  'A: \0\r\n',
  '\r\n',
])
  test(`head: ${JSON.stringify(block)} is no block of lines in the strict form`, () =>
    assert.equal(HeaderLines.fromBytes(Buffer.from(block)), undefined));

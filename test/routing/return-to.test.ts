/** Nobody is sent to another site after a login. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { safeReturnTo } from '../../src/routing/return-to.ts';
import { hostileLines } from '../support/tools/hostile-lines.ts';
import { trials } from '../support/tools/properties.ts';

const site = new URL('https://gate.test/');

const good: Record<string, string> = {
  '/': '/',
  '/app': '/app',
  '/app/?x=1&y=%2F': '/app/?x=1&y=%2F',
  '/app?next=https://gate.test//x': '/app?next=https://gate.test//x',
  '/app#part': '/app',
  '/caf%c3%a9': '/caf%C3%A9',
  '/a%2Fb': '/a%2Fb',
  '/@x': '/@x',
  '/evil.test': '/evil.test',
};
for (const [value, want] of Object.entries(good))
  test(`return: ${value} leads to ${want}`, () => assert.equal(safeReturnTo(value, site), want));

test('return: nothing and far too much lead to the root', () => {
  assert.equal(safeReturnTo(undefined, site), '/');
  assert.equal(safeReturnTo('', site), '/');
  assert.equal(safeReturnTo(`/${'a'.repeat(5000)}`, site), '/');
});

test('open-redirects.txt: every line leads to the root', () => {
  const lines = hostileLines('open-redirects.txt');
  assert.ok(lines.length > 400, `${lines.length} lines`);
  assert.deepEqual(
    lines.filter((line) => safeReturnTo(line, site) !== '/'),
    [],
  );
  // As the browser sends it, escaped once more in the query.
  for (const line of lines) {
    const value = new URLSearchParams(`return=${encodeURIComponent(line)}`).get('return') ?? undefined;
    assert.equal(safeReturnTo(value, site), '/');
  }
});

const pieces = fc.constantFrom(
  '/',
  '//',
  '\\',
  '.',
  '..',
  '@',
  ':',
  'evil.test',
  'https:',
  '%2f',
  '%5c',
  '%09',
  '\t',
  '\n',
  '\r',
  '\0',
  ' ',
  '?',
  '#',
  '%',
  ';',
  '\u3002',
  '\u2028',
  'javascript:',
  '%2e',
  '[',
  ']',
);
const anything = fc.oneof(
  fc.array(pieces, { maxLength: 10 }).map((parts) => parts.join('')),
  fc.array(pieces, { maxLength: 10 }).map((parts) => `/${parts.join('')}`),
  fc.string({ unit: 'binary' }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
);

test('property: whatever the value, the browser stays on the site, and asking again changes nothing', () => {
  fc.assert(
    fc.property(
      anything,
      fc.constantFrom('https://gate.test', 'http://localhost:8080', 'https://gate.test:8443'),
      (value, origin) => {
        const result = safeReturnTo(value, new URL(origin));
        assert.equal(new URL(result, origin).origin, origin);
        assert.equal(new URL(result, `${origin}/deep/page?x`).origin, origin);
        assert.match(result, /^\/(?![/\\])[\x21-\x7e]*$/);
        assert.equal(safeReturnTo(result, new URL(origin)), result);
      },
    ),
    trials(20_000),
  );
});

/** The session cookie: its name and attributes, reading it from hostile headers, keeping it from upstreams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearedCookie, cookieName, readCookie, sessionCookie, stripCookie } from '../../src/sessions/cookie.ts';

const https = new URL('https://cc.example.com');
const http = new URL('http://localhost:8080');

test('on https the cookie is bound to the host and to https', () => {
  assert.equal(cookieName(https), '__Host-gatehouse');
  assert.equal(sessionCookie(https, 'abc'), '__Host-gatehouse=abc; Path=/; Secure; HttpOnly; SameSite=Lax');
  assert.equal(clearedCookie(https), '__Host-gatehouse=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0');
});

test('on http the cookie has a plain name, as browsers refuse the other', () => {
  assert.equal(cookieName(http), 'gatehouse');
  assert.equal(sessionCookie(http, 'abc'), 'gatehouse=abc; Path=/; HttpOnly; SameSite=Lax');
  assert.equal(clearedCookie(http), 'gatehouse=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0');
});

const reads: Readonly<Record<string, [header: string | string[] | undefined, want: string | undefined]>> = {
  'no header': [undefined, undefined],
  'an empty header': ['', undefined],
  'ours alone': ['gatehouse=abc', 'abc'],
  'ours among others': ['a=1; gatehouse=abc; b=2', 'abc'],
  'ours without blanks': ['a=1;gatehouse=abc;b=2', 'abc'],
  'ours with blanks': ['a=1 ;\t gatehouse = abc ', 'abc'],
  'ours twice, alike': ['gatehouse=abc; gatehouse=abc', 'abc'],
  'ours twice, different': ['gatehouse=abc; gatehouse=planted', undefined],
  'ours in two header lines, different': [['gatehouse=abc', 'gatehouse=planted'], undefined],
  'ours in one of two header lines': [['a=1', 'gatehouse=abc'], 'abc'],
  'another case': ['Gatehouse=abc', undefined],
  'a name that begins like ours': ['gatehouse2=abc; gatehouse-flow=x', undefined],
  'a name that ends like ours': ['xgatehouse=abc', undefined],
  'our name inside a value': ['a=gatehouse=abc', undefined],
  'an equals sign in the value': ['gatehouse=a=b', 'a=b'],
  'our name without a value': ['gatehouse', undefined],
  'only signs': ['=;;=;=', undefined],
};
for (const [what, [header, want]] of Object.entries(reads)) {
  test(`reading the cookie: ${what}`, () => assert.equal(readCookie(header, 'gatehouse'), want));
}

const strips: Readonly<Record<string, [header: string | string[] | undefined, want: string | undefined]>> = {
  'no header': [undefined, undefined],
  'ours alone leaves nothing': ['gatehouse=abc', undefined],
  'all of ours leave nothing': ['gatehouse=a; __Host-gatehouse=b; gatehouse-flow=c; gatehouse-last=d', undefined],
  'others stay as they are': ['a=1; gatehouse=abc; b="x y"; c', 'a=1; b="x y"; c'],
  'the login cookies of https go too': ['__Host-gatehouse-flow=a; x=1; __Host-gatehouse-last=b', 'x=1'],
  'another case goes too': ['GATEHOUSE=a; __HOST-Gatehouse=b; x=1', 'x=1'],
  'our name without a value goes too': ['gatehouse; x=1', 'x=1'],
  'our name with blanks goes too': [' gatehouse =abc;x=1', 'x=1'],
  'several header lines': [['x=1', 'gatehouse=abc', 'y=2'], 'x=1; y=2'],
  'only signs leave nothing': ['; ;', undefined],
};
for (const [what, [header, want]] of Object.entries(strips)) {
  test(`stripping cookies: ${what}`, () => assert.equal(stripCookie(header), want));
}

test('further names can be stripped', () => {
  assert.equal(stripCookie('portal-theme=dark; x=1', ['Portal-']), 'x=1');
});

test('thousands of cookies are read in no time', () => {
  const header = `${Array.from({ length: 5000 }, (_, i) => `c${i}=${i}`).join('; ')}; gatehouse=abc`;
  const start = performance.now();
  assert.equal(readCookie(header, 'gatehouse'), 'abc');
  assert.ok(!stripCookie(header)?.includes('gatehouse'));
  assert.ok(performance.now() - start < 200);
});

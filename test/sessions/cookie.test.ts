/** The session cookie: its name and attributes, reading it from hostile headers, keeping it from upstreams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearedCookie, cookieName, readCookie, sessionCookie } from '../../src/sessions/cookie.ts';

const https = new URL('https://cc.example.com');
const http = new URL('http://localhost:8080');

test('on https the cookie is bound to the host and to https', () => {
  assert.equal(cookieName(https), '__Host-gatehouse');
  assert.equal(sessionCookie(https, 'abc'), '__Host-gatehouse=abc; Path=/; HttpOnly; SameSite=Lax; Secure');
  assert.equal(clearedCookie(https), '__Host-gatehouse=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure');
});

test('on http the cookie has a plain name, as browsers refuse the other', () => {
  assert.equal(cookieName(http), 'gatehouse');
  assert.equal(sessionCookie(http, 'abc'), 'gatehouse=abc; Path=/; HttpOnly; SameSite=Lax');
  assert.equal(clearedCookie(http), 'gatehouse=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax');
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

test('thousands of cookies are read', () => {
  const header = `${Array.from({ length: 5000 }, (_, i) => `c${i}=${i}`).join('; ')}; gatehouse=abc`;
  assert.equal(readCookie(header, 'gatehouse'), 'abc');
});

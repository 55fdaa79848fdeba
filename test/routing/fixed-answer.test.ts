/** What a redirect and a fixed answer may say, and where a redirect leads whatever was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixedAnswerOf, fixedOptions, redirectLocation } from '../../src/routing/fixed-answer.ts';

const uri = `\${uri}`;

function answerOf(words: object) {
  const reading = fixedOptions.safeParse(words);
  return reading.success
    ? fixedAnswerOf(reading.data)
    : reading.error.issues.flatMap((issue) => [issue.message, JSON.stringify(issue)]).join(' ');
}

test('fixed answers: as they are written, with their defaults (9 B6)', () => {
  assert.deepEqual(answerOf({ redirect: '/ccagent/' }), { kind: 'redirect', to: '/ccagent/', status: 302 });
  assert.deepEqual(answerOf({ redirect: { to: `https://b.test:8443${uri}`, status: 308 } }), {
    kind: 'redirect',
    to: `https://b.test:8443${uri}`,
    status: 308,
  });
  assert.deepEqual(answerOf({ respond: { body: 'ok' } }), {
    kind: 'respond',
    status: 200,
    body: 'ok',
    type: 'text/plain',
  });
  assert.equal(answerOf({}), undefined);
});

for (const [to, fault] of [
  ['', /must be/],
  ['app', /must be a path such as/],
  ['ftp://a/', /must be a path such as/],
  ['javascript:alert(1)', /must be a path such as/],
  ['//evil.test/', /two slashes/],
  [`/${uri}`, /two slashes/],
  [`https://${uri}`, /no host name/],
  ['https:///x', /no host name/],
  [`https://a.test@b.test/`, /no host name/],
  [uri, /was asked for/],
  ['/a b', /no address has/],
  ['/a\r\nset-cookie: x', /no address has/],
  ['/\\evil.test', /no address has/],
  ['/é', /no address has/],
  ['/x$request_uri', /variable/],
  [`/x\${host}`, /variable/],
] as const)
  test(`fixed answers: a redirect to ${JSON.stringify(to)} is an error (9 B6)`, () => {
    assert.match(String(answerOf({ redirect: to })), fault);
    assert.match(String(answerOf({ redirect: { to } })), fault);
  });

test('fixed answers: statuses, types and bodies that are none (9 B6)', () => {
  for (const status of [200, 300, 304, '302']) assert.match(String(answerOf({ redirect: { to: '/', status } })), /302/);
  for (const status of [100, 199, 302, 304, 600, 20.5])
    assert.equal(typeof answerOf({ respond: { status } }), 'string');
  assert.match(String(answerOf({ respond: { status: 302 } })), /there is redirect/);
  assert.match(String(answerOf({ respond: { status: 204, body: 'x' } })), /take it out/);
  assert.match(String(answerOf({ respond: { type: 'text/html\r\nx: y' } })), /media type/);
});

test('fixed answers: whatever is asked for stays behind the host that is written (9 B6)', () => {
  const at = (path: string, query = '') => redirectLocation(`https://new.test${uri}`, { path, query });
  assert.equal(at('/a', '?b=$&c=$1'), 'https://new.test/a?b=$&c=$1');
  for (const path of ['/', '/@evil.test', '/.evil.test', '/%5Cevil.test', '/:8080'])
    assert.equal(new URL(at(path)).host, 'new.test');
});

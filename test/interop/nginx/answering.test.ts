/** What nginx answers by itself: which of it becomes a route, and which stays closed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destination, readAnswer, redirectOfRewrite } from '../../../src/interop/nginx/answering.ts';

const values = new Map([['site', 'cc']]);
const uri = `\${uri}`;

for (const [args, expected] of [
  [['302', '/ccagent/'], { redirect: '/ccagent/' }],
  [['301', 'https://b.test$request_uri'], { redirect: { to: `https://b.test${uri}`, status: 301 } }],
  [['308', '$scheme://$host/x'], { redirect: { to: '/x', status: 308 } }],
  [['https://b.test/'], { redirect: 'https://b.test/' }],
  [['302', '/$site/'], { redirect: '/cc/' }],
  [['302', '/new$uri$is_args$args'], { redirect: `/new${uri}` }],
  [['200', 'ok'], { respond: { status: 200, body: 'ok', type: 'application/json' } }],
  [['204'], { respond: { status: 204 } }],
  [['503', 'soon'], { respond: { status: 503, body: 'soon', type: 'application/json' } }],
  [['404'], undefined],
  [['302'], undefined],
] as const)
  test(`nginx answers: return ${args.join(' ')} (9 B6)`, () =>
    assert.deepEqual(readAnswer(args, values, 'application/json'), expected));

test('nginx answers: what depends on the request is no answer of a route (9 B6)', () => {
  for (const args of [
    ['302', '/$arg_next'],
    ['302', '/x$uri'],
    ['302', 'https://$host/x'],
    ['200', '$remote_addr'],
  ])
    assert.match(JSON.stringify(readAnswer(args, values, 'text/plain')), /depends on the request/);
  assert.match(JSON.stringify(destination('$http_x', values)), /depends on the request/);
});

test('nginx answers: a rewrite that keeps the whole path, and one that keeps a part of it (9 B6)', () => {
  const kept = (base: string, literal: string) => redirectOfRewrite(`${base}$1`, 'permanent', { base, literal });
  assert.deepEqual(kept('https://b.test/', '/'), { to: `https://b.test${uri}`, status: 301 });
  assert.ok('why' in kept('/new/', '/old/'));
  assert.deepEqual(redirectOfRewrite('/new?', 'redirect', undefined), { to: '/new', status: 302 });
  assert.match(JSON.stringify(redirectOfRewrite('/new', 'redirect', undefined)), /query/);
});

/** Balanced servers as configured: what is refused, and a visitor that stays at one server across workers and restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { formatIssues } from '../../src/config/report.ts';
import { documentSchema } from '../../src/gateway/document.ts';
import { routesOf } from '../../src/gateway/routes.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const read = (upstream: string) => {
  const text = `login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes:\n  - { location: /x/, upstream: ${upstream} }\n`;
  return loadConfig({ schema: documentSchema, file: 'gatehouse.yaml', text, env: {} });
};

const written: readonly (readonly [upstream: string, said: RegExp])[] = [
  ['https://unix:/run/app.sock', /must be http: a Unix socket is of this machine/],
  ['http://unix:run/app.sock', /must name a Unix socket as http:\/\/unix:\/run\/app\.sock/],
  ['http://unix:/run/app.sock:app', /must name a Unix socket as/],
  [`http://unix:/${'x'.repeat(107)}`, /a path of up to 107 bytes/],
  ['{ servers: [{ url: http://a, weight: 0 }, http://b] }', /servers\[0\]\.weight: must be/],
  ['{ servers: [{ url: http://a, weight: 1.5 }, http://b] }', /servers\[0\]\.weight: must be/],
  ['{ servers: [{ url: http://a, backup: yes }, http://b] }', /servers\[0\]\.backup: must be true or false/],
  [
    '{ servers: [{ url: http://a, backup: true }, { url: http://b, backup: true }] }',
    /upstream: has backup servers only/,
  ],
  ['{ servers: [{ uri: http://a }, http://b] }', /servers\[0\]/],
  ['{ servers: [http://a, http://b], sticky: ip }', /upstream\.sticky: must be one of cookie, address/],
  ['{ servers: http://a, sticky: cookie }', /upstream: has sticky: cookie and one server/],
  ['{ servers: [http://a, http://a], sticky: cookie }', /upstream: names http:\/\/a twice/],
  ['{ servers: [http://a, http://b], keepAlive: soon }', /upstream\.keepAlive: must be/],
  ['[http://a/x, http://unix:/run/b.sock]', /upstream: must have the same path on every server/],
];

for (const [upstream, said] of written)
  test(`balancing: upstream: ${upstream.slice(0, 80)} is an error at its place (9 B5)`, () => {
    const result = read(upstream);
    const issues = result.kind === 'invalid' ? result.issues : [];
    assert.match(formatIssues(issues), said);
    assert.match(formatIssues(issues), /gatehouse\.yaml:4/);
  });

test('balancing: servers are written as addresses, with their weights, and as sockets in nginx’s form (9 B5)', () => {
  const result = read(
    '{ servers: [{ url: "http://a:1/p", weight: 5 }, "http://unix:/run/app.sock:/p", { url: "http://b:2/p", backup: true }], sticky: address, keepAlive: 30s }',
  );
  assert.equal(result.kind, 'ok');
  if (result.kind !== 'ok') return;
  const [route] = routesOf(result.value);
  assert.deepEqual(route?.upstream, {
    servers: [
      { origin: 'http://a:1', url: new URL('http://a:1/p'), weight: 5 },
      { origin: 'http://unix:/run/app.sock', url: new URL('http://localhost'), socketPath: '/run/app.sock' },
      { origin: 'http://b:2', url: new URL('http://b:2/p'), isBackup: true },
    ],
    path: '/p',
    sticky: 'address',
    keepAlive: 30_000,
  });
});

test('balancing: a visitor stays at one server on two workers, after a restart and after a reload in another order (9 B5)', async (t) => {
  const upstreams = await Promise.all([startUpstream(t), startUpstream(t), startUpstream(t)]);
  const origins = upstreams.map(({ origin }) => origin);
  const path = await temporaryFolder(t);
  const configOf = (servers: readonly string[]) => ({
    session: { store: { type: 'embedded', path } },
    routes: [{ location: '/', access: 'public', upstream: { servers, sticky: 'cookie' } }],
  });
  const first = await gateway(t, { config: configOf(origins) });
  const visitor = new Visitor(first.url);
  await visitor.fetch('/x');
  const home = upstreams.find(({ received }) => received.length > 0);
  const others = (): number => upstreams.filter((one) => one !== home).flatMap(({ received }) => received).length;
  const second = await gateway(t, { config: configOf(origins.toReversed()) });
  for (const at of [first, second]) {
    const again = new Visitor(at.url);
    for (const [name, value] of visitor.cookies) again.cookies.set(name, value);
    for (let index = 0; index < 3; index += 1) assert.equal((await again.fetch('/x')).headers['set-cookie'], undefined);
  }
  await first.write(configOf([origins[2], origins[0], origins[1]] as string[]));
  await first.running.reload({ actor: 'signal' });
  await visitor.fetch('/x');
  assert.equal(others(), 0);
  assert.ok(home?.received.every(({ values }) => values('cookie').length === 0));
});

/** A site whose only way out is a forward proxy: logins by OpenID Connect and CAS go through it, and nothing else does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { type CasServer, needsCas, shareCas } from '../support/servers/cas-server.ts';
import { type Idp, startIdp } from '../support/servers/oidc-provider.ts';
import { needsTinyproxy, startTinyproxy } from '../support/servers/tinyproxy.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';
import { assertNoSecrets } from '../support/tools/log.ts';
import { until } from '../support/tools/poll.ts';

const lacking = [needsTinyproxy, needsCas].find(({ skip }) => skip !== false) ?? { skip: false as const };
const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`outbound proxy: ${name}`, lacking, run);

const password = 'way-out-5501';

interface SiteOptions {
  readonly server?: Yaml;
  readonly sso?: Yaml;
  readonly env?: Readonly<Record<string, string>>;
  readonly chain?: readonly string[];
}

/** Providers over https, and an application in clear; CAS only where it is in the chain. */
async function site(t: TestContext, { server = {}, sso = {}, env = {}, chain = ['sso', 'local'] }: SiteOptions) {
  const idp = await startIdp(t, { people: { alice: { preferred_username: 'alice' } }, https: true });
  const users = [{ name: 'alice', password: 'alices-4c81' }];
  const cas = chain.includes('campus') ? await shareCas(t, { users, tls: true }) : undefined;
  const upstream = await startUpstream(t);
  const { ca } = testCertificates();
  const gate = await gateway(t, {
    users: [{ name: 'local1', password: 'right-horse-81' }],
    env,
    config: {
      server,
      login: { chain, timeout: '10s' },
      providers: {
        sso: { type: 'oidc', ...idp.options, ...sso },
        ...(cas && { campus: { type: 'cas', url: cas.url, ca } }),
      },
      routes: [{ location: '/', upstream: upstream.origin }],
    },
  });
  idp.register(gate.url, 'sso');
  return { idp, cas, gate, upstream };
}

const pathOf = (url: URL): string => url.pathname + url.search;
const hostOf = (url: string): string => new URL(url).host;

async function leave(visitor: Visitor, provider: string): Promise<URL> {
  const answer = await visitor.open(`/_gate/start/${provider}?return=/app`);
  assert.equal(answer.status, 302);
  return new URL(String(answer.headers.location), visitor.origin);
}

async function assertSignedIn(gate: TestGateway, visitor: Visitor, back: URL | undefined): Promise<void> {
  assert.ok(back);
  assert.equal((await visitor.open(pathOf(back))).headers.location, '/app', gate.lines.at(-1));
  assert.equal((await visitor.fetch('/app')).status, 200);
}

async function signInByOidc(gate: TestGateway, idp: Idp): Promise<void> {
  const visitor = new Visitor(gate.url);
  await assertSignedIn(gate, visitor, await idp.person().signIn(await leave(visitor, 'sso'), 'alice'));
}

async function signInByCas(gate: TestGateway, cas: CasServer): Promise<void> {
  const visitor = new Visitor(gate.url);
  const there = String(await leave(visitor, 'campus'));
  await assertSignedIn(gate, visitor, await cas.browser().visitWithPassword(there, 'alice', 'alices-4c81'));
}

story('logins by both go through the proxy of the environment, applications do not', async (t) => {
  const proxy = await startTinyproxy(t, { user: 'gate', password: 'wayout5501' });
  const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url };
  const server = { outboundProxy: 'env' };
  const { idp, cas, gate } = await site(t, { server, env, chain: ['sso', 'campus', 'local'] });
  assert.ok(cas);
  await signInByOidc(gate, idp);
  await signInByCas(gate, cas);
  const asked = new Set(proxy.requests());
  assert.deepEqual([...asked].sort(), [`CONNECT ${hostOf(idp.issuer)}`, `CONNECT ${hostOf(cas.url)}`].sort());
  assertNoSecrets(gate.lines.join(''), ['wayout5501', btoa('gate:wayout5501')]);
  const checked = await run(['check', '--connect', '--config', gate.file], { env });
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, new RegExp(`proxy .*${proxy.origin} answers, the proxy of HTTPS_PROXY`));
  assert.match(checked.stdout, new RegExp(`tunnel .*the proxy connects to ${hostOf(idp.issuer)}`));
  assertNoSecrets(checked.stdout + checked.stderr, ['wayout5501']);
});

story(
  'an issuer under two names is asked by the internal one through the proxy, and browsers by the public one',
  async (t) => {
    const proxy = await startTinyproxy(t);
    const idp = await startIdp(t, {
      people: { alice: { preferred_username: 'alice' } },
      https: true,
      hasInternal: true,
    });
    const upstream = await startUpstream(t);
    const { ca: _public, ...options } = idp.options as { ca: string };
    const sso = { type: 'oidc', ...options, internalUrl: idp.internalUrl, outboundProxy: proxy.url };
    const gate = await gateway(t, {
      config: {
        login: { chain: ['sso', 'local'], timeout: '10s' },
        providers: { sso },
        routes: [{ location: '/', upstream: upstream.origin }],
      },
    });
    idp.register(gate.url, 'sso');
    await signInByOidc(gate, idp);
    const asked = new Set(proxy.requests());
    for (const line of ['GET /.well-known/openid-configuration', 'GET /jwks', 'POST /request', 'POST /token'])
      assert.ok(asked.has(line.replace(' ', ` ${idp.internalUrl}`)), `${line} in ${[...asked].join(', ')}`);
    assert.ok(![...asked].some((line) => line.includes(hostOf(idp.issuer))), 'the public name is for browsers');
  },
);

story('NO_PROXY, a provider of its own mind and no setting at all go directly', async (t) => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  const ways: readonly SiteOptions[] = [
    { server: { outboundProxy: 'env' }, env: { HTTPS_PROXY: dead, NO_PROXY: 'example.com, 127.0.0.0/8' } },
    { server: { outboundProxy: dead }, sso: { outboundProxy: false } },
    { env: { HTTPS_PROXY: dead } },
  ];
  for (const way of ways) {
    const { idp, gate } = await site(t, way);
    await signInByOidc(gate, idp);
    const { code, stdout, stderr } = await run(['check', '--connect', '--config', gate.file], { env: way.env ?? {} });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /connect .*port \d+ answers, directly/);
    assert.equal(/HTTPS_PROXY is set in the environment and not used/.test(stderr), !way.server, stderr);
  }
});

story('a proxy that is dead or frozen is named, and local accounts come in', async (t) => {
  const sockets = new Set<Socket>();
  const frozen = createServer((socket) => void sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
  await once(frozen, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    frozen.close();
  });
  const dead = await freePort();
  const cases = [
    [
      dead,
      'unreachable',
      /the proxy http:\/\/127\.0\.0\.1:\d+: connect: nothing listens on that port \(after \d+ ms\)/,
    ],
    [(frozen.address() as AddressInfo).port, 'timed-out', /the proxy [^ ]+: CONNECT [^ ]+: no answer within \d+ ms/],
  ] as const;
  for (const [port, reason, says] of cases) {
    const outboundProxy = `http://gate:${password}@127.0.0.1:${port}`;
    const { gate } = await site(t, { server: { outboundProxy }, sso: { timeout: '2s' } });
    const visitor = new Visitor(gate.url);
    const answer = await visitor.open('/_gate/start/sso?return=/app');
    assert.match(String(answer.headers.location), /notice=unavailable/);
    assert.deepEqual(
      gate.audit('login').map((record) => record.reason),
      [reason],
    );
    assert.match(await until('the log names it', () => gate.lines.find((line) => says.test(line))), says);
    await visitor.mustSignIn('local1', 'right-horse-81', '/app');
    const { code, stdout, stderr } = await run(['check', '--connect', '--config', gate.file]);
    assert.equal(code, 1);
    assert.match(stdout, /FAILED {3}(?:proxy|tunnel)/);
    assert.match(stderr, /holds a password in clear/);
    assertNoSecrets(gate.lines.join('') + stdout + stderr, [password]);
  }
});

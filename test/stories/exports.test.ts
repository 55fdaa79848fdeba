/**
 * What `gatehouse export` writes, read by the real nginx, Caddy and HAProxy; and what the suite of all placements leaves
 * out: several hosts, odd locations, https upstreams, kept verdicts, tickets, and a gateway that is away.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { Agent, request } from 'undici';
import { settleExample } from '../support/scenes/example.ts';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { exported } from '../support/scenes/placements.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { needsCaddy, startCaddy, testCaddy } from '../support/servers/caddy.ts';
import { needsHaproxy, testHaproxy } from '../support/servers/haproxy.ts';
import { needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { needsNginx, startNginx, testNginx } from '../support/servers/nginx.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const root = path.resolve(import.meta.dirname, '../..');
const configurations = globSync(['config/gatehouse.yaml', 'config/examples/**/*.yaml'], { cwd: root }).sort();
const { certificate, key } = testCertificates().good;

/** The export of a configuration of the repository; hosts that only its site has become this one. */
async function exportOf(t: TestContext, kind: string, file: string): Promise<string> {
  const { file: settled, env } = await settleExample(t, readFileSync(path.join(root, file), 'utf8'));
  const options = ['--listen', '127.0.0.1:18443', '--certificate', certificate, '--key', key];
  // A proxy in front speaks plain HTTP to the gateway; a configuration that listens on https alone has to be told where.
  if (/(?:https|several-hosts|machines)\.yaml$/.test(file)) options.push('--gateway', 'http://127.0.0.1:8080');
  const { code, stdout, stderr } = await run(['export', kind, '--config', settled, ...options], { env });
  assert.equal(code, 0, stderr);
  return stdout.replace(/(^ *server (?:\S+ )?)[a-z][\w.-]*(:\d+)/gim, '$1127.0.0.1$2');
}

for (const file of configurations) {
  test(`export nginx: nginx takes what is written for ${file}`, needsNginx, async (t) => {
    const { ok, output } = testNginx(await exportOf(t, 'nginx', file));
    assert.ok(ok, output);
    assert.doesNotMatch(output, /\[warn\]/);
  });
  test(`export caddy: Caddy takes what is written for ${file}`, needsCaddy, async (t) => {
    const { ok, output } = await testCaddy(t, await exportOf(t, 'caddy', file));
    assert.ok(ok, output);
  });
  test(`export haproxy: HAProxy takes what is written for ${file}`, needsHaproxy, async (t) => {
    const text = await exportOf(t, 'haproxy', file);
    const pem = path.join(await temporaryFolder(t), 'site.pem');
    writeFileSync(pem, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
    const { ok, output } = await testHaproxy(t, text.replaceAll(/ssl crt \S+/g, `ssl crt ${pem}`));
    assert.ok(ok, output);
    assert.doesNotMatch(output, /\[WARNING\]/);
  });
}

const users = [{ name: 'alice', password: 'right-5512-lamp', groups: ['agents'] }];

interface Front {
  readonly gateway: TestGateway;
  readonly front: URL;
  visitor(): Visitor;
  signedIn(): Promise<Visitor>;
}

/** A gateway and a proxy that runs its export. */
async function proxied(
  t: TestContext,
  kind: 'nginx' | 'caddy',
  config: Yaml,
  change: (text: string) => string = (text) => text,
  options: readonly string[] = [],
): Promise<Front> {
  const port = await freePort();
  const server = { publicUrl: `http://127.0.0.1:${port}`, hosts: ['x.test'], trustedProxies: ['127.0.0.1'] };
  const started = await gateway(t, { users, config: { server, roles: { agent: { groups: ['agents'] } }, ...config } });
  const text = change(await exported(kind, started.file, '--listen', `127.0.0.1:${port}`, ...options));
  if (kind === 'nginx') await startNginx(t, () => text, port);
  else await startCaddy(t, text, port);
  const front = new URL(`http://127.0.0.1:${port}`);
  const visitor = () => new Visitor(front);
  return {
    gateway: started,
    front,
    visitor,
    signedIn: async () => {
      const browser = visitor();
      await browser.mustSignIn('alice', 'right-5512-lamp');
      return browser;
    },
  };
}

const proxies = [
  { kind: 'nginx', needs: needsNginx },
  { kind: 'caddy', needs: needsCaddy },
] as const;

/** A request byte by byte to a host of the site. */
function ask({ front }: Front, host: string, target: string, ...headers: readonly string[]) {
  return sendRaw(front, requestOf([`GET ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers]), {
    silence: 5000,
  });
}

const seen = ({ received }: TestUpstream): string[] => received.splice(0).map(({ url }) => url);

for (const { kind, needs } of proxies) {
  test(
    `export ${kind}: a preflight reaches its application without a user, and refusals bear CORS lines`,
    needs,
    async (t) => {
      const upstream = await startUpstream(t);
      const origin = 'https://crm.example';
      const front = await proxied(t, kind, {
        routes: [
          { location: '/pass/', upstream: upstream.origin, preflight: 'pass' },
          { location: '/crm/', upstream: upstream.origin, cors: { origins: [origin], credentials: true } },
        ],
      });
      const alice = await front.signedIn();
      alice.cookies.set('theme', 'dark');
      const preflight = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PATCH' } };
      assert.equal((await alice.fetch('/pass/x', preflight)).status, 200);
      const heard = upstream.only();
      assert.deepEqual([heard.method, heard.values('cookie'), heard.values('x-remote-user')], ['OPTIONS', [], []]);
      const refused = await front.visitor().fetch('/crm/x', { headers: { origin } });
      assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, origin]);
      const answered = await front.visitor().fetch('/crm/x', preflight);
      assert.equal(answered.headers['access-control-allow-origin'], origin);
      assert.equal(answered.status, 204);
      assert.equal(upstream.received.length, 1);
    },
  );
  test(`export ${kind}: networks are judged by the address that the proxy tells`, needs, async (t) => {
    const upstream = await startUpstream(t);
    const networks = ['127.0.0.4/30'];
    const front = await proxied(t, kind, {
      routes: [
        { location: '/lan/', upstream: upstream.origin, access: { public: true, networks } },
        { location: '/either/', upstream: upstream.origin, access: { roles: ['agent'], networks, satisfy: 'any' } },
        { location: '/anybody/', upstream: upstream.origin, access: 'optional' },
      ],
    });
    const from = async (localAddress: string, target: string, headers: Record<string, string> = {}) => {
      const dispatcher = new Agent({ localAddress });
      const response = await request(front.front.origin + target, { headers, dispatcher });
      await response.body.dump();
      await dispatcher.close();
      return response.statusCode;
    };
    const spoofed = { 'x-forwarded-for': '127.0.0.6', 'x-real-ip': '127.0.0.6' };
    assert.equal(await from('127.0.0.6', '/lan/x'), 200);
    assert.equal(await from('127.0.0.9', '/lan/x'), 403);
    assert.equal(await from('127.0.0.9', '/lan/x', spoofed), 403);
    assert.equal(await from('127.0.0.6', '/either/x'), 200);
    assert.equal(await from('127.0.0.9', '/either/x', spoofed), 401);
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), []);
    const alice = await front.signedIn();
    assert.equal(await from('127.0.0.6', '/either/x', { cookie: alice.cookieHeader }), 200);
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
    assert.equal(await from('127.0.0.9', '/anybody/x', { 'x-remote-user': 'root' }), 200);
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), []);
    assert.equal(await from('127.0.0.9', '/anybody/x', { cookie: alice.cookieHeader }), 200);
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
  });
  test(`export ${kind}: each host has its own routes and those for all`, needs, async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const front = await proxied(t, kind, {
      routes: [
        { name: 'all', location: '/', upstream: one.origin, access: 'public' },
        { name: 'shared', location: '/shared/', upstream: one.origin, access: 'public' },
        {
          name: 'kibana',
          host: 'kibana.example.com',
          location: '/',
          upstream: two.origin,
          access: { roles: ['agent'] },
        },
        { name: 'wild', host: '*.apps.example.com', location: '/', upstream: two.origin, access: 'public' },
      ],
    });
    assert.equal((await ask(front, 'kibana.example.com', '/x')).status, 401);
    assert.equal((await ask(front, 'KIBANA.example.com:80', '/x')).status, 401);
    assert.equal((await ask(front, 'a.b.apps.example.com', '/wild')).status, 200);
    assert.deepEqual(seen(two), ['/wild']);
    assert.equal((await ask(front, 'kibana.example.com', '/shared/x')).status, 200);
    assert.equal((await ask(front, front.front.host, '/x')).status, 200);
    assert.deepEqual(seen(one), ['/shared/x', '/x']);
    const browser = new Browser(t, Number(front.front.port));
    const address = `http://kibana.example.com:${front.front.port}/x`;
    const { trail, answer } = await browser.signIn(address, 'alice', 'right-5512-lamp');
    assert.deepEqual([answer.status, trail.at(-1)], [200, address]);
    assert.deepEqual(seen(two), ['/x']);
  });

  test(`export ${kind}: locations and names of every spelling come through`, needs, async (t) => {
    const upstream = await startUpstream(t);
    const front = await proxied(t, kind, {
      routes: [
        { name: 'a "name"; of {many} $signs', location: '/a%20b/', upstream: upstream.origin, access: 'public' },
        { name: 'digits', location: '~ ^/n/[0-9]{2,3}\\.(?:x|"y")$', upstream: upstream.origin, access: 'public' },
        { name: 'any case', location: '~* \\.PNG$', upstream: upstream.origin, access: 'public' },
        { name: 'é', location: '/caf%C3%A9/', upstream: upstream.origin, access: 'public' },
      ],
    });
    for (const target of ['/a%20b/c', '/n/12.x', '/n/123.%22y%22', '/p/q.png', '/caf%C3%A9/x'])
      assert.equal((await ask(front, 'x.test', target)).status, 200, target);
    assert.deepEqual(seen(upstream), ['/a%20b/c', '/n/12.x', '/n/123.%22y%22', '/p/q.png', '/caf%C3%A9/x']);
    for (const target of ['/', '/n/1.x', '/n/1234.x', '/elsewhere'])
      assert.equal((await ask(front, 'x.test', target)).status, 404, target);
    assert.deepEqual(seen(upstream), []);
  });

  test(`export ${kind}: escaped slashes and parameters come through where a location takes them`, needs, async (t) => {
    const upstream = await startUpstream(t);
    const own = { upstream: upstream.origin, access: 'public' };
    const front = await proxied(t, kind, {
      routes: [
        { ...own, location: '/files/', encodedSlashes: 'allow' },
        { ...own, location: '/java/', pathParameters: 'allow' },
        { ...own, location: '/' },
      ],
    });
    for (const target of ['/files/a%2Fb', '/java/x;jsessionid=1?y=2'])
      assert.equal((await ask(front, 'x.test', target)).status, 200, target);
    assert.deepEqual(seen(upstream), ['/files/a%2Fb', '/java/x;jsessionid=1?y=2']);
    for (const target of ['/a%2Fb', '/x;y=1', '/files/..%2Fjava/', '/files/a%2F..%2F..%2Fx'])
      assert.equal((await ask(front, 'x.test', target)).status, 400, target);
    assert.deepEqual(seen(upstream), []);
  });

  test(`export ${kind}: an https upstream must prove itself`, needs, async (t) => {
    const { good, wrongName, ca } = testCertificates();
    const tls = (pair: typeof good) => ({ cert: readFileSync(pair.certificate), key: readFileSync(pair.key) });
    const [right, wrong] = [
      await startUpstream(t, { tls: tls(good) }),
      await startUpstream(t, { tls: tls(wrongName) }),
    ];
    const route = (name: string, upstream: TestUpstream) => ({
      name,
      location: `/${name}/`,
      upstream: { servers: upstream.origin, ca, servername: 'localhost' },
      access: 'public',
    });
    const front = await proxied(t, kind, { routes: [route('right', right), route('wrong', wrong)] }, (text) =>
      text.replaceAll(/\/etc\/(?:nginx|caddy)\/gatehouse\/\w+-ca\.pem/g, ca),
    );
    assert.equal((await ask(front, 'x.test', '/right/x')).status, 200);
    assert.equal((await ask(front, 'x.test', '/wrong/x')).status, 502);
    assert.deepEqual([seen(right), seen(wrong)], [['/right/x'], []]);
  });

  test(`export ${kind}: without the gateway nothing passes`, needs, async (t) => {
    const upstream = await startUpstream(t);
    const front = await proxied(t, kind, { routes: [{ location: '/', upstream: upstream.origin, access: 'public' }] });
    assert.equal((await ask(front, 'x.test', '/x')).status, 200);
    await front.gateway.stop();
    assert.ok((await ask(front, 'x.test', '/x')).status >= 500);
    assert.deepEqual(seen(upstream), ['/x']);
  });

  test(`export ${kind}: where the gateway does not trust the proxy, nothing passes`, needs, async (t) => {
    const upstream = await startUpstream(t);
    const front = await proxied(t, kind, {
      server: { trustedProxies: ['192.0.2.1'] },
      routes: [{ location: '/', upstream: upstream.origin, access: 'public' }],
    });
    assert.equal((await ask(front, 'x.test', '/x')).status, 401);
    assert.deepEqual(seen(upstream), []);
  });

  test(`export ${kind}: an upstream can set its own cookies, and none of ours`, needs, async (t) => {
    const upstream = await startUpstream(t);
    const front = await proxied(t, kind, { routes: [{ location: '/', upstream: upstream.origin }] });
    const browser = await front.signedIn();
    const before = browser.cookieHeader;
    await browser.fetch('/headers?set-cookie=mine=1');
    assert.equal(browser.cookieHeader, `${before}; mine=1`);
    await browser.fetch('/headers?set-cookie=gatehouse=planted');
    // docs/behind-nginx.md says that nginx cannot take one cookie out.
    assert.equal(browser.cookieHeader.includes('gatehouse=planted'), kind === 'nginx');
  });

  test(`export ${kind}: a ticket signs in once, with a cookie, and stays away from the upstream`, {
    skip: needs.skip || needsKdc.skip,
  }, async (t) => {
    const [kdc, upstream, port] = [await shareKdc(t), await startUpstream(t), await freePort()];
    const keytab = await kdc.keytab(['HTTP/localhost']);
    const own = { type: 'kerberos', principal: 'HTTP/localhost@EXAMPLE.TEST', keytab, krb5Config: kdc.krb5Config };
    const started = await gateway(t, {
      users,
      config: {
        server: { publicUrl: `http://localhost:${port}`, trustedProxies: ['127.0.0.1'] },
        login: { chain: ['kerberos', 'local'] },
        providers: { kerberos: { ...own, replayCache: path.join(kdc.folder, 'seen') } },
        routes: [{ location: '/', upstream: upstream.origin }],
      },
    });
    const text = await exported(kind, started.file, '--listen', `127.0.0.1:${port}`);
    await (kind === 'nginx' ? startNginx(t, () => text, port) : startCaddy(t, text, port));
    const ticket = await kdc.signIn('alice');
    const jar = path.join(started.folder, 'cookies');
    const first = await curl(['--negotiate', '-u', ':', '-c', jar, `http://localhost:${port}/page`], ticket);
    assert.match(first.head, /^HTTP\/1\.1 200/);
    assert.equal(first.head.match(/^set-cookie: gatehouse=[\w-]{43}; /gim)?.length, 1, first.head);
    assert.deepEqual(upstream.received[0]?.values('x-remote-user'), ['alice']);
    assert.deepEqual(upstream.received[0]?.values('authorization'), []);
    if (kind === 'nginx') assert.match(first.head, /^www-authenticate: Negotiate [A-Za-z0-9+/]{80,}=*\r?$/im);
    const second = await curl(['-b', jar, `http://localhost:${port}/page`], {});
    assert.match(second.head, /^HTTP\/1\.1 200/);
    assert.equal(started.audit('login').length, 1);
    const without = await new Visitor(new URL(`http://localhost:${port}`)).open('/page');
    assert.equal(without.status, 401);
    assert.deepEqual([without.headers['www-authenticate']].flat(), ['Negotiate']);
    assert.match(without.text, /<form/);
  });
}

/** The last head and the body, as curl shows them. */
function curl(
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ head: string; body: string }> {
  return new Promise((resolve, reject) => {
    const all = ['--silent', '--show-error', '--include', '--max-time', '60', ...parameters];
    execFile('curl', all, { env: { ...process.env, ...env } }, (error, out) => {
      if (error) return reject(error);
      const parts = out.split('\r\n\r\n');
      resolve({ body: parts.pop() ?? '', head: parts.pop() ?? '' });
    });
  });
}

test(
  'export nginx: a kept permission spares the gateway the question, and outlives a logout by what was said',
  needsNginx,
  async (t) => {
    const upstream = await startUpstream(t);
    const routes = [{ name: 'home', location: '/', upstream: upstream.origin }];
    const zone = path.join(await temporaryFolder(t), 'verdicts');
    const front = await proxied(t, 'nginx', { routes }, (text) => text.replace('/dev/shm/gatehouse-verdicts', zone), [
      '--cache',
      '2s',
    ]);
    const browser = await front.signedIn();
    const asked = () => front.gateway.audit('request').filter(({ via }) => via === 'forward-auth').length;
    for (let count = 0; count < 5; count += 1) assert.equal((await browser.fetch('/page')).status, 200);
    assert.ok(asked() <= 2, `the gateway was asked ${asked()} times`);
    assert.deepEqual(
      upstream.received.flatMap((request) => request.values('x-remote-user')),
      Array(5).fill('alice'),
    );
    // Another path, another cookie, another method are other questions.
    const before = asked();
    await browser.fetch('/other');
    await browser.fetch('/page', { method: 'POST', body: 'x' });
    assert.equal((await front.visitor().fetch('/page')).status, 401);
    assert.equal(asked(), before + 3);
    const cookie = browser.cookieHeader;
    const out = await browser.open('/_gate/logout');
    await browser.post('/_gate/logout', hiddenFields(out.text));
    const forgotten = until(
      'the permission is forgotten',
      async () => (await front.visitor().fetch('/page', { headers: { cookie } })).status === 401,
    );
    await endsWithin(3500, 'until the permission is forgotten', forgotten);
  },
);

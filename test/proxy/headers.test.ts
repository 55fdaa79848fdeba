/** What an upstream receives as headers: asserted on the wire, for the attacks of the security cases and for random ones. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's templates look like that.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderLines } from '../../src/core/request-head.ts';
import { ownCookies } from '../../src/proxy/cookies.ts';
import { HeaderComposer } from '../../src/proxy/headers.ts';
import {
  alice,
  ask,
  type DataPlaneOptions,
  rawClient,
  session,
  startDataPlane,
  testRoute,
} from '../support/scenes/data-plane.ts';
import { type Received, startUpstream } from '../support/servers/upstream.ts';
import { trials } from '../support/tools/properties.ts';

const ours = {
  'x-remote-user': 'alice',
  'x-remote-name': 'Alice Example',
  'x-remote-email': 'alice@example.com',
  'x-remote-groups': 'agents,staff',
  'x-remote-roles': 'agent,supervisor',
  'x-remote-provider': 'directory',
};

const custom = [
  { name: 'X-Auth-User', template: '${subject}' },
  { name: 'X-Auth-Email', template: '${attribute:absent}' },
  { name: 'x-user', template: '${subject}' },
];

/** Everything but the connection's own headers. */
async function receivedFor(
  t: Parameters<typeof startUpstream>[0],
  headers: readonly string[],
  options: Partial<DataPlaneOptions> & { method?: string; rules?: readonly { name: string; template: string }[] } = {},
): Promise<Received> {
  const upstream = await startUpstream(t);
  const route = testRoute([upstream.origin], options.rules ? { headers: options.rules } : {});
  const plane = await startDataPlane(t, { route, ...options });
  await ask(plane.port, '/echo', { headers, ...(options.method && { method: options.method }) });
  return upstream.only();
}

test('headers: the identity arrives as the design says', async (t) => {
  const received = await receivedFor(t, [], { assertion: 'signed.by.us' });
  for (const [name, value] of Object.entries(ours)) assert.deepEqual(received.values(name), [value], name);
  assert.deepEqual(received.values('x-gatehouse-assertion'), ['signed.by.us']);
  assert.deepEqual(received.values('x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(received.values('x-forwarded-proto'), ['http']);
  assert.equal(received.values('x-forwarded-host')[0], received.values('host')[0]);
  assert.match(received.values('x-forwarded-port')[0]!, /^\d+$/);
  assert.deepEqual(received.values('x-request-id'), ['request-1']);
  assert.match(received.values('traceparent')[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
});

const toldByProxies = [
  ...['Client-IP', 'X-Client-IP', 'X-Cluster-Client-IP', 'True-Client-IP', 'CF-Connecting-IP', 'X-Envoy-Internal'],
  ...['Client-Cert', 'X-ARR-ClientCert', 'SSL-Client-Verify', 'X-SSL-Client-S-DN', 'X-Scheme', 'Front-End-Https'],
  ...['X-Host', 'X-HTTP-Host-Override', 'X-Script-Name', 'X-Accel-Mapping', 'X-Sendfile-Type'],
  ...['X-Amzn-Mtls-Clientcert', 'X-Amzn-Mtls-Clientcert-Subject', 'X-Amzn-Mtls-Clientcert-Leaf', 'Client-Cert-Chain'],
  ...['Client-Certificate', 'X-Client-Cert', 'X-Client-Certificate', 'X-Client-Cert-Chain', 'X-Client-Cert-S-DN'],
  ...['X-Client-DN', 'X-Client-Verify', 'X-Client-Subject', 'X-Client-Issuer-DN', 'X-Client-Serial-Number'],
  ...['SSL-Client-Cert', 'Ssl-Client-S-Dn', 'X-SSL-Client-Verify', 'X-SSL-Cert', 'TLS-Client-Subject'],
  ...['X-TLS-Client-Cert', 'X-Peer-Cert', 'X-Peer-Certificate', 'Cf-Client-Cert-Der-Base64', 'X-ARR-ClientCert-Chain'],
];

const spoofs: Readonly<Record<string, readonly string[]>> = {
  'another case': ['X-REMOTE-USER', 'evil', 'x-remote-groups', 'evil'],
  'H1: an underscore for a hyphen': ['X_Remote_User', 'evil', 'X-Remote_User', 'evil', 'x_remote-groups', 'evil'],
  'a dot, a tilde or another character that CGI servers fold': [
    'X.Remote.User',
    'evil',
    'X~Remote-User',
    'evil',
    "X'Remote-Roles",
    'evil',
    'X!Remote|User',
    'evil',
  ],
  'H2: aliases of forwarded headers': [
    'X_Forwarded_Proto',
    'evil',
    'X_forwarded_for',
    'evil',
    'X_forwarded_host',
    'evil',
  ],
  'H3: CGI names': ['Remote_Groups', 'evil', 'REMOTE_USER', 'evil', 'HTTP_X_REMOTE_USER', 'evil'],
  'twice, so that one may survive': ['X-Remote-User', 'evil', 'X-Remote-User', 'evil', 'x-remote-user', 'evil'],
  'H6: named in Connection to have ours dropped': [
    'Connection',
    'close, X-Remote-User, X-Forwarded-For, X-Gatehouse-Assertion, X-Request-Id',
    'X-Remote-User',
    'evil',
  ],
  'named in several Connection lines': [
    'Connection',
    'x-remote-user',
    'connection',
    'X-Remote-Groups',
    'Proxy-Connection',
    'x-remote-roles',
  ],
  'forwarded data from a peer that nobody trusts': [
    'X-Forwarded-For',
    'evil',
    'X-Forwarded-Host',
    'evil',
    'X-Forwarded-User',
    'evil',
    'Forwarded',
    'for=evil',
    'X-Real-IP',
    'evil',
    'X-Original-URI',
    'evil',
    'X-Request-Id',
    'evil',
  ],
  'names below our prefixes that no rule has': [
    'X-Remote-Anything',
    'evil',
    'X-Gatehouse-Role',
    'evil',
    'X-Gatehouse-Assertion',
    'evil',
  ],
  'httpoxy (CVE-2016-5385)': ['Proxy', 'evil'],
  'another address than the one decided on': [
    'X-Rewrite-URL',
    '/evil',
    'X-Original-URL',
    '/evil',
    'X_Rewrite_Url',
    '/evil',
  ],
  'what other proxies tell applications': [
    ...toldByProxies.flatMap((header) => [header, 'evil']),
    ...['X_Client_IP', 'evil', 'SSL_CLIENT_VERIFY', 'evil', 'X.Host', 'evil'],
  ],
};

for (const [name, headers] of Object.entries(spoofs))
  test(`headers: nothing of the client's survives that could pass for ours: ${name}`, async (t) => {
    const received = await receivedFor(t, headers, { assertion: 'signed.by.us' });
    assert.equal(received.rawHeaders.filter((line) => /evil/.test(line)).join(), '');
    for (const [header, value] of Object.entries(ours)) assert.deepEqual(received.values(header), [value], header);
    assert.deepEqual(received.values('x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(received.values('x-gatehouse-assertion'), ['signed.by.us']);
  });

test('headers: a trusted proxy may tell of a client what no client may', async (t) => {
  const headers = toldByProxies.flatMap((header) => [header, 'said']);
  const received = await receivedFor(t, [...headers, 'X-Rewrite-URL', '/evil'], { isTrusted: () => true });
  assert.deepEqual(
    toldByProxies.filter((header) => received.values(header).join() !== 'said'),
    [],
  );
  assert.deepEqual(received.values('x-rewrite-url'), []);
});

test('headers: what a trusted proxy passes on as the client’s own counts as a stranger’s', async (t) => {
  const headers = toldByProxies.flatMap((header) => [header, 'evil']);
  const more = ['X-Gatehouse-From', 'client', 'X-Forwarded-For', '192.0.2.7'];
  const received = await receivedFor(t, [...headers, ...more], { isTrusted: () => true });
  assert.equal(received.rawHeaders.includes('evil'), false);
  assert.deepEqual(received.values('x-gatehouse-from'), []);
  assert.deepEqual(received.values('x-forwarded-for'), ['192.0.2.7, 127.0.0.1'], 'what the proxy itself says stays');
});

test('headers: a name that only begins like one of a certificate is the client’s own', async (t) => {
  const own = ['X-Client-Version', 'X-Client-Id', 'Client', 'X-Peer', 'TLS-Version'];
  const received = await receivedFor(
    t,
    own.flatMap((header) => [header, 'said']),
  );
  assert.deepEqual(
    own.filter((header) => received.values(header.toLowerCase()).join() !== 'said'),
    [],
  );
});

test('headers: H4 a header whose value is absent is absent, also when the client sends one', async (t) => {
  const received = await receivedFor(t, ['X-Auth-Email', 'boss@example.com', 'X-Auth_Email', 'boss@example.com'], {
    rules: custom,
  });
  assert.deepEqual(received.values('x-auth-email'), []);
  assert.deepEqual(received.values('x-auth-user'), ['alice']);
});

test('headers: H5 a rule written in another case than the client sends leaves one header, ours', async (t) => {
  const received = await receivedFor(t, ['X-User', 'admin', 'X_USER', 'admin'], { rules: custom });
  assert.deepEqual(received.values('x-user'), ['alice']);
});

test('headers: H14 H15 identity headers go on open locations and preflights too', async (t) => {
  for (const method of ['GET', 'OPTIONS']) {
    const received = await receivedFor(t, ['X-Remote-User', 'admin', 'X-Auth-User', 'admin'], {
      principal: undefined,
      session: undefined,
      rules: custom,
      method,
    });
    assert.equal(received.method, method);
    assert.equal(
      received.rawHeaders.some((line) => line === 'admin'),
      false,
    );
  }
});

test("headers: what another route's rules name is closed here too, and so is what was switched off", async (t) => {
  const others = [testRoute(['http://127.0.0.1:1'], { headers: [{ name: 'X-Webauth-User', template: '${subject}' }] })];
  const received = await receivedFor(t, ['X-Webauth-User', 'evil', 'X-Off', 'evil'], { others, closed: ['X-Off'] });
  assert.deepEqual([...received.values('x-webauth-user'), ...received.values('x-off')], []);
});

test('headers: hop-by-hop headers and what Connection names stay behind', async (t) => {
  const received = await receivedFor(t, [
    'Connection',
    'keep-alive, X-Hop',
    'X-Hop',
    'hop',
    'Keep-Alive',
    'timeout=9',
    'TE',
    'trailers',
    'Proxy-Authorization',
    'Basic eDp5',
    'Proxy-Authenticate',
    'Basic',
    'Proxy-Connection',
    'keep-alive',
    'Upgrade',
    'h2c',
    'HTTP2-Settings',
    'AAMAAABk',
  ]);
  for (const name of [
    'x-hop',
    'keep-alive',
    'te',
    'trailer',
    'proxy-authorization',
    'proxy-authenticate',
    'proxy-connection',
    'upgrade',
    'http2-settings',
  ])
    assert.deepEqual(received.values(name), [], name);
  assert.deepEqual(received.values('connection'), ['keep-alive']);
});

test('headers: a client cannot have Host dropped by naming it in Connection', async (t) => {
  const received = await receivedFor(t, ['Host', 'cc.example.com', 'Connection', 'host']);
  assert.deepEqual(received.values('host'), ['cc.example.com']);
});

test('headers: ordinary headers arrive as they were, lists as lists, single ones once', async (t) => {
  const received = await receivedFor(t, [
    'Accept',
    'text/html',
    'Accept',
    'application/json',
    'X-Custom',
    'caf\u00e9',
    'Authorization',
    'Bearer app',
    'User-Agent',
    'one',
    'User-Agent',
    'two',
    'If-None-Match',
    '"a", "b"',
  ]);
  assert.deepEqual(received.values('accept'), ['text/html', 'application/json']);
  assert.deepEqual(received.values('x-custom'), ['caf\u00e9']);
  assert.deepEqual(received.values('authorization'), ['Bearer app']);
  assert.deepEqual(received.values('user-agent'), ['one']);
  assert.deepEqual(received.values('if-none-match'), ['"a", "b"']);
});

test("headers: S11 the gateway's cookies stay behind, and the Cookie header with them when it is empty", async (t) => {
  const received = await receivedFor(t, [
    'Cookie',
    'app=1; __Host-gatehouse=token; gatehouse-flow-a=x',
    'Cookie',
    ' gatehouse =token; b="2; 3"',
  ]);
  assert.deepEqual(received.values('cookie'), ['app=1; b="2; 3"']);
  const none = await receivedFor(t, ['Cookie', '__Host-gatehouse=token']);
  assert.deepEqual(none.values('cookie'), []);
});

test('headers: credentials that the gateway consumed, and those that sign in a connection, go no further', async (t) => {
  const bearer = await receivedFor(t, ['Authorization', 'Bearer ours'], { session: undefined });
  assert.deepEqual(bearer.values('authorization'), []);
  for (const value of ['Negotiate YII', 'NTLM TlRMTVNT']) {
    const received = await receivedFor(t, ['Authorization', value]);
    assert.deepEqual(received.values('authorization'), []);
  }
});

test('headers: the chain of a trusted proxy goes on, and ends at what is no address', async (t) => {
  const isTrusted = (address: string) => address === '127.0.0.1';
  const whole = await receivedFor(
    t,
    ['X-Forwarded-For', '203.0.113.7, [2001:db8::1]', 'X-Forwarded-For', '10.0.0.1', 'X-Forwarded-User', 'evil'],
    { isTrusted },
  );
  assert.deepEqual(whole.values('x-forwarded-for'), ['203.0.113.7, 2001:db8::1, 10.0.0.1, 127.0.0.1']);
  assert.deepEqual(whole.values('x-forwarded-user'), []);
  const odd = await receivedFor(t, ['X-Forwarded-For', '10.9.9.9, unknown, 203.0.113.7'], { isTrusted });
  assert.deepEqual(odd.values('x-forwarded-for'), ['203.0.113.7, 127.0.0.1']);
});

test('headers: a valid trace goes on, an invalid one is replaced and its state dropped', async (t) => {
  const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const good = await receivedFor(t, ['traceparent', valid, 'tracestate', 'a=1']);
  assert.deepEqual([good.values('traceparent'), good.values('tracestate')], [[valid], ['a=1']]);
  const bad = await receivedFor(t, ['traceparent', '00-0-0-0', 'tracestate', 'a=1']);
  assert.match(bad.values('traceparent')[0]!, /^00-[0-9a-f]{32}-/);
  assert.deepEqual(bad.values('tracestate'), []);
});

test("headers: without preserveHost the upstream gets its own name, and the client's in X-Forwarded-Host", async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin], { preserveHost: false }) });
  await ask(plane.port, '/', { headers: ['Host', 'cc.example.com:8443'] });
  const received = upstream.only();
  assert.deepEqual(received.values('host'), [`127.0.0.1:${upstream.port}`]);
  assert.deepEqual(received.values('x-forwarded-host'), ['cc.example.com:8443']);
  assert.deepEqual(received.values('x-forwarded-port'), ['8443']);
});

test('headers: a name or value with line breaks cannot reach the upstream as two headers', async (t) => {
  const evil = {
    ...alice,
    subject: 'alice\r\nX-Admin: yes',
    attributes: { name: ['Jérôme, 100% ✓\0'], groups: ['a,b', 'c%d', ' e '] },
  };
  const received = await receivedFor(t, [], { principal: evil });
  assert.deepEqual(received.values('x-remote-user'), ['alice%0D%0AX-Admin: yes']);
  assert.deepEqual(received.values('x-remote-name'), ['J%C3%A9r%C3%B4me, 100%25 %E2%9C%93%00']);
  assert.deepEqual(received.values('x-remote-groups'), ['a%2Cb,c%25d,%20e%20']);
  assert.deepEqual(received.values('x-admin'), []);
  assert.equal(decodeURIComponent(received.values('x-remote-name')[0]!), evil.attributes.name[0]);
});

test('headers: S10 a user with five hundred long groups still reaches the upstream, without the list', async (t) => {
  const groups = Array.from({ length: 500 }, (_, index) => `cn=group-number-${index},ou=groups,dc=example,dc=com`);
  const received = await receivedFor(t, [], { principal: { ...alice, attributes: { ...alice.attributes, groups } } });
  assert.deepEqual(received.values('x-remote-groups'), []);
  assert.deepEqual(received.values('x-gatehouse-omitted'), ['x-remote-groups']);
  assert.deepEqual(received.values('x-remote-user'), ['alice']);
});

const letters = 'abcdefghijklmnopqrstuvwxyz'.split('');
const closedNames = [
  ...Object.keys(ours),
  'x-auth-user',
  'x-auth-email',
  'x-user',
  'x-forwarded-for',
  'x-gatehouse-assertion',
  'x-request-id',
  'forwarded',
  'x-real-ip',
];
/** A closed name in any case, with any of the characters that some upstream folds. */
const spelling = fc
  .tuple(
    fc.constantFrom(...closedNames),
    fc.array(fc.tuple(fc.boolean(), fc.constantFrom('-', '_', '.', '~', '+')), { minLength: 40, maxLength: 40 }),
  )
  .map(([name, choices]) =>
    Array.from(name, (letter, index) => {
      const [isUpper, separator] = choices[index]!;
      return letter === '-' ? separator : isUpper ? letter.toUpperCase() : letter;
    }).join(''),
  );
const harmless = fc
  .array(fc.constantFrom(...letters), { minLength: 1, maxLength: 8 })
  .map((name) => `y-${name.join('')}`);
/** What a client claims to be; not a text that a name of a header can hold. */
const claimed = 'evil one';
const headerSet = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(spelling, fc.constant(claimed)) },
    { weight: 2, arbitrary: fc.tuple(harmless, fc.constantFrom('a', 'b, c')) },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.constantFrom('Connection', 'connection', 'Proxy-Connection'),
        fc.array(spelling, { minLength: 1, maxLength: 4 }).map((names) => names.join(', ')),
      ),
    },
  ),
  { maxLength: 24 },
);

function checkReceived(values: (name: string) => readonly string[], lines: readonly string[]): void {
  assert.equal(
    lines.some((line) => line.includes(claimed)),
    false,
  );
  for (const [name, value] of Object.entries(ours)) assert.deepEqual(values(name), [value], name);
  assert.deepEqual(values('x-auth-user'), ['alice']);
  assert.deepEqual(values('x-auth-email'), []);
  assert.deepEqual(values('x-gatehouse-assertion'), ['signed.by.us']);
  assert.deepEqual(values('x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(values('x-request-id'), ['request-1']);
}

test('headers: what one request of a user was given is not taken for another session, location or token', () => {
  const route = testRoute(['http://127.0.0.1:1']);
  const rules = [{ name: 'X-Session', template: '${session}' }];
  const other = testRoute(['http://127.0.0.1:1'], { headers: rules });
  const composer = new HeaderComposer({ routes: [route, other], isOwnCookie: () => false, isTrusted: () => false });
  const groups = ['x'.repeat(8000)];
  const principal = { ...alice, attributes: { ...alice.attributes, groups } };
  const compose = (to: typeof route, id: string | undefined, assertion: string) =>
    composer.compose(to, {
      headers: new HeaderLines([]),
      client: { address: '127.0.0.1', scheme: 'http' },
      peer: '127.0.0.1',
      requestId: 'request-1',
      upgrade: false,
      principal,
      ...(id !== undefined && { session: { ...session, id } }),
      assertion,
    });
  for (let turn = 0; turn < 2; turn += 1) {
    assert.equal(compose(other, 'one', 'a').headers.get('x-session'), 'one');
    assert.equal(compose(other, 'two', 'a').headers.get('x-session'), 'two');
    assert.equal(compose(other, undefined, 'a').headers.get('x-session'), undefined);
    assert.equal(compose(route, 'one', 'a').headers.get('x-session'), undefined);
    assert.deepEqual(compose(route, 'one', 'a').omitted, []);
    assert.deepEqual(compose(route, 'one', 'a'.repeat(5000)).omitted, ['x-remote-groups']);
  }
});

test('headers: of random header sets none of the client survives and ours always arrive', () => {
  const route = testRoute(['http://127.0.0.1:1']);
  const other = testRoute(['http://127.0.0.1:1'], { headers: [...route.headers, ...custom] });
  const composer = new HeaderComposer({
    routes: [route, other],
    isOwnCookie: ownCookies(['gatehouse']),
    isTrusted: () => false,
  });
  fc.assert(
    fc.property(headerSet, fc.boolean(), (pairs, upgrade) => {
      const { headers } = composer.compose(other, {
        headers: new HeaderLines(['Host', 'a', ...pairs.flat()]),
        client: { address: '127.0.0.1', scheme: 'http' },
        peer: '127.0.0.1',
        requestId: 'request-1',
        upgrade,
        principal: alice,
        session,
        assertion: 'signed.by.us',
      });
      checkReceived((name) => [headers.get(name) ?? []].flat(), [...headers].flat(2));
      for (const [name, value] of pairs)
        if (name.startsWith('y-')) assert.ok([headers.get(name)].flat().includes(value));
    }),
    trials(2000),
  );
});

test('headers: the same on the wire, where Node and undici have had their say', async (t) => {
  const upstream = await startUpstream(t);
  const base = testRoute([upstream.origin]);
  const plane = await startDataPlane(t, {
    route: { ...base, headers: [...base.headers, ...custom] },
    assertion: 'signed.by.us',
  });
  await fc.assert(
    fc.asyncProperty(headerSet, async (pairs) => {
      upstream.received.length = 0;
      await ask(plane.port, '/echo', { headers: pairs.flat() });
      const received = upstream.only();
      checkReceived(received.values, received.rawHeaders);
    }),
    trials(60),
  );
});

test('headers: the pitfall of Expect: 100-continue, which skipped the sanitising hook of http-proxy-middleware', async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startDataPlane(t, { route: testRoute([upstream.origin]) });
  const client = await rawClient(
    t,
    plane.port,
    'POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nX-Remote-User: evil\r\nContent-Length: 4\r\n\r\n',
  );
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  client.socket.write('body');
  await client.until(/200 OK/);
  const received = upstream.only();
  assert.deepEqual(
    [received.values('x-remote-user'), received.values('expect'), received.body.bytes],
    [['alice'], [], 4],
  );
});

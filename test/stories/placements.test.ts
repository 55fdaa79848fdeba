/**
 * One suite, told in every place that the gateway can have: alone, and with a real nginx, Caddy or HAProxy that runs what
 * `gatehouse export` writes. What the upstream received is what counts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { WebSocket } from 'ws';
import { type PlacedGateway, type Placement, placements } from '../support/scenes/placements.ts';
import { passwords } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import type { Received } from '../support/servers/upstream.ts';
import { hostileLines } from '../support/tools/hostile-lines.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

/** The names that only the gateway may set, as an upstream that folds every sign to `-` sees them. */
const identity = ['user', 'name', 'email', 'groups', 'roles', 'provider'].map((name) => `x-remote-${name}`);
const ours = [...identity, 'x-gatehouse-assertion'];

/** What applications believe of proxies: addresses, certificates, schemes, hosts and mount points. */
const ofProxies = [
  ...[
    'Client-IP',
    'X-Client-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Cluster-Client-IP',
    'X-Host',
    'X-Script-Name',
  ],
  ...['Client-Cert', 'Client-Cert-Chain', 'Ssl-Client-Verify', 'Ssl-Client-Cert', 'X-Ssl-Client-Verify', 'X-Ssl-Cert'],
  ...['X-Scheme', 'X-Url-Scheme', 'Front-End-Https', 'X-Rewrite-Url', 'X-Client-Cert', 'X-Amzn-Mtls-Clientcert'],
];

function folded(received: Received, name: string): string[] {
  return received.rawHeaders.flatMap((header, index) =>
    index % 2 === 0 && header.toLowerCase().replace(/[^a-z0-9]/g, '-') === name
      ? [received.rawHeaders[index + 1] ?? '']
      : [],
  );
}

/** A request byte by byte, as this visitor. */
function raw({ front }: PlacedGateway, visitor: Visitor | undefined, line: string, ...headers: readonly string[]) {
  const cookie = visitor ? [`Cookie: ${visitor.cookieHeader}`] : [];
  return sendRaw(front, requestOf([line, `Host: ${front.host}`, ...cookie, 'Connection: close', ...headers]), {
    silence: 5000,
  });
}

function taken({ upstream }: PlacedGateway): Received[] {
  return upstream.received.splice(0);
}

/** Whether some upstream could take a target for /admin: one that decodes twice, turns backslashes, cuts parameters off. */
function readsAsAdmin(url: string): boolean {
  let path = url.replace(/[?#].*$/s, '');
  for (let layer = 0; layer < 3; layer += 1) {
    const plain = path
      .replaceAll('\\', '/')
      .replace(/;[^/]*/g, '')
      .replace(/\/{2,}/g, '/');
    if (/^\/admin/i.test(new URL(plain, 'http://upstream.invalid').pathname)) return true;
    path = path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  return false;
}

type Check = (place: PlacedGateway, placement: Placement, t: TestContext) => Promise<void>;

const checks: Readonly<Record<string, Check>> = {
  'a page load without a session is sent to the login page, and comes back from it': async (place) => {
    const visitor = place.visitor();
    const sent = await visitor.open('/page?x=1');
    assert.equal(sent.status, 302);
    const login = new URL(String(sent.headers.location), place.front);
    assert.equal(login.href, `${place.front.origin}/_gate/login?return=%2Fpage%3Fx%3D1`);
    assert.deepEqual(taken(place), []);
    const page = await visitor.open(login.pathname + login.search);
    assert.equal(page.status, 200);
    const fields = { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 };
    const back = await visitor.post('/_gate/login', fields);
    assert.equal(back.headers.location, '/page?x=1');
    assert.equal((await visitor.open('/page?x=1')).status, 200);
    assert.equal(taken(place).at(-1)?.url, '/page?x=1');
  },

  'a fetch without a session gets 401 and JSON that names the login page': async (place) => {
    const answer = await place.visitor().fetch('/api?x=1');
    assert.equal(answer.status, 401);
    assert.deepEqual(JSON.parse(answer.text), { error: 'login-required', login: '/_gate/login?return=%2Fapi%3Fx%3D1' });
    assert.equal(answer.headers.location, undefined);
  },

  'a garbled session cookie is no session (S3)': async (place) => {
    for (const value of ['', 'garbage', 'a; gatehouse=b'])
      assert.equal((await place.visitor().fetch('/page', { headers: { cookie: `gatehouse=${value}` } })).status, 401);
    assert.deepEqual(taken(place), []);
  },

  'who may not pass gets 403, as a page or as JSON, and the upstream nothing': async (place) => {
    const agent = await place.signedIn();
    const page = await agent.open('/admin/x');
    assert.equal(page.status, 403);
    assert.match(page.text, /the front desk/);
    assert.equal(JSON.parse((await agent.fetch('/admin/x')).text).error, 'access-denied');
    assert.equal((await agent.open('/closed/x')).status, 403);
    assert.equal((await agent.fetch('/reports/1/pdf')).status, 403);
    assert.deepEqual(taken(place), []);
    const supervisor = await place.signedIn('supervisor1');
    assert.equal((await supervisor.open('/admin/x')).status, 200);
    assert.equal((await supervisor.open('/reports/1/pdf')).status, 200);
    assert.deepEqual(
      taken(place).map(({ url }) => url),
      ['/admin/x', '/reports/1/pdf'],
    );
  },

  'locations are weighed alike: exact, ^~, patterns, and the closing slash': async (place) => {
    const visitor = place.visitor();
    for (const open of ['/exact', '/reports/2/pdf', '/public', '/publicity'])
      assert.equal((await visitor.fetch(open)).status, 200, open);
    for (const shut of ['/exact/', '/reports/3/pdf', '/reports/22'])
      assert.equal((await visitor.fetch(shut)).status, 401, shut);
    const slash = await visitor.open('/closed?x=1');
    assert.equal(new URL(String(slash.headers.location), place.front).pathname, '/closed/');
    taken(place);
  },

  'the upstream is told who it is, once, with an assertion that its key set vouches for': async (place) => {
    const supervisor = await place.signedIn('supervisor1');
    assert.equal((await supervisor.open('/page')).status, 200);
    const [received] = taken(place);
    assert.ok(received);
    assert.deepEqual(received.values('x-remote-user'), ['supervisor1']);
    assert.deepEqual(received.values('x-remote-name'), ['Zo%C3%AB M%C3%BCller']);
    assert.deepEqual(received.values('x-remote-groups'), ['agents,supervisors']);
    assert.deepEqual(received.values('x-remote-roles'), ['agent,supervisor']);
    assert.deepEqual(folded(received, 'x-remote-email'), [], 'a user without e-mail has no such header');
    const keys = JSON.parse((await supervisor.fetch('/_gate/jwks.json')).text);
    const [assertion = ''] = received.values('x-gatehouse-assertion');
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(keys), {
      issuer: place.gateway.running.gateway.document.server.publicUrl.origin,
      audience: place.upstream.origin,
    });
    assert.equal(payload.sub, 'supervisor1');
    assert.equal(received.values('x-request-id').length, 1);
    assert.deepEqual(received.values('x-forwarded-host'), [place.front.host]);
  },

  'what a client says under our names never arrives, however it is spelt (H1-H6, H14, H15)': async (place) => {
    const agent = await place.signedIn();
    const spoofs = ours.flatMap((name) => [
      `${name}: evil`,
      `${name.toUpperCase()}: evil`,
      `${name.replaceAll('-', '_')}: evil`,
      `${name.replace('-', '_')}: evil`,
    ]);
    const hops = [`Connection: close, ${ours.join(', ')}, X-Forwarded-For`];
    for (const line of [
      'GET /page HTTP/1.1',
      'OPTIONS /page HTTP/1.1',
      'POST /page HTTP/1.1',
      'GET /stream HTTP/1.1',
    ]) {
      const more = line.startsWith('POST') ? ['Content-Length: 0'] : [];
      if (line.includes('stream')) more.push('Accept: text/event-stream');
      assert.equal((await raw(place, agent, line, ...spoofs, ...hops, ...more)).status, 200, line);
      const [received] = taken(place);
      assert.ok(received, line);
      assert.deepEqual(folded(received, 'x-remote-user'), ['agent1']);
      assert.deepEqual(folded(received, 'x-remote-roles'), ['agent']);
      for (const name of ours) assert.ok(!folded(received, name).includes('evil'), `${line}: ${name}`);
    }
    assert.equal((await raw(place, undefined, 'GET /public/x HTTP/1.1', ...spoofs)).status, 200);
    const [open] = taken(place);
    assert.ok(open);
    for (const name of ours) assert.deepEqual(folded(open, name), [], name);
  },

  'a name of ours with other signs in it, or one that nobody thought of, is dropped or refused': async (place) => {
    const agent = await place.signedIn();
    const names = [
      'X.Remote.User',
      'X-Remote-Admin',
      'X-Gatehouse-Role',
      'X-Forwarded-User',
      'X-Original-URL',
      'Proxy',
      'X_Forwarded_Proto',
    ];
    for (const name of names) {
      const { status } = await raw(place, agent, 'GET /page HTTP/1.1', `${name}: evil`);
      assert.ok(status === 200 || status === 400, `${name}: ${status}`);
      for (const received of taken(place)) assert.ok(!received.rawHeaders.includes('evil'), name);
    }
  },

  'what only proxies may tell never arrives when a client tells it, however it is spelt': async (place) => {
    const agent = await place.signedIn();
    const lines = ['GET /page HTTP/1.1', 'GET /public/x HTTP/1.1', 'GET /stream HTTP/1.1'];
    const more = (line: string): string[] => (line.includes('stream') ? ['Accept: text/event-stream'] : []);
    const spoofs = ofProxies.flatMap((name) => [
      `${name}: evil`,
      `${name.toLowerCase()}: evil`,
      `${name.toUpperCase()}: evil`,
    ]);
    const underscored = ofProxies.map((name) => `${name.replaceAll('-', '_')}: evil`);
    for (const line of lines) {
      assert.equal((await raw(place, agent, line, ...spoofs, ...underscored, ...more(line))).status, 200, line);
      const [received] = taken(place);
      assert.ok(received, line);
      assert.ok(!received.rawHeaders.includes('evil'), `${line}\n${received.rawHeaders.join('\n')}`);
      for (const name of ['X-SSL-Whatever', 'Ssl-Client-Unheard-Of', 'X.Client.IP', 'Ssl.Client.Verify']) {
        const { status } = await raw(place, agent, line, `${name}: evil`, ...more(line));
        assert.ok(status === 200 || status === 400, `${line}, ${name}: ${status}`);
        for (const one of taken(place)) assert.ok(!one.rawHeaders.includes('evil'), `${line}, ${name}`);
      }
    }
  },

  'a client’s word about its address, scheme and host counts for nothing (H2)': async (place) => {
    const agent = await place.signedIn();
    const claims = [
      'X-Forwarded-For: 10.9.8.7',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.example',
      'Forwarded: for=10.9.8.7',
      'X-Real-IP: 10.9.8.7',
    ];
    assert.equal((await raw(place, agent, 'GET /page HTTP/1.1', ...claims)).status, 200);
    const [received] = taken(place);
    assert.ok(received);
    assert.doesNotMatch(received.rawHeaders.join('\n'), /10\.9\.8\.7|evil\.example/);
    assert.deepEqual(received.values('x-forwarded-proto'), ['http']);
    assert.ok(place.gateway.audit('request').every(({ address }) => address !== '10.9.8.7'));
  },

  'verdicts are not for clients': async (place) => {
    const agent = await place.signedIn();
    for (const path of [
      '/_gate/auth',
      '/_gate/auth/',
      '/_gate/auth/public',
      '/_gate/%61uth',
      '//_gate/auth',
      '/_gate/auth?answer=later',
      '/_gate/login/../auth',
      '/public/..;/_gate/auth/public',
      // Where these are read as /public, the application answers and no verdict.
      '/_gate/auth/../../public',
      '/public/../_gate/auth/../../public',
    ])
      for (const kind of [[], ['Accept: text/event-stream'], ['Accept: text/event-stream', 'Upgrade: websocket']]) {
        const answer = await raw(
          place,
          agent,
          `GET ${path} HTTP/1.1`,
          'X-Original-URI: /public',
          `X-Forwarded-Host: ${place.front.host}`,
          ...kind,
        );
        const isAnswered = taken(place).length === 1 && path.endsWith('../public');
        assert.ok(isAnswered || [400, 401, 404].includes(answer.status), `${path}: ${answer.status}`);
        const [head = ''] = answer.text.split('\r\n\r\n');
        assert.doesNotMatch(isAnswered ? head : answer.text, /x-remote-user|x-gatehouse-assertion/i);
      }
    assert.deepEqual(taken(place), []);
  },

  'a path is decided on as the upstream will read it (P1-P6, P11, P18)': async (place) => {
    const agent = await place.signedIn();
    const tricks = [
      ...[
        '/%61dmin',
        '//admin',
        '/public/../admin',
        '/./admin',
        '/%2e/admin',
        '/admin%2F..%2Fadmin',
        '/public/..%2fadmin/secret',
      ],
      ...[
        '/public/%2e%2e/admin',
        '/public/%252e%252e/admin',
        '/public/%2e%2e%2fadmin',
        '/public/../admin/secrets?param=test',
      ],
      ...[
        '/admin;x/users',
        '/public/..;/admin',
        '/admin%00.css',
        '/..\\admin',
        '/public/..\\admin',
        '/public/%5c../admin',
        '/ADMIN/../admin',
      ],
      ...[
        `http://${place.front.host}/admin`,
        'http://other.example/admin',
        '/public//../admin',
        '/strip../admin',
        '/strip./admin',
        '/strip/..%2fadmin',
        '/base/..%2f..%2fadmin',
      ],
    ];
    for (const target of tricks) {
      for (const kind of [[], ['Accept: text/event-stream']]) {
        const { status } = await raw(place, agent, `GET ${target} HTTP/1.1`, ...kind);
        const refusals = target.includes('other.example') ? [400, 403, 421] : [400, 403];
        assert.ok(refusals.includes(status), `${target}: ${status}`);
        assert.deepEqual(taken(place), [], `${target} reached the upstream`);
      }
    }
  },

  'no line of the hostile fixture brings an agent to what is behind /admin': async (place) => {
    const agent = await place.signedIn();
    for (const target of hostileLines('paths.txt')) {
      await raw(place, agent, `GET ${target} HTTP/1.1`);
      // A proxy in front may read a target in its own way first (tabs, raw UTF-8): what it makes of it must be harmless.
      for (const { url } of taken(place))
        assert.ok(!readsAsAdmin(url), `${JSON.stringify(target)} reached the upstream as ${url}`);
    }
  },

  'our cookies stay away from the upstream, its own go there (S11)': async (place) => {
    const agent = await place.signedIn();
    const mixed = `theirs=1; ${agent.cookieHeader}; gatehouse-other=2; __Host-gatehouse=3; GATEHOUSE=4; also=5`;
    assert.equal((await place.visitor().fetch('/page', { headers: { cookie: mixed } })).status, 200);
    assert.deepEqual(taken(place)[0]?.values('cookie'), ['theirs=1; also=5']);
    assert.equal((await agent.fetch('/page')).status, 200);
    assert.deepEqual(taken(place)[0]?.values('cookie'), []);
    assert.equal((await place.visitor().fetch('/public/x', { headers: { cookie: mixed } })).status, 200);
    assert.deepEqual(taken(place)[0]?.values('cookie'), ['theirs=1; also=5']);
  },

  'a WebSocket opens for who is signed in and from our own pages, where the location takes them': async (
    place,
    _placement,
    t,
  ) => {
    const agent = await place.signedIn();
    const socket = await webSocket(t, place, '/live', {
      cookie: agent.cookieHeader,
      'x-remote-user': 'evil',
      X_Remote_User: 'evil',
    });
    assert.ok(socket instanceof WebSocket);
    socket.send('hello');
    const [echo] = await once(socket, 'message');
    assert.equal(String(echo), 'hello');
    const [received] = taken(place);
    assert.ok(received);
    assert.deepEqual(folded(received, 'x-remote-user'), ['agent1']);
    assert.deepEqual(received.values('cookie'), []);
    socket.close();
    assert.equal(await webSocket(t, place, '/live'), 401);
    assert.equal(
      await webSocket(t, place, '/live', { cookie: agent.cookieHeader, origin: 'https://evil.example' }),
      403,
    );
    assert.equal(await webSocket(t, place, '/plain/live', { cookie: agent.cookieHeader }), 400);
    assert.equal(await webSocket(t, place, '/admin/live', { cookie: agent.cookieHeader }), 400);
    assert.deepEqual(taken(place), []);
  },

  'events arrive as they are sent': async (place) => {
    const agent = await place.signedIn();
    const headers = { cookie: agent.cookieHeader };
    const request = http.get(`${place.front.origin}/sse?every=20&count=3&then=silence`, { headers });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    assert.equal(response.headers['content-type'], 'text/event-stream');
    let text = '';
    // What is kept until there is more never comes: nothing follows the third.
    for await (const chunk of response) {
      text += chunk;
      if (/data: 3 /.test(text)) break;
    }
    assert.match(text, /data: 1 .*data: 2 .*data: 3 /s);
    taken(place);
  },

  'a logout ends the session everywhere; what is open ends with it where the gateway carries it': async (
    place,
    { cuts },
    t,
  ) => {
    const agent = await place.signedIn();
    const cookie = agent.cookieHeader;
    const socket = await webSocket(t, place, '/live', { cookie });
    assert.ok(socket instanceof WebSocket);
    const closed = once(socket, 'close');
    const headers = { cookie, accept: 'text/event-stream' };
    const [events] = (await once(http.get(new URL('/sse', place.front), { headers }), 'response')) as [
      http.IncomingMessage,
    ];
    t.after(() => events.destroy());
    const cut = new Promise<string>((resolve) => {
      events.on('error', () => undefined).once('close', () => resolve('cut'));
    });
    events.resume();
    const page = await agent.open('/_gate/logout');
    assert.equal((await agent.post('/_gate/logout', hiddenFields(page.text))).status < 400, true);
    assert.equal((await place.visitor().fetch('/page', { headers: { cookie } })).status, 401);
    assert.equal(await webSocket(t, place, '/live', { cookie }), 401);
    if (cuts) {
      assert.equal((await endsWithin(2000, 'the WebSocket', closed))[0], 1008);
      await endsWithin(2000, 'the event stream', cut);
    } else {
      // docs/behind-nginx.md says so: a proxy that only asks has nobody to tell it that a connection must end.
      assert.equal(await Promise.race([closed, cut, delay(2000)]), undefined);
    }
    taken(place);
  },

  'a replaced prefix, the redirects and the cookies of what stands behind it': async (place) => {
    const agent = await place.signedIn();
    const { origin } = place.upstream;
    const own = await agent.fetch(`/base/302?${new URLSearchParams({ location: `${origin}/status/x?y=1` })}`);
    assert.equal(own.headers.location, '/base/x?y=1');
    const other = await agent.fetch(
      `/base/302?${new URLSearchParams({ location: 'https://elsewhere.example/status/x' })}`,
    );
    assert.equal(other.headers.location, 'https://elsewhere.example/status/x');
    const cookie = await agent.fetch(
      `/base/200?${new URLSearchParams({ 'set-cookie': 'a=1; Path=/status/; HttpOnly' })}`,
    );
    // With its user's mark where the gateway carries the answer.
    assert.match(String(cookie.headers['set-cookie']), /^a=1(?:~[\w-]{16})?; ?path=\/base\/; ?HttpOnly$/i);
    assert.deepEqual(
      taken(place).map(({ url }) => url.split('?')[0]),
      ['/status/302', '/status/302', '/status/200'],
    );
  },

  'bodies go both ways whole': async (place) => {
    const agent = await place.signedIn();
    const body = 'x'.repeat(3_000_000);
    assert.equal((await agent.fetch('/sink', { method: 'POST', body })).status, 200);
    assert.equal(taken(place)[0]?.body.bytes, body.length);
    assert.equal((await agent.fetch('/bytes?n=3000000')).text.length > 1_000_000, true);
    taken(place);
  },

  'a form that meets an ended session is kept, or its sender told that it was not sent': async (
    place,
    { keepsForms },
  ) => {
    const visitor = place.visitor();
    const answer = await visitor.post('/form', { a: '1' });
    if (keepsForms) {
      assert.equal(answer.status, 303);
      assert.match(String(answer.headers.location), /return=%2F_gate%2Freplay/);
    } else assert.equal(answer.status, 401);
    assert.deepEqual(taken(place), []);
  },

  'every request is on record, with the user and the route': async (place, { asks }) => {
    const agent = await place.signedIn();
    const before = place.gateway.audit('request').length;
    await agent.fetch('/page');
    await agent.fetch('/admin');
    await place.visitor().fetch('/page');
    const records = place.gateway.audit('request').slice(before);
    assert.deepEqual(
      records.map(({ route, status, user, via }) => ({ route, status, user, via })),
      [
        { route: 'home', status: 200, user: 'agent1', via: asks ? 'forward-auth' : undefined },
        { route: 'admin', status: 403, user: 'agent1', via: asks ? 'forward-auth' : undefined },
        { route: 'home', status: 401, user: undefined, via: asks ? 'forward-auth' : undefined },
      ],
    );
    taken(place);
  },
};

/** An open WebSocket, or the status that it was refused with. */
async function webSocket(
  t: TestContext,
  { front }: PlacedGateway,
  path: string,
  headers: Record<string, string> = {},
): Promise<WebSocket | number> {
  const socket = new WebSocket(`ws://${front.host}${path}`, { headers: { origin: front.origin, ...headers } });
  t.after(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, response: http.IncomingMessage) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    socket.once('error', reject);
  });
}

for (const placement of placements)
  test(`placements: ${placement.name}`, placement.options, async (t) => {
    const place = await placement.start(t);
    for (const [name, check] of Object.entries(checks)) await t.test(name, (inner) => check(place, placement, inner));
  });

/** What hostile clients send, and what the upstream received of it: targets, hosts, headers, framing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import type { Received } from '../support/servers/upstream.ts';
import { hostileLines } from '../support/tools/hostile-lines.ts';
import { trials } from '../support/tools/properties.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

/** The names that only the gateway may set, as an upstream that folds `_` to `-` sees them. */
const ours = [
  'x-remote-user',
  'x-remote-name',
  'x-remote-email',
  'x-remote-groups',
  'x-remote-roles',
  'x-remote-provider',
  'x-remote-tenant',
  'x-remote-company',
  'x-remote-privileges',
  'x-gatehouse-assertion',
];

function folded(received: Received, name: string): string[] {
  return received.rawHeaders.flatMap((header, index) =>
    index % 2 === 0 && header.toLowerCase().replaceAll('_', '-') === name ? [received.rawHeaders[index + 1] ?? ''] : [],
  );
}

async function agent(started: Site): Promise<string> {
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  started.upstream.received.length = 0;
  return browser.cookieHeader;
}

test('hostile: no line of the fixture brings an agent to what is behind /admin', async (t) => {
  const started = await site(t);
  const cookie = await agent(started);
  for (const target of hostileLines('paths.txt')) {
    const answer = await sendRaw(
      started.url,
      requestOf([`GET ${target} HTTP/1.1`, `Host: ${started.url.host}`, `Cookie: ${cookie}`, 'Connection: close']),
      { silence: 5000 },
    );
    const reached = started.upstream.received.splice(0).map(({ url }) => url);
    // The space at the end of a target is the request line's own: what is left of it is another, harmless target.
    if (target.endsWith(' ')) assert.ok(reached.every((url) => url === target.trimEnd() && !url.startsWith('/admin')));
    else {
      assert.ok([400, 403].includes(answer.status), `${JSON.stringify(target)} was answered with ${answer.status}`);
      assert.deepEqual(reached, [], `${JSON.stringify(target)} reached the upstream`);
    }
  }
});

const hosts: Readonly<Record<string, readonly string[]>> = {
  'no Host': [],
  'two Hosts': ['Host: 127.0.0.1', 'Host: evil.example'],
  'a Host with a user name': ['Host: admin@127.0.0.1'],
  'a Host with a space': ['Host: 127.0.0.1 evil.example'],
  'an empty Host': ['Host: '],
  'a Host with a path': ['Host: 127.0.0.1/admin'],
  'a Host with a backslash': ['Host: 127.0.0.1\\admin'],
  'a Host with a comma': ['Host: 127.0.0.1,evil.example'],
  'a Host with an escape': ['Host: 127.0.0.1%2eevil.example'],
  'a Host with octets beyond ASCII': ['Host: \xe9vil.example'],
  'a wildcard for a Host': ['Host: *.example.com'],
  'a port beyond all': ['Host: 127.0.0.1:99999'],
  'an IPv6 zone': ['Host: [fe80::1%25eth0]'],
};
for (const [name, lines] of Object.entries(hosts))
  test(`hostile: ${name} is 400 and reaches nobody`, async (t) => {
    const started = await site(t);
    const cookie = await agent(started);
    const answer = await sendRaw(started.url, requestOf(['GET /public HTTP/1.1', ...lines, `Cookie: ${cookie}`]));
    assert.equal(answer.status, 400);
    assert.equal(started.upstream.received.length, 0);
  });

const framings: Readonly<Record<string, readonly [readonly string[], string]>> = {
  'a length and chunks': [['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
  'two lengths': [['Content-Length: 5', 'Content-Length: 6'], 'hello'],
  'a length with a space before the colon': [['Content-Length : 5'], 'hello'],
  'a folded transfer coding': [['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'],
  'a coding that is not known': [['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
  'chunked twice': [['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'],
  'a negative length': [['Content-Length: -5'], 'hello'],
  'a length with a plus': [['Content-Length: +5'], 'hello'],
  'a NUL in a header': [['X-Odd: a\0b'], ''],
  'a bare line feed between headers': [['X-Odd: a\nX-Remote-User: admin'], ''],
};
for (const [name, [lines, body]] of Object.entries(framings))
  test(`hostile: ${name} is refused, and a request smuggled behind it reaches nobody`, async (t) => {
    const started = await site(t);
    const smuggled = requestOf(['GET /public/smuggled HTTP/1.1', `Host: ${started.url.host}`]);
    const answer = await sendRaw(
      started.url,
      requestOf(['POST /public HTTP/1.1', `Host: ${started.url.host}`, ...lines], body) + smuggled,
    );
    const reached = started.upstream.received.map(({ url, rawHeaders }) => [url, rawHeaders]);
    assert.ok(answer.status === 400 || answer.status === 501 || answer.status === 0, `answered with ${answer.status}`);
    assert.deepEqual(reached, []);
  });

test('hostile: more than the largest head is 431, and the gateway goes on', async (t) => {
  const started = await site(t);
  const answer = await sendRaw(
    started.url,
    requestOf(['GET /public HTTP/1.1', `Host: ${started.url.host}`, `X-Big: ${'x'.repeat(70_000)}`]),
  );
  assert.equal(answer.status, 431);
  const cookies = Array.from({ length: 1000 }, (_, index) => `c${index}=v`).join('; ');
  const many = await sendRaw(
    started.url,
    requestOf(['GET /public HTTP/1.1', `Host: ${started.url.host}`, `Cookie: ${cookies}`]),
  );
  assert.equal(many.status, 200);
});

test('hostile: identity headers in any spelling are gone on every path, open ones, refused ones and preflights too', async (t) => {
  const started = await site(t);
  const cookie = await agent(started);
  const spellings = [
    'X-Remote-User',
    'x-remote-user',
    'X_Remote_User',
    'X-Remote_User',
    'X_REMOTE-USER',
    'x-Remote-Roles',
    'X_Remote_Groups',
    'X-Gatehouse-Assertion',
    'X_Gatehouse_Assertion',
  ];
  const lines = [
    ...spellings.map((name) => `${name}: admin`),
    `Connection: close, ${ours.join(', ')}`,
    'X-Forwarded-For: 10.0.0.1',
    'X_Forwarded_Host: evil.example',
    'Forwarded: for=10.0.0.1',
  ];
  for (const [method, path, signedIn] of [
    ['GET', '/public', false],
    ['OPTIONS', '/public', false],
    ['GET', '/public', true],
    ['GET', '/desk', true],
    ['OPTIONS', '/desk', true],
  ] as const) {
    const head = [
      `${method} ${path} HTTP/1.1`,
      `Host: ${started.url.host}`,
      ...lines,
      ...(signedIn ? [`Cookie: ${cookie}`] : []),
    ];
    const answer = await sendRaw(started.url, requestOf(head));
    assert.equal(answer.status, 200, `${method} ${path}`);
    const received = started.upstream.received.pop();
    assert.ok(received);
    const isKnown = path === '/desk';
    assert.deepEqual(folded(received, 'x-remote-user'), isKnown ? ['agent1'] : []);
    assert.deepEqual(folded(received, 'x-remote-roles'), isKnown ? ['agent'] : []);
    assert.equal(folded(received, 'x-gatehouse-assertion').includes('admin'), false);
    assert.deepEqual(folded(received, 'x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(folded(received, 'x-forwarded-host'), [started.url.host]);
    assert.deepEqual(folded(received, 'forwarded'), []);
  }
});

test('hostile: forwarded headers count from a trusted proxy only, and what cannot be read from one is 400', async (t) => {
  const believed = await site(t, { config: { server: { trustedProxies: ['127.0.0.1/32'] } } });
  const ask = (headers: readonly string[]) =>
    sendRaw(believed.url, requestOf(['GET /public HTTP/1.1', `Host: ${believed.url.host}`, ...headers]));
  assert.equal((await ask(['X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: https'])).status, 200);
  const received = believed.upstream.received.pop();
  assert.match(folded(received!, 'x-forwarded-for').join(), /^192\.0\.2\.7/);
  assert.deepEqual(folded(received!, 'x-forwarded-proto'), ['https']);
  assert.equal((await ask(['X-Forwarded-For: not-an-address'])).status, 400);
  assert.equal((await ask(['X-Forwarded-Proto: javascript'])).status, 400);
  assert.equal(believed.upstream.received.length, 0);
});

test('hostile: whatever target and headers, the upstream gets what policy matched, and no identity but ours', async (t) => {
  const started = await site(t);
  const cookie = await agent(started);
  const segment = fc.constantFrom(
    'admin',
    'public',
    'desk',
    '..',
    '.',
    '%2e%2e',
    '%2f',
    ';x',
    '%61dmin',
    'ADMIN',
    '',
    'a b',
    '%',
    '%00',
    '\\',
    '%5c',
    '%252e',
    '~',
    '*',
  );
  const target = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => `/${parts.join('/')}`);
  const marks = fc.array(fc.constantFrom('-', '_'), { minLength: 3, maxLength: 3 });
  const name = fc
    .tuple(fc.mixedCase(fc.constantFrom(...ours, 'x-forwarded-user')), marks)
    .map(([text, [first, second, third]]) =>
      text.split('-').reduce((left, right, index) => `${left}${[first, second, third][index - 1] ?? '-'}${right}`),
    );
  const header = fc
    .tuple(name, fc.constantFrom('admin', 'root', 'a, b', '\x80\xff'))
    .map(([header, value]) => `${header}: ${value}`);
  await fc.assert(
    fc.asyncProperty(target, fc.array(header, { maxLength: 6 }), async (path, headers) => {
      started.upstream.received.length = 0;
      await sendRaw(
        started.url,
        requestOf([
          `GET ${path} HTTP/1.1`,
          `Host: ${started.url.host}`,
          `Cookie: ${cookie}`,
          ...headers,
          'Connection: close',
        ]),
        { silence: 3000 },
      );
      for (const received of started.upstream.received) {
        const { pathname } = new URL(received.url, 'http://upstream.invalid');
        assert.equal(pathname, received.url.split('?', 1)[0], 'an upstream that normalises reads another path');
        assert.ok(
          !decodeURIComponent(pathname).toLowerCase().startsWith('/admin') || pathname.startsWith('/ADMIN'),
          `an agent got to ${received.url}`,
        );
        for (const header of ours) {
          const values = folded(received, header);
          assert.ok(
            values.length <= 1 && !values.some((value) => /admin|root|a, b|\x80/.test(value)),
            `${header}: ${values.join(' | ')}`,
          );
        }
      }
    }),
    trials(150),
  );
});

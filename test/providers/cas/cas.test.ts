/** CAS against servers at the wire: what is asked, what is believed, and what becomes of every way to misbehave. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { ProbeStep, Provider } from '../../../src/core/provider.ts';
import { HeaderLines } from '../../../src/core/request-head.ts';
import { cas } from '../../../src/providers/cas/index.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { type Outage, type ProviderUnderTest, providerContract } from '../../contract/provider.ts';
import {
  backWith,
  callback,
  callbackAttempt,
  casProvider,
  type FakeAnswer,
  failure,
  fakeCas,
  leave,
  signInWith,
  success,
} from '../../support/scenes/cas-provider.ts';
import { attemptOf } from '../../support/tools/attempt.ts';
import { freePort } from '../../support/tools/free-port.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';
import { until } from '../../support/tools/poll.ts';
import { endsWithin } from '../../support/tools/stopwatch.ts';

const alice = success(
  'Alice',
  '<cas:attributes><cas:displayName>Alice Adams</cas:displayName><cas:mail>alice@example.com</cas:mail>' +
    '<cas:memberOf>agents</cas:memberOf><cas:memberOf>staff</cas:memberOf><cas:dept>support</cas:dept></cas:attributes>',
);

test('cas: the browser is led to the login of CAS, with our service and nothing of the request', async (t) => {
  const provider = casProvider(t, { url: 'https://cas.example.org/cas/' });
  const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-proxied-request-uri': '/evil' };
  const { url, service, state } = await leave(provider, {
    flow: 'a b&c',
    headers,
    url: new URL('http://evil.example/'),
  });
  assert.equal(service, `${callback}?flow=a+b%26c`);
  assert.equal(url.href, `https://cas.example.org/cas/login?${new URLSearchParams({ service })}`);
  assert.deepEqual(state, { flow: 'a b&c', renew: false, silent: false });
});

test('cas: renew and gateway are asked for where they are meant', async (t) => {
  const url = 'https://cas.example.org/cas';
  const terms = async (options: object, parts = {}): Promise<(string | null)[]> => {
    const { url: login } = await leave(casProvider(t, { url, ...options }), parts);
    return [login.searchParams.get('renew'), login.searchParams.get('gateway')];
  };
  assert.deepEqual(await terms({}), [null, null]);
  assert.deepEqual(await terms({}, { fresh: true }), ['true', null]);
  assert.deepEqual(await terms({ renew: true }), ['true', null]);
  assert.deepEqual(await terms({ gateway: true }), [null, 'true']);
  assert.deepEqual(await terms({ gateway: true }, { chosen: true }), [null, null]);
  assert.deepEqual(await terms({ gateway: true }, { fresh: true }), ['true', null]);
});

test('cas: a ticket is asked about once, and what CAS releases becomes the assertion', async (t) => {
  const server = await fakeCas(t, () => ({ body: alice }));
  const provider = casProvider(t, { url: server.url, attributes: { department: 'dept', none: 'absent' } });
  const journey = await leave(provider);
  assert.deepEqual(await provider.attempt(callbackAttempt(journey, 'ST-1-x')), {
    kind: 'authenticated',
    assertion: {
      realm: 'under-test',
      subject: 'alice',
      amr: ['cas'],
      attributes: {
        name: ['Alice Adams'],
        email: ['alice@example.com'],
        groups: ['agents', 'staff'],
        department: ['support'],
      },
    },
    grant: { handles: ['ST-1-x'] },
  });
  const [asked, ...more] = server.asked;
  assert.equal(more.length, 0);
  assert.equal(asked?.pathname, '/cas/p3/serviceValidate');
  assert.deepEqual(
    [...asked.searchParams],
    [
      ['service', journey.service],
      ['ticket', 'ST-1-x'],
    ],
  );
});

test('cas: version 2.0 asks at its own address, and renew goes along', async (t) => {
  const server = await fakeCas(t, () => ({ body: alice }));
  const provider = casProvider(t, { url: server.url, version: '2.0' });
  const outcome = await provider.attempt(callbackAttempt(await leave(provider, { fresh: true }), 'ST-1'));
  assert.equal(outcome.kind, 'authenticated');
  assert.equal(server.asked[0]?.pathname, '/cas/serviceValidate');
  assert.equal(server.asked[0]?.searchParams.get('renew'), 'true');
});

test('cas: a server without p3 is asked at the 2.0 address, and p3 is tried again only later', async (t) => {
  const server = await fakeCas(t, ({ pathname }) => (pathname.includes('/p3/') ? { status: 404 } : { body: alice }));
  const clock = manualClock();
  const provider = casProvider(t, { url: server.url }, { clock });
  const paths = async (ticket: string): Promise<string[]> => {
    server.asked.length = 0;
    assert.equal((await signInWith(provider, ticket)).kind, 'authenticated');
    return server.asked.map(({ pathname }) => pathname);
  };
  assert.deepEqual(await paths('ST-1'), ['/cas/p3/serviceValidate', '/cas/serviceValidate']);
  assert.deepEqual(await paths('ST-2'), ['/cas/serviceValidate']);
  clock.advance(3_600_000);
  assert.deepEqual(await paths('ST-3'), ['/cas/p3/serviceValidate', '/cas/serviceValidate']);
});

test('cas: what is no ticket is refused without a question to the server (C2)', async (t) => {
  const server = await fakeCas(t, () => ({ body: alice }));
  const provider = casProvider(t, { url: server.url });
  const odd = [
    '',
    'ST-',
    'ST-1&service=https://b',
    'ST-1 ',
    ' ST-1',
    'st-1',
    'TGT-1',
    'PGT-1',
    'XST-1',
    'ST-1\n',
    'ST-é',
    `ST-${'a'.repeat(257)}`,
    'PT-1',
  ];
  for (const ticket of odd)
    assert.deepEqual(await signInWith(provider, ticket), { kind: 'rejected', reason: 'ticket-rejected' }, ticket);
  const twice = attemptOf(backWith(await leave(provider), 'ticket=ST-1&ticket=ST-2'));
  assert.deepEqual(await provider.attempt(twice), { kind: 'rejected', reason: 'ticket-rejected' });
  assert.equal(server.asked.length, 0);
});

test('cas: the service that is validated is ours, whatever address the ticket came to (C1)', async (t) => {
  const server = await fakeCas(t, () => ({ body: failure('INVALID_SERVICE') }));
  const log = keptLog();
  const provider = casProvider(t, { url: server.url }, { log });
  const journey = await leave(provider);
  const attempt = callbackAttempt(journey, 'ST-1');
  const url = new URL(attempt.url.href.replace('gate.test', 'b.example'));
  url.searchParams.append('service', 'https://b.example/');
  const headers = new HeaderLines(['host', 'b.example', 'x-forwarded-host', 'b.example']);
  assert.deepEqual(await provider.attempt({ ...attempt, url, headers }), {
    kind: 'rejected',
    reason: 'ticket-rejected',
  });
  assert.deepEqual(server.asked[0]?.searchParams.getAll('service'), [journey.service]);
  assert.ok(
    log.lines.some(
      ({ level, fields }) => level === 'warn' && 'answer' in fields && fields.answer === 'INVALID_SERVICE',
    ),
  );
});

test('cas: a ticket counts once (C5), also when it arrives twice at the same time', async (t) => {
  const server = await fakeCas(t, () => ({ body: alice }));
  const store = new MemoryStore({ now: Date.now });
  const workers = [1, 2].map(() => casProvider(t, { url: server.url }, { store }));
  const attempts = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => ({ at: workers[i % 2]!, journey: await leave(workers[i % 2]!) })),
  );
  const outcomes = await Promise.all(
    attempts.map(({ at, journey }) => at.attempt(callbackAttempt(journey, 'ST-once'))),
  );
  assert.equal(outcomes.filter(({ kind }) => kind === 'authenticated').length, 1);
  assert.equal(
    outcomes.filter((outcome) => outcome.kind === 'rejected' && outcome.reason === 'ticket-replayed').length,
    7,
  );
  assert.equal(server.asked.length, 1);
  for await (const { key } of store.list('')) assert.ok(!key.includes('ST-once'), 'the store does not hold the ticket');
});

test('cas: tickets that the server does not know leave nothing in the store, and are refused again', async (t) => {
  const server = await fakeCas(t, () => ({ body: failure('INVALID_TICKET') }));
  const store = new MemoryStore({ now: Date.now });
  const provider = casProvider(t, { url: server.url }, { store });
  for (const ticket of ['ST-1', 'ST-2', 'ST-1'])
    assert.deepEqual(await signInWith(provider, ticket), { kind: 'rejected', reason: 'ticket-rejected' });
  assert.equal(server.asked.length, 3);
  assert.deepEqual(await Array.fromAsync(store.list('')), []);
});

test('cas: a store that is out of reach lets nobody in', async (t) => {
  const server = await fakeCas(t, () => ({ body: alice }));
  const store = new MemoryStore({ now: Date.now });
  await store.close();
  const outcome = await signInWith(casProvider(t, { url: server.url }, { store }), 'ST-1');
  assert.equal(outcome.kind, 'unavailable');
  assert.equal(server.asked.length, 0);
});

test('cas: a callback that does not belong to the login under way is foreign', async (t) => {
  const server = await fakeCas(t, () => ({ body: alice }));
  const provider = casProvider(t, { url: server.url });
  const [mine, other] = [await leave(provider), await leave(provider)];
  const states = [undefined, null, 'x', {}, { flow: '' }, { ...(mine.state as object), more: 1 }, other.state];
  for (const state of states)
    assert.deepEqual(
      await provider.attempt(callbackAttempt({ ...mine, state }, 'ST-1')),
      { kind: 'rejected', reason: 'flow-foreign' },
      inspect(state),
    );
  assert.equal(server.asked.length, 0);
});

test('cas: who comes back without a ticket is not signed in', async (t) => {
  const url = 'https://cas.example.org/cas';
  const come = async (provider: Provider) => provider.attempt(attemptOf(backWith(await leave(provider), '')));
  assert.deepEqual(await come(casProvider(t, { url })), { kind: 'rejected', reason: 'login-denied' });
  assert.deepEqual(await come(casProvider(t, { url, gateway: true })), { kind: 'rejected', reason: 'login-required' });
});

const verdicts: Readonly<Record<string, { kind: string; reason: string }>> = {
  INVALID_TICKET: { kind: 'rejected', reason: 'ticket-rejected' },
  INVALID_TICKET_SPEC: { kind: 'rejected', reason: 'ticket-rejected' },
  INVALID_SERVICE: { kind: 'rejected', reason: 'ticket-rejected' },
  SOMETHING_NEW: { kind: 'rejected', reason: 'ticket-rejected' },
  constructor: { kind: 'rejected', reason: 'ticket-rejected' },
  UNAUTHORIZED_SERVICE: { kind: 'unavailable', reason: 'misconfigured' },
  INTERNAL_ERROR: { kind: 'unavailable', reason: 'provider-broke' },
  INVALID_REQUEST: { kind: 'unavailable', reason: 'protocol-error' },
};
for (const [code, want] of Object.entries(verdicts))
  for (const status of [200, 401])
    test(`cas: the answer ${code} with status ${status} is ${want.kind}: ${want.reason}`, async (t) => {
      const server = await fakeCas(t, () => ({ status, body: failure(code, 'ST-1-secret is not mine') }));
      assert.partialDeepStrictEqual(await signInWith(casProvider(t, { url: server.url }), 'ST-1'), want);
    });

const page = '<html><body>Please sign in</body></html>';
const broken: Readonly<Record<string, { reason: string; answer: FakeAnswer }>> = {
  'a web page': { reason: 'protocol-error', answer: { body: page } },
  nothing: { reason: 'protocol-error', answer: {} },
  'a redirection to another site': {
    reason: 'misconfigured',
    answer: { status: 302, headers: { location: 'https://evil.example/?ticket=ST-1' } },
  },
  'a redirection to itself': {
    reason: 'misconfigured',
    answer: { status: 307, headers: { location: '/cas/p3/serviceValidate' } },
  },
  'status 404 everywhere': { reason: 'misconfigured', answer: { status: 404, body: page } },
  'status 500': { reason: 'provider-broke', answer: { status: 500, body: alice } },
  'status 503': { reason: 'overloaded', answer: { status: 503, body: alice } },
  'a success with status 403': { reason: 'protocol-error', answer: { status: 403, body: alice } },
  'more than a mebibyte': { reason: 'protocol-error', answer: { body: success('alice', ' '.repeat(1024 * 1024)) } },
  'an encoding that was not asked for': {
    reason: 'protocol-error',
    answer: { headers: { 'content-encoding': 'gzip' }, body: alice },
  },
  'a charset that nobody reads': {
    reason: 'protocol-error',
    answer: { headers: { 'content-type': 'text/xml; charset=utf-7' }, body: alice },
  },
  'bytes that are not UTF-8': {
    reason: 'protocol-error',
    answer: { body: Buffer.from(success('al\xefce'), 'latin1') },
  },
  'a document type (C3)': {
    reason: 'protocol-error',
    answer: { body: `<!DOCTYPE a SYSTEM "file:///etc/passwd">${alice}` },
  },
};
for (const [what, { reason, answer }] of Object.entries(broken))
  test(`cas: a server that answers with ${what} is unavailable: ${reason}`, async (t) => {
    const server = await fakeCas(t, () => answer);
    const outcome = await signInWith(casProvider(t, { url: server.url }), 'ST-1-needle');
    assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason }, inspect(outcome));
    assert.ok(!inspect(outcome, { depth: 9 }).includes('ST-1'));
    assert.ok(server.asked.every(({ pathname }) => pathname.startsWith('/cas/')));
  });

test('cas: names in Latin-1 are read where the server says so', async (t) => {
  const body = Buffer.from(success('Zo\xeb'), 'latin1');
  for (const [type, prefix] of [
    ['text/xml; charset=ISO-8859-1', ''],
    ['text/xml', '<?xml version="1.0" encoding="ISO-8859-1"?>'],
  ] as const) {
    const server = await fakeCas(t, () => ({
      headers: { 'content-type': type },
      body: Buffer.concat([Buffer.from(prefix), body]),
    }));
    assert.partialDeepStrictEqual(await signInWith(casProvider(t, { url: server.url }), 'ST-1'), {
      assertion: { subject: 'zoë' },
    });
  }
});

test('cas: of attributes that are trusted the one that is worth most is the class of the login, and no other says anything', async (t) => {
  const trust = { attributes: { authnContextClass: { 'mfa-webauthn': 3, 'mfa-otp': 2 }, level: { high: 2 } } };
  const classOf = async (attributes: string): Promise<unknown> => {
    const server = await fakeCas(t, () => ({
      body: success('alice', `<cas:attributes>${attributes}</cas:attributes>`),
    }));
    const outcome = await signInWith(casProvider(t, { url: server.url, trust }), 'ST-1');
    return outcome.kind === 'authenticated' && outcome.assertion.acr;
  };
  const context = (value: string) => `<cas:authnContextClass>${value}</cas:authnContextClass>`;
  assert.equal(await classOf('<cas:mail>a@example.com</cas:mail>'), undefined);
  assert.equal(await classOf(context('password')), undefined);
  assert.equal(await classOf(context('MFA-OTP')), undefined);
  assert.equal(await classOf(context('mfa-otp')), 'authnContextClass=mfa-otp');
  assert.equal(await classOf(`${context('mfa-otp')}${context('mfa-webauthn')}`), 'authnContextClass=mfa-webauthn');
  assert.equal(await classOf('<cas:level>high</cas:level>'), 'level=high');
  assert.equal(await classOf('<cas:other>mfa-webauthn</cas:other>'), undefined);
});

test('cas: the subject can be an attribute, of which there must be one value', async (t) => {
  const subjectOf = async (attributes: string): Promise<unknown> => {
    const server = await fakeCas(t, () => ({
      body: success('12345', `<cas:attributes>${attributes}</cas:attributes>`),
    }));
    const outcome = await signInWith(casProvider(t, { url: server.url, attributes: { subject: 'uid' } }), 'ST-1');
    return outcome.kind === 'authenticated' ? outcome.assertion.subject : outcome;
  };
  assert.equal(await subjectOf('<cas:uid>Alice</cas:uid>'), 'alice');
  const missing = { kind: 'rejected', reason: 'claim-missing' };
  assert.deepEqual(await subjectOf(''), missing);
  assert.deepEqual(await subjectOf('<cas:UID>Alice</cas:UID>'), missing);
  assert.deepEqual(await subjectOf('<cas:uid>alice</cas:uid><cas:uid>admin</cas:uid>'), missing);
  assert.deepEqual(await subjectOf('<cas:uid>alice&#10;admin</cas:uid>'), missing);
});

const through = (...proxies: string[]): string =>
  success('alice', `<cas:proxies>${proxies.map((proxy) => `<cas:proxy>${proxy}</cas:proxy>`).join('')}</cas:proxies>`);
const allow = ['https://portal.example.org/pgt', 'https://mail.example.org/pgt'];
const chains: Readonly<Record<string, { ticket: string; body: string; proxy?: object; want: string; path?: string }>> =
  {
    'a proxy ticket where none are configured': { ticket: 'PT-1', body: through(allow[0]!), want: 'ticket-rejected' },
    'a proxy ticket of a listed service': {
      ticket: 'PT-1',
      body: through(allow[0]!),
      proxy: { allow },
      want: 'authenticated',
      path: '/cas/p3/proxyValidate',
    },
    'a proxy ticket through two listed services': {
      ticket: 'PT-1',
      body: through(...allow),
      proxy: { allow },
      want: 'authenticated',
      path: '/cas/p3/proxyValidate',
    },
    'a proxy ticket through a listed service and a stranger': {
      ticket: 'PT-1',
      body: through(allow[0]!, 'https://evil/'),
      proxy: { allow },
      want: 'ticket-rejected',
    },
    'a proxy ticket of a service that begins like a listed one': {
      ticket: 'PT-1',
      body: through(`${allow[0]}x`),
      proxy: { allow },
      want: 'ticket-rejected',
    },
    'a proxy ticket without a chain': {
      ticket: 'PT-1',
      body: success('alice'),
      proxy: { allow },
      want: 'ticket-rejected',
    },
    'a service ticket with a chain': { ticket: 'ST-1', body: through('https://evil/'), want: 'ticket-rejected' },
    'a service ticket with a listed chain': {
      ticket: 'ST-1',
      body: through(allow[0]!),
      proxy: { allow },
      want: 'ticket-rejected',
    },
    'a service ticket beside configured proxies': {
      ticket: 'ST-1',
      body: success('alice'),
      proxy: { allow },
      want: 'authenticated',
      path: '/cas/p3/serviceValidate',
    },
  };
for (const [what, { ticket, body, proxy, want, path }] of Object.entries(chains))
  test(`cas: ${what} is ${want}`, async (t) => {
    const server = await fakeCas(t, () => ({ body }));
    const outcome = await signInWith(casProvider(t, { url: server.url, ...(proxy && { proxy }) }), ticket);
    assert.equal(outcome.kind === 'rejected' ? outcome.reason : outcome.kind, want);
    if (path) assert.equal(server.asked[0]?.pathname, path);
  });

test('cas: signing out leads to CAS where it is configured, and back to our own site only (R9)', async (t) => {
  const url = 'https://cas.example.org/cas';
  const who = { realm: 'under-test', subject: 'alice', amr: ['cas'], attributes: {} } as const;
  const leadTo = async (options: object, back: string) =>
    (await casProvider(t, { url, ...options }).logout?.(who, undefined, new URL(back)))?.href;
  assert.equal(await leadTo({}, 'http://gate.test/'), undefined);
  assert.equal(
    await leadTo({ logout: true }, 'http://gate.test/bye'),
    `${url}/logout?service=http%3A%2F%2Fgate.test%2Fbye`,
  );
  assert.equal(
    await leadTo({ logout: true, version: '2.0' }, 'http://gate.test/'),
    `${url}/logout?url=http%3A%2F%2Fgate.test%2F`,
  );
  for (const evil of [
    'https://evil.example/',
    'http://gate.test.evil/',
    'http://gate.test:81/',
    'https://gate.test/',
    'javascript:alert(1)',
  ])
    assert.equal(await leadTo({ logout: true }, evil), `${url}/logout?service=http%3A%2F%2Fgate.test%2F`, evil);
});

test('cas: a logout request ends the session of its ticket, and nothing else is one', async (t) => {
  const provider = casProvider(t, { url: 'https://cas.example.org/cas' });
  const document =
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><samlp:SessionIndex>ST-1</samlp:SessionIndex></samlp:LogoutRequest>';
  const read = async (
    form: URLSearchParams | undefined,
    channel: 'callback' | 'back-channel' | 'front-channel' = 'callback',
  ) =>
    provider.readLogout?.({
      channel,
      url: new URL(callback),
      signal: AbortSignal.timeout(60_000),
      ...(form && { form }),
    });
  const posted = (value: string) => new URLSearchParams({ logoutRequest: value });
  assert.deepEqual(await read(posted(document)), { kind: 'end', handles: ['ST-1'], reason: 'single-logout' });
  assert.deepEqual(await read(posted(document), 'back-channel'), { kind: 'not-a-notice' });
  const doubled = posted(document);
  doubled.append('logoutRequest', document);
  for (const form of [
    undefined,
    new URLSearchParams(),
    posted(''),
    posted('ST-1'),
    posted(`<!DOCTYPE a>${document}`),
    doubled,
  ])
    assert.partialDeepStrictEqual(await read(form), { kind: 'rejected', reason: 'protocol-error' });
});

test('cas: options that contradict each other are refused', () => {
  const both = cas.options.parse({ url: 'https://cas.example.org/cas', renew: true, gateway: true });
  assert.deepEqual(
    cas.checkTogether?.(both).map(({ key }) => key),
    ['gateway'],
  );
  for (const wrong of [
    { url: 'ftp://x' },
    { url: 'https://x/cas?a=b' },
    { version: '1.0' },
    { attributes: { name: 'a b' } },
    { proxy: { allow: [] } },
    { casURL: 'https://x' },
  ])
    assert.equal(
      cas.options.safeParse({ url: 'https://cas.example.org/cas', ...wrong }).success,
      false,
      inspect(wrong),
    );
});

test('cas: answers that cross the network unprotected are worth a warning', (t) => {
  const warned = (url: string): boolean => {
    const log = keptLog();
    casProvider(t, { url }, { log });
    return log.lines.some(({ level }) => level === 'warn');
  };
  assert.equal(warned('http://cas.example.org/cas'), true);
  assert.deepEqual(
    ['https://cas.example.org/cas', 'http://127.0.0.1:1/cas', 'http://localhost/cas', 'http://[::1]/cas'].map(warned),
    [false, false, false, false],
  );
});

const steps = async (provider: Provider): Promise<[string, string][]> => {
  const found: ProbeStep[] = [];
  for await (const step of provider.probe?.(AbortSignal.timeout(60_000)) ?? []) found.push(step);
  return found.map(({ step, result }) => [step, result]);
};

test('cas: check --connect says which step fails', async (t) => {
  const login = (answer: FakeAnswer) =>
    fakeCas(t, ({ pathname }) =>
      pathname === '/cas/login' ? { headers: { 'content-type': 'text/html' }, body: '<form>' } : answer,
    );
  const at = (url: string, more = {}) => steps(casProvider(t, { url, ...more }));
  const start = [
    ['resolve', 'ok'],
    ['connect', 'ok'],
  ];
  const well = await login({ body: failure('INVALID_TICKET') });
  assert.deepEqual(await at(well.url), [...start, ['login', 'ok'], ['validate', 'ok'], ['p3', 'ok']]);
  assert.deepEqual(await at(well.url, { version: '2.0' }), [...start, ['login', 'ok'], ['validate', 'ok']]);
  const unknown = await login({ body: failure('INVALID_SERVICE') });
  assert.deepEqual(await at(unknown.url), [...start, ['login', 'ok'], ['validate', 'warning'], ['p3', 'warning']]);
  const trusting = await login({ body: alice });
  assert.deepEqual(await at(trusting.url), [...start, ['login', 'ok'], ['validate', 'failed']]);
  const old = await fakeCas(t, ({ pathname }) =>
    pathname.includes('p3')
      ? { status: 404 }
      : { body: pathname.endsWith('login') ? '<form>' : failure('INVALID_TICKET') },
  );
  assert.deepEqual(await at(old.url), [...start, ['login', 'ok'], ['validate', 'ok'], ['p3', 'warning']]);
  const elsewhere = await fakeCas(t, () => ({ status: 404 }));
  assert.deepEqual(await at(elsewhere.url), [...start, ['login', 'failed']]);
  assert.deepEqual(await at(`http://127.0.0.1:${await freePort()}/cas`), [
    ['resolve', 'ok'],
    ['connect', 'failed'],
  ]);
});

/** Vouches for whoever the ticket names: `ST-alice-1`. */
const byTicket = (url: URL): FakeAnswer => {
  const ticket = url.searchParams.get('ticket') ?? '';
  const user = /^ST-(alice|bob)-/.exec(ticket)?.[1];
  return { body: user ? success(user) : failure('INVALID_TICKET', ticket) };
};

providerContract('cas', async (t, log): Promise<ProviderUnderTest> => {
  const server = await fakeCas(t, byTicket);
  const provider = casProvider(t, { url: server.url }, { log });
  const back = async (ticket: string) => backWith(await leave(provider), { ticket });
  const fresh = (user: string): string => `ST-${user}-needle-${randomUUID()}`;
  const outage = async (url: string): Promise<Outage> => {
    const broken = casProvider(t, { url, timeout: '300ms' }, { log });
    return { provider: broken, timeout: 300, attempt: backWith(await leave(broken), { ticket: fresh('alice') }) };
  };
  const hang = await fakeCas(t, () => undefined);
  const half = await fakeCas(t, (_url, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 1000\r\n\r\n<cas:serviceResponse');
    return undefined;
  });
  const cut = await fakeCas(t, (_url, socket) => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 1000\r\n\r\n<cas:serviceResponse');
    return undefined;
  });
  const garbage = createServer(
    (socket) => void socket.once('data', () => socket.end('\x15\x03\x01\0\x02\x02')).on('error', () => undefined),
  );
  await new Promise<void>((resolve) => garbage.listen(0, '127.0.0.1', resolve));
  t.after(() => garbage.close());
  const garbagePort = (garbage.address() as { port: number }).port;
  return {
    provider,
    subjects: ['alice', 'bob'],
    good: (user) => back(fresh(user === 0 ? 'alice' : 'bob')),
    bad: {
      'a ticket that CAS does not know': {
        attempt: () => back('ST-mallory-needle'),
        want: { kind: 'rejected', reason: 'ticket-rejected' },
      },
      'no ticket': {
        attempt: async () => backWith(await leave(provider), ''),
        want: { kind: 'rejected', reason: 'login-denied' },
      },
      'no login under way': {
        attempt: async () => ({ ...(await back('ST-alice-needle0')), state: undefined }),
        want: { kind: 'rejected', reason: 'flow-foreign' },
      },
    },
    secrets: ['needle'],
    outages: {
      'nothing listens': async () => outage(`http://127.0.0.1:${await freePort()}/cas`),
      'it says nothing': () => outage(hang.url),
      'it stops in the middle of an answer': () => outage(half.url),
      'it hangs up in the middle of an answer': () => outage(cut.url),
      'it does not speak HTTP': () => outage(`http://127.0.0.1:${garbagePort}/cas`),
      'it does not speak TLS': () => outage(hang.url.replace('http:', 'https:')),
    },
  };
});

test('cas: an attempt that is given up leaves no connection behind', async (t) => {
  const server = await fakeCas(t, () => undefined);
  const provider = casProvider(t, { url: server.url, timeout: '200ms' });
  const outcome = await signInWith(provider, 'ST-1');
  assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'timed-out' });
  await until('the connection is closed', () => server.sockets.size === 0);
});

test('cas: an answer without an end is given up when it is too large, long before the deadline', async (t) => {
  const server = await fakeCas(t, (_url, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\n\r\n');
    const pour = (): void => {
      while (socket.writable && socket.write(' '.repeat(65_536)));
    };
    socket.on('drain', pour);
    pour();
    return undefined;
  });
  const login = signInWith(casProvider(t, { url: server.url, timeout: '20s' }), 'ST-1');
  const outcome = await endsWithin(5000, 'the login', login);
  assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'protocol-error' });
  await until('the connection is closed', () => server.sockets.size === 0);
});

test('cas: S9: a name that only looks like a user’s is refused, and one in another spelling is the user’s', async (t) => {
  for (const [user, want] of [
    ['\uff41lice', 'claim-missing'],
    ['\u212aarl', 'claim-missing'],
    ['ali\u200bce', 'claim-missing'],
    ['alice\u2028', 'claim-missing'],
    ['alice ', 'claim-missing'],
    ['\n  alice\n', 'alice'],
    ['zoe\u0308', 'zo\u00eb'],
  ]) {
    const server = await fakeCas(t, () => ({ body: success(user ?? '') }));
    const provider = casProvider(t, { url: server.url });
    const outcome = await provider.attempt(callbackAttempt(await leave(provider), 'ST-1'));
    assert.equal(
      outcome.kind === 'authenticated' ? outcome.assertion.subject : 'reason' in outcome && outcome.reason,
      want,
    );
  }
});

test('cas: S7: an answer that unpacks to more than a mebibyte is none', async (t) => {
  const body = gzipSync(success('alice', ' '.repeat(64 * 1024 * 1024)));
  const server = createHttpServer(
    (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(body),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const provider = casProvider(t, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/cas` });
  const outcome = await provider.attempt(callbackAttempt(await leave(provider), 'ST-1'));
  assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', reason: 'protocol-error' });
});

test('cas: a server is looked at by its login page', async (t) => {
  const ill = await fakeCas(t, () => ({ status: 500 }));
  const well = await fakeCas(t, () => ({ body: page }));
  await assert.rejects(async () => casProvider(t, { url: ill.url }).ping?.(AbortSignal.timeout(5000)), /status 500/);
  await casProvider(t, { url: well.url }).ping?.(AbortSignal.timeout(5000));
  assert.equal(well.asked[0]?.pathname, '/cas/login');
});

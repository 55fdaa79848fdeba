/** The admin listener: what it tells, what it ends, and whom it refuses. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type * as z from 'zod';
import type { Actor } from '../../src/admin/actor.ts';
import type { ReloadAnswer } from '../../src/admin/app.ts';
import { identifyCaller } from '../../src/admin/guard.ts';
import { startAdmin } from '../../src/admin/listener.ts';
import { adminOptions, isLoopback } from '../../src/admin/options.ts';
import { OperatorError } from '../../src/core/errors.ts';
import type { MaybePromise } from '../../src/core/maybe-promise.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { Stored, StoreOutage } from '../../src/core/store.ts';
import { FactorDesk } from '../../src/factors/desk.ts';
import { Enrolments } from '../../src/factors/enrolments.ts';
import { Factors } from '../../src/factors/factors.ts';
import { FactorLimits } from '../../src/factors/limits.ts';
import { EnrolmentOpening } from '../../src/factors/opening.ts';
import { Passes } from '../../src/factors/pass/passes.ts';
import { TypedNames } from '../../src/login/typed-names.ts';
import { CircuitBreaker } from '../../src/remote/circuit-breaker.ts';
import { KnownBrowsers } from '../../src/sessions/known.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { AuditRecord } from '../../src/telemetry/audit.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { ApiTokens } from '../../src/users/api-tokens.ts';
import { Lockout, lockoutOptions } from '../../src/users/lockout.ts';
import { LockoutOverview } from '../../src/users/lockout-overview.ts';
import { beginSession } from '../support/scenes/begin-session.ts';
import { collectLog } from '../support/tools/log.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const token = 'correct-horse-battery-staple';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

async function adminUnderTest(t: TestContext, options: z.input<typeof adminOptions> = {}) {
  const clock = manualClock();
  const kept = collectLog();
  const store = new MemoryStore(clock);
  const sessions = new Sessions({ store, clock, log: kept.log, idle: 60_000, lifetime: 600_000 });
  const state = {
    draining: false,
    waiting: 0,
    outage: undefined as StoreOutage | undefined,
    isOffline: false,
    forgotten: [] as string[],
    get: (key: string): MaybePromise<Stored | undefined> => store.get(key),
    put: (...entry: Parameters<MemoryStore['put']>) => store.put(...entry),
    breaker: new CircuitBreaker({ clock }),
  };
  const lockout = new Lockout({ store, clock, options: lockoutOptions.parse({ user: 2, address: 4 }) });
  const metrics = createMetrics({ processMetrics: false });
  const names = new TypedNames({ directory: { type: 'ldap', domains: { CORP: 'strip' } } } as never);
  const factors = new Factors({
    ...{ all: [], log: kept.log, enrolments: new Enrolments({ store, clock }) },
    limits: new FactorLimits({ store, clock, limits: { count: 5, delay: 60_000, max: 3_600_000, hard: 100 } }),
  });
  const sealer = new Sealer([new SealKey(randomBytes(32))]);
  const known = new KnownBrowsers({
    store,
    clock,
    publicUrl: new URL('http://gate.test'),
    lasts: 60_000,
    perBrowser: 2,
  });
  const mark = { isLost: async () => false, accept: async () => true };
  const codes = new Passes({ store, clock, sealer }, 'enrolment');
  const opening = new EnrolmentOpening({ first: 'code', mark, codes, limits: factors.limits });
  const desk = new FactorDesk(factors, new Passes({ store, clock, sealer }), known, opening);
  const audited: AuditRecord[] = [];
  const parts = {
    clock,
    log: kept.log,
    metrics,
    audit: { record: (record: AuditRecord) => void audited.push(record) },
    store: {
      get: (key: string) => state.get(key),
      put: (...entry: Parameters<MemoryStore['put']>) => state.put(...entry),
      waiting: () => state.waiting,
      outage: () => state.outage,
    },
    sessions: () => sessions,
    factorServers: () => [],
    providers: () => [
      { provider: 'directory', snapshot: state.breaker.snapshot(), isOffline: state.isOffline },
      { provider: 'local', snapshot: { state: 'closed' as const, failures: 0 }, isOffline: false },
    ],
    factors: () => desk,
    passTerms: () => ({ valid: 3_600_000, uses: 1, enrols: true }),
    tellOwner: async () => undefined,
    lockouts: new LockoutOverview({ store, clock }),
    providerFigures: () => [],
    records: () => [],
    warnings: () => [],
    namesMeant: (username: string) => names.meant(username),
    forgetOffline: async (username: string) => {
      state.forgotten.push(username);
      return username === 'alice' ? 1 : 0;
    },
    apiTokens: {
      issue: async () => ({ kind: 'refused' as const, message: 'not here' }),
      list: () => new ApiTokens({ store, clock, log: kept.log }).list(),
      revoke: async () => 0,
    },
    liveConnections: (ids: readonly string[]) => ids.map((id) => id.length % 2),
    isDraining: () => state.draining,
    reload: async (by: Actor): Promise<ReloadAnswer> => {
      audited.push({ event: 'reload', outcome: 'succeeded', ...by });
      return { kind: 'reloaded', nextStart: [] };
    },
  };
  const admin = await startAdmin(adminOptions.parse({ listen: 'http://127.0.0.1:0', ...options }), parts);
  t.after(() => admin.close());
  const url = admin.address;
  const ask = (method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      send(
        { host: '127.0.0.1', port: url.port, method, path, headers: { connection: 'close', ...headers } },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part) => (text += part));
          response.on('end', () => {
            const isJson = response.headers['content-type']?.startsWith('application/json') && text !== '';
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              body: isJson ? JSON.parse(text) : {},
            });
          });
        },
      )
        .on('error', reject)
        .end();
    });
  const signIn = (subject: string) =>
    beginSession(sessions, {
      tenant: 'default',
      assertion: { realm: 'directory', subject, amr: ['pwd'], attributes: {} },
      provider: 'directory',
      grant: { handles: ['ST-1-verysecrethandle'], state: { refresh: 'verysecretstate' } },
      client: { address: '192.0.2.7', userAgent: 'Browser/1' },
    });
  return { admin, url, ask, signIn, sessions, lockout, state, clock, metrics, kept, audited };
}

test('live says so, whatever else is wrong', async (t) => {
  const { ask, state } = await adminUnderTest(t);
  state.draining = true;
  const { status, body, headers } = await ask('GET', '/health/live');
  assert.deepEqual([status, body], [200, { status: 'live' }]);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-powered-by'], undefined);
});

test('ready names each provider; one that is down degrades and does not take the gateway out', async (t) => {
  const { ask, state } = await adminUnderTest(t);
  const ok = { state: 'ok' };
  const providers = (directory: object) => ({
    status: 'ready',
    draining: false,
    store: 'ok',
    providers: { directory, local: ok },
  });
  const unasked = await ask('GET', '/health/ready');
  assert.deepEqual([unasked.status, unasked.body], [200, providers({ state: 'unknown' })]);
  state.breaker.enter()?.release();
  assert.deepEqual((await ask('GET', '/health/ready')).body, providers({ state: 'unknown' }));
  state.breaker.enter()?.succeed();
  assert.deepEqual((await ask('GET', '/health/ready')).body, providers(ok));
  state.breaker.enter()?.fail('timed-out');
  assert.partialDeepStrictEqual((await ask('GET', '/health/ready')).body, {
    status: 'degraded',
    providers: { directory: { state: 'degraded', reason: 'timed-out' } },
  });
  for (let time = 0; time < 2; time += 1) state.breaker.enter()?.fail('timed-out');
  const down = await ask('GET', '/health/ready');
  assert.equal(down.status, 200);
  assert.partialDeepStrictEqual(down.body, {
    status: 'degraded',
    providers: { directory: { state: 'down', retryAt: '2026-01-05T08:00:10.000Z' }, local: ok },
  });
});

test('a store that takes nothing degrades: who is signed in goes on', async (t) => {
  const { ask, state } = await adminUnderTest(t);
  state.put = () => Promise.reject(new Error('the disk is full'));
  const { status, body } = await ask('GET', '/health/ready');
  assert.equal(status, 200);
  assert.partialDeepStrictEqual(body, { status: 'degraded', store: 'read-only' });
});

test('what the question leaves in the store expires by the store’s own clock', async (t) => {
  const { ask, state, clock } = await adminUnderTest(t);
  const put = state.put;
  const expiries: unknown[] = [];
  state.put = (...entry) => {
    expiries.push(entry[2]);
    return put(...entry);
  };
  await ask('GET', '/health/ready');
  assert.deepEqual(expiries, [clock.now() + 60_000]);
});

test('ends of sessions that wait for the store are said', async (t) => {
  const { ask, state } = await adminUnderTest(t);
  state.waiting = 3;
  const { status, body } = await ask('GET', '/health/ready');
  assert.equal(status, 200);
  assert.partialDeepStrictEqual(body, { status: 'degraded', store: 'ok', waiting: 3 });
});

test('a store that is broken, or a drain, makes it not ready', async (t) => {
  const { ask, state } = await adminUnderTest(t);
  state.get = () => Promise.reject(new Error('disk'));
  const broken = await ask('GET', '/health/ready');
  assert.equal(broken.status, 503);
  assert.partialDeepStrictEqual(broken.body, { status: 'unavailable', store: 'down' });
  state.get = () => {
    throw new Error('closed');
  };
  assert.equal((await ask('GET', '/health/ready')).status, 503);
  state.get = () => Promise.resolve(undefined);
  assert.equal((await ask('GET', '/health/ready')).status, 200);
  state.draining = true;
  assert.equal((await ask('GET', '/health/ready')).status, 503);
});

test('metrics come in the text format of Prometheus', async (t) => {
  const { ask, metrics } = await adminUnderTest(t);
  metrics.breaker('directory', 'open');
  const { status, headers, text } = await ask('GET', '/metrics');
  assert.equal(status, 200);
  assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(text, /^gatehouse_breaker_state\{provider="directory"\} 2$/m);
});

test('sessions are listed with device and times, never with a token, a handle or a grant', async (t) => {
  const { ask, signIn } = await adminUnderTest(t);
  const { session, token: cookie } = await signIn('alice');
  await signIn('bob');
  const all = await ask('GET', '/sessions');
  assert.equal((all.body.sessions as unknown[]).length, 2);
  const { body, text } = await ask('GET', '/sessions?user=ALICE');
  const time = '2026-01-05T08:00:00.000Z';
  assert.deepEqual(body, {
    sessions: [
      {
        id: session.id,
        tenant: 'default',
        user: 'alice',
        realm: 'directory',
        provider: 'directory',
        createdAt: time,
        lastSeenAt: time,
        provedAt: time,
        proofs: [{ step: 'first', by: 'directory', realm: 'directory', amr: ['pwd'], at: time }],
        expiresAt: '2026-01-05T08:10:00.000Z',
        address: '192.0.2.7',
        userAgent: 'Browser/1',
        connections: session.id.length % 2,
      },
    ],
    more: false,
  });
  for (const secret of [cookie, 'verysecrethandle', 'verysecretstate']) assert.ok(!(all.text + text).includes(secret));
});

test('a long list is cut and says so', async (t) => {
  const { ask, signIn } = await adminUnderTest(t);
  for (const user of ['a', 'b', 'c']) await signIn(user);
  const { body } = await ask('GET', '/sessions?limit=2');
  assert.deepEqual([(body.sessions as unknown[]).length, body.more], [2, true]);
  assert.equal((await ask('GET', '/sessions?limit=3')).body.more, false);
});

test('one session is ended by its id, once, and the audit has it', async (t) => {
  const { ask, signIn, sessions, kept, audited } = await adminUnderTest(t);
  const { session, token: cookie } = await signIn('alice');
  const ended = await ask('DELETE', `/sessions/${session.id}`);
  assert.deepEqual([ended.status, ended.body], [200, { ended: 1 }]);
  assert.partialDeepStrictEqual(await sessions.load(cookie), { kind: 'ended', reason: 'revoked' });
  assert.equal((await ask('DELETE', `/sessions/${session.id}`)).status, 404);
  kept.assertNoSecrets(cookie);
  const by = { actor: 'loopback', address: '127.0.0.1' };
  assert.deepEqual(audited, [{ event: 'revoke', outcome: 'succeeded', reason: 'revoked', session: session.id, ...by }]);
});

test('all sessions of a user are ended, and nobody else’s', async (t) => {
  const { ask, signIn, sessions, state } = await adminUnderTest(t);
  const [one, two, other] = [await signIn('alice'), await signIn('alice'), await signIn('bob')];
  assert.deepEqual((await ask('DELETE', '/sessions?user=%20Alice%20')).body, { ended: 2 });
  assert.deepEqual(state.forgotten, ['alice'], 'nor can they begin again while a directory is away');
  assert.deepEqual(
    [
      (await sessions.load(one.token)).kind,
      (await sessions.load(two.token)).kind,
      (await sessions.load(other.token)).kind,
    ],
    ['ended', 'ended', 'live'],
  );
});

test('a user is who the name means, with a domain that a provider lists too', async (t) => {
  const { ask, signIn, state } = await adminUnderTest(t);
  for (const user of ['alice', 'CORP\\alice', 'bob']) await signIn(user);
  const listed = await ask('GET', '/sessions?user=CORP%5CAlice');
  assert.equal((listed.body.sessions as unknown[]).length, 2);
  assert.deepEqual((await ask('DELETE', '/sessions?user=corp%5Calice')).body, { ended: 2 });
  assert.deepEqual(state.forgotten, ['corp\\alice', 'alice']);
  assert.equal(((await ask('GET', '/sessions')).body.sessions as unknown[]).length, 1);
  assert.deepEqual((await ask('DELETE', '/offline?user=CORP%5Calice')).body, { forgotten: 1 });
});

test('whose factors are reset is who the name means, with a domain that a provider lists too', async (t) => {
  const { ask, signIn, sessions } = await adminUnderTest(t, { tokens: { olga: { token, role: 'operator' } } });
  const operator = { authorization: `Bearer ${token}` };
  const { token: cookie } = await signIn('alice');
  const listed = await ask('GET', '/factors?user=CORP%5CAlice', operator);
  assert.deepEqual([listed.status, listed.body.subject], [200, 'alice']);
  const reset = await ask('DELETE', '/factors?user=corp%5Calice', operator);
  assert.deepEqual(reset.body, { removed: 0, ended: 1 });
  assert.equal((await sessions.load(cookie)).kind, 'ended');
  // A name that a directory keeps whole is somebody else's.
  await signIn('CORP\\bob');
  assert.equal((await ask('GET', '/factors?user=CORP%5Cbob', operator)).body.subject, 'corp\\bob');
});

const mistakes: readonly (readonly [method: string, path: string, status: number, error: string])[] = [
  ['DELETE', '/sessions', 400, 'bad-request'],
  ['DELETE', '/sessions?user=', 400, 'bad-request'],
  ['DELETE', '/sessions?user=%20', 400, 'bad-request'],
  ['DELETE', '/sessions?user=a&user=b', 400, 'bad-request'],
  ['GET', '/sessions?user=a&user=b', 400, 'bad-request'],
  ['GET', '/sessions?limit=0', 400, 'bad-request'],
  ['GET', '/sessions?limit=99999', 400, 'bad-request'],
  ['DELETE', '/offline', 400, 'bad-request'],
  ['DELETE', '/offline?user=a&user=b', 400, 'bad-request'],
  ['GET', '/offline', 405, 'method-not-allowed'],
  ['DELETE', '/sessions/no-such-id', 404, 'no-session'],
  ['DELETE', '/sessions/a%2Fb', 404, 'no-session'],
  ['DELETE', '/sessions/%E0%A4%A', 400, 'bad-request'],
  ['POST', '/sessions', 405, 'method-not-allowed'],
  ['GET', '/sessions/abc', 405, 'method-not-allowed'],
  ['DELETE', '/metrics', 405, 'method-not-allowed'],
  ['GET', '/', 404, 'not-found'],
  ['GET', '/_gate/session', 404, 'not-found'],
];
for (const [method, path, status, error] of mistakes)
  test(`${method} ${path} is ${status} ${error}, and ends nothing`, async (t) => {
    const { ask, signIn, sessions } = await adminUnderTest(t);
    await signIn('a');
    const answer = await ask(method, path);
    assert.deepEqual([answer.status, answer.body.error], [status, error]);
    assert.equal(await sessions.count(), 1);
  });

test('a store that breaks under a list is 503 with nothing internal in it', async (t) => {
  const { ask, sessions, kept } = await adminUnderTest(t);
  t.mock.method(sessions, 'revokeUser', () => Promise.reject(new Error('disk I/O error at /data')));
  const { status, text } = await ask('DELETE', '/sessions?user=alice');
  assert.equal(status, 503);
  assert.doesNotMatch(text, /disk/);
  assert.equal(kept.find('the admin listener could not answer').length, 1);
});

// Who may speak.

test('an address that others can reach needs a token, in the file and in the code', async () => {
  for (const listen of [
    'http://0.0.0.0:9090',
    'http://[::]:9090',
    'http://192.0.2.7:9090',
    'http://admin.example.com:9090',
    'http://127.0.0.1.example.com:9090',
  ]) {
    assert.ok(!adminOptions.safeParse({ listen }).success, listen);
    assert.ok(adminOptions.safeParse({ listen, token }).success, listen);
  }
  const options = { ...adminOptions.parse({}), listen: new URL('http://0.0.0.0:0') };
  await assert.rejects(
    startAdmin(options, {} as Parameters<typeof startAdmin>[1]),
    (error) => error instanceof OperatorError && error.hint !== undefined,
  );
  assert.ok(!adminOptions.safeParse({ token: 'short' }).success);
  assert.deepEqual(['127.0.0.1', '127.8.8.8', '[::1]', 'LOCALHOST', '10.0.0.1', '127.evil'].map(isLoopback), [
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
});

test('with a token only its holder sees and ends; a stranger learns no more than whether we are up', async (t) => {
  const { ask, signIn, sessions, kept } = await adminUnderTest(t, { token });
  const { session } = await signIn('alice');
  for (const authorization of [
    undefined,
    `Bearer ${token}x`,
    `Bearer ${token.slice(1)}`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token.slice(0, 16)}`,
    'Bearer',
    `Basic ${token}`,
    token,
  ])
    for (const [method, path] of [
      ['GET', '/metrics'],
      ['GET', '/sessions'],
      ['DELETE', `/sessions/${session.id}`],
      ['DELETE', '/sessions?user=alice'],
    ] as const) {
      const { status, headers } = await ask(method, path, authorization === undefined ? {} : { authorization });
      assert.equal(status, 401, `${method} ${path} with ${authorization}`);
      assert.match(String(headers['www-authenticate']), /^Bearer/);
    }
  assert.equal(await sessions.count(), 1);
  assert.deepEqual((await ask('GET', '/health/ready')).body, { status: 'ready' });
  const known = { authorization: `bearer ${token}`, host: 'gatehouse.internal:9090' };
  assert.ok('providers' in (await ask('GET', '/health/ready', known)).body);
  assert.equal((await ask('DELETE', '/sessions?user=alice', known)).status, 200);
  kept.assertNoSecrets(token);
});

const tokens = {
  prometheus: { token: 'prometheus-shows-this-one', role: 'monitor' },
  anna: { token: 'anna-shows-another-one', role: 'operator' },
} as const;

/** What each caller gets: 200, or why not. The last is where no token is configured. */
const grants: readonly (readonly [method: string, path: string, ...status: number[]])[] = [
  ['GET', '/metrics', 401, 200, 200, 200, 200],
  ['GET', '/sessions', 401, 200, 200, 200, 200],
  ['DELETE', '/sessions?user=nobody', 401, 403, 200, 200, 200],
  ['DELETE', '/lockouts?user=nobody', 401, 403, 200, 200, 200],
  ['DELETE', '/offline?user=nobody', 401, 403, 200, 200, 200],
  ['POST', '/reload', 401, 403, 200, 200, 403],
];
const callers = ['stranger', 'prometheus', 'anna', 'token', 'loopback'] as const;
for (const [index, caller] of callers.entries())
  test(`rights: what ${caller} may do, and under which name the audit has it`, async (t) => {
    const { ask, audited, kept } = await adminUnderTest(t, caller === 'loopback' ? {} : { tokens, token });
    const shown = { prometheus: tokens.prometheus.token, anna: tokens.anna.token, token, stranger: '', loopback: '' };
    const headers: Record<string, string> = shown[caller] ? { authorization: `Bearer ${shown[caller]}` } : {};
    for (const [method, path, ...status] of grants) {
      const answer = await ask(method, path, headers);
      assert.equal(answer.status, status[index], `${method} ${path}`);
      if (answer.status === 403) assert.equal(answer.body.error, 'role-missing');
    }
    const changes = grants.filter(([method, , ...status]) => method !== 'GET' && status[index] === 200);
    assert.deepEqual(
      audited.map(({ event, ...record }) => [event, 'actor' in record && record.actor, record.address]),
      changes.map(([, path]) => [
        { '/s': 'revoke', '/l': 'unlock', '/r': 'reload', '/o': 'offline-forget' }[path.slice(0, 2)],
        caller,
        '127.0.0.1',
      ]),
    );
    const detailed = caller !== 'stranger';
    assert.equal('providers' in (await ask('GET', '/health/ready', headers)).body, detailed);
    kept.assertNoSecrets(token);
    kept.assertNoSecrets(tokens.anna.token);
  });

test('a token that is nearly one of those configured is nobody’s', async (t) => {
  const { ask } = await adminUnderTest(t, { tokens });
  const { token: known } = tokens.anna;
  for (const shown of [known.slice(0, -1), known.slice(0, 16), `${known}x`, known.toUpperCase(), 'anna'])
    assert.equal((await ask('GET', '/metrics', { authorization: `Bearer ${shown}` })).status, 401, shown);
});

test('tokens stand for the token of an address that others reach, have names of their own, and differ', () => {
  const one = { token: 'a-token-of-sixteen', role: 'monitor' } as const;
  for (const name of ['a', 'Anna.Meier@example.com', 'prometheus-2'])
    assert.ok(adminOptions.safeParse({ listen: 'http://0.0.0.0:9090', tokens: { [name]: one } }).success, name);
  for (const options of [
    { tokens: { local: one } },
    { tokens: { loopback: one } },
    { tokens: { Local: one } },
    { tokens: { 'Not a name': one } },
    { tokens: { a: { ...one, role: 'root' } } },
    { tokens: { a: { ...one, token: 'short' } } },
    { tokens: { a: one, b: one } },
    { token: one.token, tokens: { a: one } },
    { token: 'another-token-of-the-site', tokens: { token: one } },
  ])
    assert.ok(!adminOptions.safeParse(options).success, JSON.stringify(options));
});

const webPages: Record<string, Record<string, string>> = {
  'another site’s fetch': { origin: 'https://evil.example' },
  'a page without an origin': { origin: 'null' },
  'a page on another port of this host': { origin: 'http://127.0.0.1:8080' },
  'an image or a link on another site': { 'sec-fetch-site': 'cross-site' },
  'a page of a sibling host': { 'sec-fetch-site': 'same-site' },
  'a name that was rebound to this address': {
    host: 'evil.example:9090',
    origin: 'http://evil.example:9090',
    'sec-fetch-site': 'same-origin',
  },
  'a rebound name without any more': { host: 'evil.example' },
  'a name that only begins like ours': { host: 'localhost.evil.example' },
  'an address for a user name': { host: '127.0.0.1@evil.example' },
  'a host that is none': { host: '///' },
};
for (const [name, headers] of Object.entries(webPages))
  test(`refused: ${name}`, async (t) => {
    const { ask, signIn, sessions } = await adminUnderTest(t);
    const { session } = await signIn('alice');
    for (const [method, path] of [
      ['GET', '/sessions'],
      ['GET', '/metrics'],
      ['DELETE', `/sessions/${session.id}`],
      ['DELETE', '/sessions?user=alice'],
    ] as const)
      assert.equal((await ask(method, path, headers)).status, 403, `${method} ${path}`);
    assert.equal(await sessions.count(), 1);
  });

test('a request that says no host, or an empty one, is not ours', () => {
  const options = adminOptions.parse({});
  for (const headers of [{}, { host: '' }, { host: '127.0.0.1/sessions' }])
    assert.equal(
      identifyCaller(new HeaderLines(Object.entries(headers).flat()), options).kind,
      'refused',
      JSON.stringify(headers),
    );
  assert.deepEqual(identifyCaller(new HeaderLines(['Host', '127.0.0.1:9090']), options), {
    kind: 'caller',
    caller: { actor: 'loopback', role: 'loopback' },
  });
});

test('what stands there twice is refused, whichever of the two would do', async (t) => {
  const token = 'operators-token-of-the-test-5d0a';
  const { url } = await adminUnderTest(t, { tokens: { olga: { token, role: 'operator' } } });
  const [own, other] = [`Host: ${url.host}`, 'Host: evil.example'];
  const [right, wrong] = [`Authorization: Bearer ${token}`, 'Authorization: Bearer wrong'];
  const status = async (...lines: string[]) =>
    Number(
      (await sendRaw(url, requestOf(['GET /sessions HTTP/1.1', ...lines, 'Connection: close']))).text.slice(9, 12),
    );
  assert.equal(await status(own, right), 200);
  for (const lines of [
    [own, right, wrong],
    [own, wrong, right],
    [own, right, right],
    [own, other, right],
    [own, right, `Origin: http://${url.host}`, 'Origin: http://evil.example'],
    [own, right, 'Sec-Fetch-Site: none', 'Sec-Fetch-Site: cross-site'],
  ])
    assert.equal(await status(...lines), 400, lines.join(', '));
});

test('addresses, localhost and configured names are ours', async (t) => {
  const { ask } = await adminUnderTest(t, { hosts: ['Gatehouse'] });
  for (const host of ['127.0.0.1:9090', 'localhost', '[::1]:9090', '192.0.2.7', 'gatehouse:9090'])
    assert.equal((await ask('GET', '/metrics', { host })).status, 200, host);
  assert.equal(
    (
      await ask('GET', '/metrics', {
        host: 'localhost:9090',
        origin: 'http://localhost:9090',
        'sec-fetch-site': 'same-origin',
      })
    ).status,
    200,
  );
});

test('a port in use is the operator’s to mend, with its number in the message', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  await assert.rejects(
    () => adminUnderTest(t, { listen: `http://127.0.0.1:${port}` }),
    (error) =>
      error instanceof OperatorError && error.message.includes(String(port)) && error.message.includes('EADDRINUSE'),
  );
});

test('close ends the listener also while a client holds its connection', async (t) => {
  const { admin, url } = await adminUnderTest(t);
  const answer = await fetch(new URL('/health/live', url));
  assert.equal(answer.status, 200);
  await admin.close();
  await assert.rejects(() => fetch(new URL('/health/live', url)));
});

test('lock-outs are listed, locked ones first, and released by user or by address; the answer and the audit say which', async (t) => {
  const { ask, lockout, audited } = await adminUnderTest(t);
  const from = (address: string) => async (username: string) => {
    if ((await lockout.check(username, address)).kind === 'open') await lockout.fail({ username, address });
  };
  for (const name of ['bob', 'alice', 'alice']) await from('192.0.2.7')(name);
  for (const name of ['carol', 'dave', 'erin', 'frank']) await from('192.0.2.9')(name);
  const { body } = await ask('GET', '/lockouts?limit=2');
  const until = '2026-01-05T08:00:30.000Z';
  assert.equal(body.more, true);
  assert.deepEqual(
    (body.lockouts as object[]).toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    [
      { kind: 'address', address: '192.0.2.9', failures: 4, lockedUntil: until },
      { kind: 'user', user: 'alice', failures: 2, lockedUntil: until },
    ],
  );
  assert.deepEqual((await ask('DELETE', '/lockouts?user=Alice')).body, {
    unlocked: 'alice',
    user: 'locked',
    lockedAddresses: ['192.0.2.9'],
    message: 'Who comes from a locked address stays locked: DELETE /lockouts?address=.',
  });
  assert.partialDeepStrictEqual((await ask('DELETE', '/lockouts?user=grace')).body, {
    notCounted: 'grace',
    user: 'nothing',
    lockedAddresses: ['192.0.2.9'],
  });
  assert.equal((await lockout.check('grace', '192.0.2.9')).kind, 'locked');
  assert.deepEqual((await ask('DELETE', '/lockouts?address=192.0.2.9')).body, {
    unlocked: '192.0.2.9',
    address: 'locked',
  });
  assert.equal((await lockout.check('grace', '192.0.2.9')).kind, 'open');
  for (const address of ['192.0.2.77', '2001:db8::1', '2001:db8::/64', '[::1]', 'fe80::1%eth0'])
    assert.deepEqual((await ask('DELETE', `/lockouts?address=${encodeURIComponent(address)}`)).body, {
      notCounted: address,
      address: 'nothing',
    });
  assert.deepEqual(
    audited
      .slice(0, 4)
      .map(({ event, user, ...rest }) => [
        event,
        'outcome' in rest && rest.outcome,
        user,
        'detail' in rest && rest.detail,
      ]),
    [
      ['unlock', 'succeeded', 'alice', 'the user alice was locked; locked still: address 192.0.2.9'],
      ['unlock', 'failed', 'grace', 'the user grace was not counted; locked still: address 192.0.2.9'],
      ['unlock', 'succeeded', undefined, 'the address 192.0.2.9 was locked'],
      ['unlock', 'failed', undefined, 'the address 192.0.2.77 was not counted'],
    ],
  );
  for (const query of [
    '',
    '?user=',
    '?user=a&address=192.0.2.9',
    '?user=a&user=b',
    '?address=nonsense',
    '?address=192.0.2',
    '?address=192.0.2.0/24',
  ])
    assert.equal((await ask('DELETE', `/lockouts${query}`)).status, 400, query);
  for (const query of ['?limit=0', '?limit=1001', '?limit=1&limit=2'])
    assert.equal((await ask('GET', `/lockouts${query}`)).status, 400, query);
});

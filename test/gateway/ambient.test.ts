/** Who proves themselves with each request: a session begins only where the request is let through, and its cookie is never lost. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { HeaderLines } from '../../src/core/request-head.ts';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import type { GatewayRequest } from '../../src/core/verdict.ts';
import { isOwnCookie } from '../../src/gateway/composer.ts';
import { PeerAccess } from '../../src/gateway/peer-access.ts';
import { Pipeline } from '../../src/gateway/pipeline.ts';
import { LoginDoor } from '../../src/login/admit.ts';
import { AmbientSessions } from '../../src/login/ambient-sessions.ts';
import { RequestAuthenticator } from '../../src/login/authenticate-request.ts';
import { BasicAccess } from '../../src/login/basic-access.ts';
import { Browsers } from '../../src/login/browser.ts';
import { PasswordLogin } from '../../src/login/password-login.ts';
import { ProgramAccess } from '../../src/login/program-access.ts';
import { SessionRefresher } from '../../src/login/refresh.ts';
import { SignIn } from '../../src/login/sign-in.ts';
import { TokenAccess } from '../../src/login/token-access.ts';
import { TokenUsers } from '../../src/login/token-users.ts';
import { TypedNames } from '../../src/login/typed-names.ts';
import { PeerTable } from '../../src/peers/table.ts';
import { worthOf } from '../../src/policy/worth.ts';
import { AssertionSigner } from '../../src/proxy/assertion.ts';
import { HeaderComposer } from '../../src/proxy/headers.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { SiteOrigins } from '../../src/routing/site-origins.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { createAudit } from '../../src/telemetry/audit.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { Recorder } from '../../src/telemetry/recorder.ts';
import { AddressLockout, RecentSecrets } from '../../src/users/address-lockout.ts';
import { ApiTokens } from '../../src/users/api-tokens.ts';
import { Lockout, lockoutOptions } from '../../src/users/lockout.ts';
import { boundCookies } from '../support/scenes/bound-cookies.ts';
import { noTenants, principalsWith } from '../support/scenes/principals.ts';
import { routeAt } from '../support/scenes/routes.ts';
import { type Script, scripted, vouched } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

/** A pipeline whose one provider says this of each request's own proof. */
async function world(t: TestContext, outcome: Script) {
  const clock = manualClock(Date.now());
  const log = keptLog();
  const store = new MemoryStore(clock);
  const publicUrl = new URL('http://gate.test');
  const sessions = new Sessions({ store, clock, log, idle: 60_000, lifetime: 600_000 });
  const recorder = new Recorder(createMetrics({ processMetrics: false }), createAudit({ to: 'off', clock, log }));
  const link = scripted('domain', outcome);
  const chain = [link];
  const principals = principalsWith('agent');
  const signIn = new SignIn({
    ...{ log, chain, totalTimeout: 2000, sessions, reservedUsers: [], publicUrl, principals, recorder },
    directoryOf: () => undefined,
    names: new TypedNames({}),
    off: [],
  });
  const refresher = new SessionRefresher({ store, clock, sessions, log, linkOf: () => link, principals });
  const browsers = await Browsers.open(store, publicUrl);
  const worth = worthOf({ providers: { domain: {} }, factors: {} });
  const door = new LoginDoor({ clock, worth, level: 1, principals });
  const ambientSessions = new AmbientSessions({ signIn, sessions, clock, door });
  const sealer = new Sealer([new SealKey(randomBytes(32))]);
  const recent = new RecentSecrets({ store, clock, keptFor: 1000, sealer });
  const tokens = new TokenAccess({
    ...{ principals, recorder, log },
    tokens: new ApiTokens({ store, clock, log }),
    users: new TokenUsers({ store, clock, log, chain: [link], names: new TypedNames({}) }),
    lockout: new AddressLockout({ store, clock, options: { user: 5, address: 50, delay: 1000, max: 1000 }, recent }),
  });
  const passwords = new PasswordLogin({
    endSessions: async () => undefined,
    signIn,
    lockout: new Lockout({ store, clock, options: lockoutOptions.parse({}) }),
    cuts: sessions.cuts,
    offline: { check: async () => undefined, note: async () => undefined },
  });
  const basic = new BasicAccess({ passwords, signIn, door, cuts: sessions.cuts, clock, recent });
  const programs = new ProgramAccess({ tokens, basic });
  const routes = [
    routeAt('/', { access: { roles: ['agent'], providers: [] } }),
    routeAt('/open/', { allowedOrigins: ['https://sister.test'] }),
    routeAt('/anybody/', { access: 'optional' }),
    routeAt('/admin', { access: { roles: ['admin'], providers: [] } }),
    routeAt('/', { host: 'desk.example', name: 'further' }),
  ];
  const origins = new SiteOrigins(publicUrl, routes);
  const pipeline = new Pipeline({
    secrets: { askedBy: () => undefined, judge: () => Promise.reject(new Error('no service asks for one')) },
    ...{
      clock,
      log,
      origins,
      recorder,
      locations: compileLocations(routes),
      isTrusted: () => false,
      isKnownHost: () => true,
      isOwnHost: () => true,
      peers: new PeerAccess({ clock, table: new PeerTable([], new Map()), tenant: 'default' }),
      worth,
      tenants: noTenants,
    },
    offline: { asksFor: () => false, ask: async () => undefined },
    authenticator: new RequestAuthenticator({
      ...{ signIn, principals, sessions, publicUrl, origins, refresher, ambientSessions, browsers, programs },
      steps: {
        isEnough: (vouched, { client }) => door.admit(vouched, client) !== undefined,
        begin: () => Promise.reject(new Error('a login that takes more')),
      },
      rechecker: { note: () => Number.POSITIVE_INFINITY },
    }),
    headers: new HeaderComposer({ routes, isOwnCookie, isTrusted: () => false }),
    signer: new AssertionSigner({ store, clock, log, issuer: publicUrl }),
    cookies: boundCookies(routes, { clock, log }).cookies,
  });
  t.after(async () => {
    await sessions.close();
    await store.close();
  });
  const decideAt = async (host: string, target: string, method: string, ...more: string[]) => {
    const request: GatewayRequest = {
      ...{ id: 'asked', method, target, peer: '192.0.2.7', encrypted: false, upgrade: false },
      headers: new HeaderLines([...['Host', host, 'Authorization', 'Negotiate YII='], ...more]),
      signal: new AbortController().signal,
    };
    return pipeline.decide(request);
  };
  const decide = (target: string, method = 'GET', ...more: string[]) =>
    decideAt('gate.test', target, method, ...(more.length > 0 ? more : ['Sec-Fetch-Mode', 'navigate']));
  return { decide, decideAt, sessions, clock, link };
}

const ticket = vouched('alice', { headers: { 'www-authenticate': 'Negotiate done' } });

test('tickets: no request that is refused begins a session, and its answer says that the ticket was taken', async (t) => {
  const { decide, sessions, clock } = await world(t, ticket);
  for (let turn = 0; turn < 30; turn += 1) {
    const { verdict, principal, session, reply } = await decide('/admin');
    assert.equal(verdict.kind === 'refuse' && verdict.reason, 'role-missing');
    assert.deepEqual([principal?.subject, session], ['alice', undefined]);
    assert.deepEqual(reply, { 'www-authenticate': 'Negotiate done' });
    clock.advance(6000);
  }
  assert.equal((await decide('/', 'TRACE')).verdict.kind, 'refuse');
  assert.equal(await sessions.count(), 0);
});

test('tickets: a request that is let through begins a session, whose cookie goes with whatever answers', async (t) => {
  const { decide, sessions } = await world(t, ticket);
  const { verdict, session, reply } = await decide('/desk');
  assert.equal(verdict.kind, 'forward');
  assert.ok(verdict.kind === 'forward' && verdict.forward.session?.id === session?.id);
  assert.match(String(reply?.['set-cookie']), /^gatehouse=/);
  assert.equal(reply?.['www-authenticate'], 'Negotiate done');
  assert.equal(await sessions.count(), 1);
});

test('tickets: where access is optional nobody is asked about one, it goes no further, and nothing is offered', async (t) => {
  const { decide, sessions } = await world(t, ticket);
  const { verdict, principal, reply } = await decide('/anybody/x');
  assert.ok(verdict.kind === 'forward' && !verdict.forward.headers.has('authorization'));
  assert.deepEqual([principal, reply], [undefined, { vary: 'Cookie' }]);
  assert.equal(await sessions.count(), 0);
});

test('tickets: at a further host they count of programs alone, and give a token of that host, shared by requests of a moment', async (t) => {
  const offers = [{ via: 'header', value: 'Negotiate' }] as const;
  const { decideAt, sessions } = await world(t, async ({ headers }) =>
    headers.has('authorization') ? ticket : { kind: 'challenge', offers },
  );
  const browsers = [
    ['Sec-Fetch-Mode', 'navigate'],
    ['Accept', 'text/html'],
    ['Referer', 'http://desk.example/'],
    ['Origin', 'http://desk.example'],
  ];
  for (const lines of browsers) {
    const { verdict } = await decideAt('desk.example', '/x', 'GET', ...lines);
    assert.ok(verdict.kind === 'authenticate' && verdict.offers.length === 0, lines.join());
  }
  assert.equal(await sessions.count(), 0);
  const decided = [await decideAt('desk.example', '/x', 'GET'), await decideAt('desk.example', '/y', 'POST')];
  const [token, same] = decided.map(({ reply }) => /gatehouse=([\w-]+);/.exec(String(reply?.['set-cookie']))?.[1]);
  assert.ok(token !== undefined && token === same);
  assert.equal((await sessions.load(token)).kind, 'none');
  assert.equal((await sessions.hosts.load(token, 'desk.example')).kind, 'live');
  assert.equal(await sessions.count(), 1);
});

const sister = 'https://sister.test';
const own = 'http://gate.test';
/** Of a request: target, method, `Sec-Fetch-Site`, mode and destination where it says them, and `Origin`. */
const metadata = {
  'a link from elsewhere in a tab': ['/', 'GET', ['cross-site', 'navigate', 'document'], undefined, true],
  'a form of elsewhere in a tab': ['/', 'POST', ['cross-site', 'navigate', 'document'], sister, false],
  'a frame of a sibling': ['/', 'GET', ['same-site', 'navigate', 'iframe'], undefined, false],
  'a no-cors post of a sibling': ['/', 'POST', ['same-site', 'no-cors', 'empty'], sister, false],
  'an image of elsewhere': ['/', 'GET', ['cross-site', 'no-cors', 'image'], undefined, false],
  'a script of our own': ['/', 'POST', ['same-origin', 'cors', 'empty'], own, true],
  'the address bar': ['/', 'GET', ['none', 'navigate', 'document'], undefined, true],
  'a script of an origin that the location names': ['/open/', 'POST', ['same-site', 'cors', 'empty'], sister, true],
  'a script of that origin elsewhere': ['/', 'POST', ['same-site', 'cors', 'empty'], sister, false],
  'a program without fetch metadata': ['/', 'POST', [], undefined, true],
  'a script of our own over plain http': ['/', 'POST', [], own, true],
  'a no-cors post of a sibling over plain http': ['/', 'POST', [], 'http://gate.test:8081', false],
  'a post of nobody’s page over plain http': ['/', 'POST', [], 'null', false],
  'a post over plain http of an origin that the location names': ['/open/', 'POST', [], sister, true],
} as const;
for (const [name, [target, method, fetched, origin, counts]] of Object.entries(metadata))
  test(`tickets: ${name} ${counts ? 'proves' : 'does not prove'} who sends it`, async (t) => {
    const { decide, link } = await world(t, {
      kind: 'challenge',
      offers: [{ via: 'header', value: 'Negotiate' }],
    });
    const names = ['Sec-Fetch-Site', 'Sec-Fetch-Mode', 'Sec-Fetch-Dest'];
    const headers = fetched.flatMap((value, index) => [names[index] ?? '', value]);
    const { verdict } = await decide(target, method, ...headers, ...(origin ? ['Origin', origin] : ['Accept', '*/*']));
    assert.equal(link.attempts[0]?.headers.has('authorization'), counts, 'the provider sees the ticket');
    assert.equal(verdict.kind === 'authenticate' && verdict.offers.length, counts ? 1 : 0, 'and is let ask for one');
  });

/** Hand-overs in the wrong hands: each attack by its name, and that it brings no session and spends what was stolen. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const sso = 'http://sso.test';
const desk = 'http://desk.example';
const reports = 'http://reports.test';
const cookie = 'gatehouse';

interface Scene extends Site {
  readonly clock: ManualClock;
  browser(): Browser;
}

async function scene(t: TestContext): Promise<Scene> {
  const clock = manualClock();
  const upstream = await startUpstream(t);
  const base = siteConfig(upstream.origin);
  const started = await site(t, {
    clock,
    config: {
      ...base,
      server: { publicUrl: sso },
      routes: ['desk.example', 'reports.test', 'sso.test', '*.wild.test'].map((host) => ({
        host,
        location: '/',
        upstream: upstream.origin,
      })),
    },
  });
  return { ...started, upstream, clock, browser: () => new Browser(t, Number(started.url.port)) };
}

/** A browser that is signed in at the public host. */
async function signedIn({ browser }: Scene, user: keyof typeof passwords = 'agent1'): Promise<Browser> {
  const one = browser();
  await one.at(sso).mustSignIn(user, passwords[user]);
  return one;
}

/** Begins a hand-over at a host; the address at the public host, with its nonce. */
async function begin(one: Browser, host = desk, returnTo = '/x'): Promise<string> {
  const answer = await one.open(`${host}/_gate/login?${new URLSearchParams({ return: returnTo })}`);
  return String(answer.headers.location);
}

/** The address at the further host, with the code. */
async function codeFor(one: Browser, address: string): Promise<string> {
  const answer = await one.open(address);
  assert.equal(answer.status, 302, answer.text);
  return String(answer.headers.location);
}

async function refused(one: Browser, address: string, reason: string, { audit }: Scene): Promise<void> {
  const { origin } = new URL(address);
  const answer = await one.open(address);
  assert.equal(answer.status, 400, answer.text);
  assert.equal(answer.headers['referrer-policy'], 'no-referrer');
  assert.equal(one.at(origin).cookies.has(cookie), false, 'no session');
  assert.equal(audit('login').at(-1)?.reason, reason);
  assert.equal(audit('request').at(-1)?.reason, reason);
}

test('hand-over: a code is taken once', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const address = await codeFor(one, await begin(one));
  const copy = all.browser();
  for (const [name, value] of one.at(desk).cookies) copy.at(desk).cookies.set(name, value);
  assert.equal((await one.open(address)).headers.location, '/x');
  await refused(copy, address, 'flow-expired', all);
});

test('hand-over: of two that come at the same moment with one code, one gets a token', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const address = await codeFor(one, await begin(one));
  const answers = await Promise.all(Array.from({ length: 6 }, () => one.open(address)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [302, 400, 400, 400, 400, 400]);
  assert.equal(all.audit('handover').length, 1);
});

test('hand-over: a code is too late after 30 seconds', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const address = await codeFor(one, await begin(one));
  const second = await codeFor(one, await begin(one));
  all.clock.advance(29_000);
  assert.equal((await one.open(second)).status, 302);
  one.at(desk).cookies.delete(cookie);
  all.clock.advance(1_001);
  await refused(one, address, 'flow-expired', all);
});

test('hand-over: a code of another host is nothing, and is spent', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const address = await codeFor(one, await begin(one));
  for (const [name, value] of one.at(desk).cookies) one.at(reports).cookies.set(name, value);
  await refused(one, address.replace(desk, reports), 'flow-foreign', all);
  await refused(one, address, 'flow-expired', all);
});

test('hand-over: code injection: an attacker’s code signs a victim in as nobody', async (t) => {
  const all = await scene(t);
  const attacker = await signedIn(all, 'supervisor1');
  const address = await codeFor(attacker, await begin(attacker));
  const victim = all.browser();
  await refused(victim, address, 'cookie-missing', all);
  // Also where the victim is on their own way.
  const again = await codeFor(attacker, await begin(attacker));
  await begin(victim);
  await refused(victim, again, 'cookie-missing', all);
  await refused(attacker, again, 'flow-expired', all);
});

test('hand-over: another browser’s nonce: the victim’s session does not reach who began it', async (t) => {
  const all = await scene(t);
  const attacker = all.browser();
  const nonce = await begin(attacker);
  const victim = await signedIn(all);
  const address = await codeFor(victim, nonce);
  await refused(victim, address, 'cookie-missing', all);
  // Whoever reads the address in a log finds it spent, though the cookie is theirs.
  await refused(attacker, address, 'flow-expired', all);
});

test('hand-over: a nonce planted by a sibling, with a cookie of another value beside the browser’s own, is refused', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const address = await codeFor(one, await begin(one));
  const names = [...one.at(desk).cookies.keys()].filter((name) => name.startsWith('gatehouse-handover-'));
  assert.equal(names.length, 1);
  const tossed = one.at(desk).cookieHeader;
  const answer = await one.open(address, { headers: { cookie: `${tossed}; ${names[0]}=AAAAAAAAAAAAAAAAAAAAAA` } });
  assert.equal(answer.status, 400);
  assert.equal(all.audit('handover').length, 0);
  const planted = await codeFor(one, await begin(one));
  const [name = ''] = [...one.at(desk).cookies.keys()].filter(
    (key) => !names.includes(key) && key.startsWith('gatehouse-handover-'),
  );
  one.at(desk).cookies.set(name, 'AAAAAAAAAAAAAAAAAAAAAA');
  await refused(one, planted, 'flow-foreign', all);
});

test('hand-over: a host in no route gets nothing: unknown, by a wildcard, or gone since', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  assert.equal((await one.open('http://evil.example/_gate/handover?code=x')).status, 421);
  const wild = await one.open('http://a.wild.test/x');
  assert.equal(wild.headers.location, '/_gate/login?return=%2Fx');
  const page = await one.open('http://a.wild.test/_gate/login?return=/x');
  assert.equal(page.status, 200, 'the page, and no hand-over');
  const nonce = await begin(one);
  const code = await codeFor(one, await begin(one));
  await all.write({ ...siteConfig(all.upstream.origin), server: { publicUrl: sso, hosts: ['desk.example'] } });
  assert.equal((await all.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const answer = await one.open(nonce);
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.location, undefined);
  assert.equal((await one.open(code)).status, 400);
});

test('hand-over: a nonce that is made up, used at a further host, or twice in an address leads nowhere', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const nonce = await begin(one);
  const value = new URL(nonce).searchParams.get('nonce') ?? '';
  for (const odd of [
    '',
    '?nonce=',
    '?nonce=AAAAAAAAAAAAAAAAAAAAAA',
    `?nonce=${value}&nonce=${value}`,
    `?nonce=${value}a`,
    '?host=evil.example',
    `?nonce=${value}%00`,
  ]) {
    const answer = await one.open(`${sso}/_gate/handover${odd}`);
    assert.equal(answer.status, 400, odd);
    assert.equal(answer.headers.location, undefined);
  }
  assert.equal((await one.open(nonce.replace(sso, desk))).status, 400);
  assert.equal(
    (await one.open(nonce.replace(sso, 'http://a.wild.test'))).status,
    400,
    'a wildcard’s host is no public one',
  );
  const code = await codeFor(one, nonce);
  assert.equal((await one.open(code.replace('code=', 'code=x&code='))).status, 400);
  assert.equal(
    (await one.at(desk).open(new URL(code).pathname + new URL(code).search, { method: 'HEAD' })).status,
    405,
  );
  assert.equal((await one.open(code)).status, 302, 'a look has spent nothing');
});

for (const returnTo of [
  '//evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  'https://evil.example/',
  '/%5Cevil.example',
  '/%2F/evil.example',
  '/\t/evil.example',
  '/x/..//evil.example',
  'javascript:alert(1)',
  '/_gate/logout',
])
  test(`hand-over: it returns to no other site: ${JSON.stringify(returnTo)}`, async (t) => {
    const all = await scene(t);
    const one = await signedIn(all);
    const answer = await one.open(await codeFor(one, await begin(one, desk, returnTo)));
    assert.equal(answer.headers.location, '/');
  });

test('hand-over: session fixation: what an attacker has set at the host ends, and gives nobody the victim’s session', async (t) => {
  const all = await scene(t);
  const attacker = await signedIn(all, 'supervisor1');
  await attacker.follow(`${desk}/`);
  const planted = attacker.at(desk).cookies.get(cookie) ?? '';
  const victim = await signedIn(all);
  const address = await codeFor(victim, await begin(victim));
  victim.at(desk).cookies.set(cookie, planted);
  await victim.open(address);
  assert.notEqual(victim.at(desk).cookies.get(cookie), planted);
  await victim.open(`${desk}/mine`);
  assert.equal(all.upstream.received.at(-1)?.values('x-remote-user').join(), 'agent1');
  assert.equal((await attacker.at(desk).fetch('/x')).status, 401, 'what was planted has ended');
});

test('hand-over: a session that ends while its code is on the way is handed over to nobody', async (t) => {
  const all = await scene(t);
  const one = await signedIn(all);
  const address = await codeFor(one, await begin(one));
  await all.running.gateway.sessions.revokeUser('agent1', 'revoked');
  const answer = await one.open(address);
  assert.equal(answer.headers.location, '/_gate/login?return=%2Fx');
  assert.equal(one.at(desk).cookies.has(cookie), false);
  assert.match((await one.follow(`${desk}/x`)).answer.text, /name="password"/);
});

test('hand-over: no code, nonce or token stands in a line of the log or the audit, nor reaches an application', async (t) => {
  const all = await scene(t);
  const one = all.browser();
  const { trail } = await one.signIn(`${desk}/x`, 'agent1', passwords.agent1);
  const secrets = trail
    .flatMap((address) => [...new URL(address).searchParams.values()])
    .filter((value) => value.length > 20);
  secrets.push(
    ...[sso, desk].flatMap((origin) => [...one.at(origin).cookies.values()]).filter((value) => value.length > 20),
  );
  assert.ok(secrets.length >= 4);
  await one.open(trail.find((address) => address.includes('code=')) ?? '');
  for (const secret of secrets) {
    assert.ok(!all.lines.some((line) => line.includes(secret)), 'a secret is in a line');
    const heard = JSON.stringify(all.upstream.received.map(({ url, rawHeaders }) => [url, rawHeaders]));
    assert.ok(!heard.includes(secret), 'a secret reached the application');
  }
});

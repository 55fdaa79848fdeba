/** Sessions that are raised: what a location asks for, how each way in says so, and that nothing but proofs raises one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Authenticator, followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { passwords, staff } from '../support/scenes/site.ts';
import { hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const period = 30_000;

interface LevelSite extends TestGateway {
  readonly clock: ManualClock;
  readonly upstream: TestUpstream;
  readonly config: Yaml;
  visitor(): Visitor;
}

/** A site whose login takes a password, and some of whose locations take more. */
async function levelSite(t: TestContext): Promise<LevelSite> {
  const clock = manualClock(Date.now());
  const upstream = await startUpstream(t);
  const { origin } = upstream;
  const config = {
    factors: { app: { type: 'totp' }, other: { type: 'totp' } },
    routes: [
      { name: 'home', location: '/', upstream: origin, websocket: true },
      { name: 'vault', location: '/vault/', upstream: origin, access: { level: 2 }, replayPosts: true },
      { name: 'fresh', location: '/fresh/', upstream: origin, access: { level: 2, maxAge: '5m' } },
      { name: 'other', location: '/other/', upstream: origin, access: { level: 2, factors: ['other'] } },
      { name: 'socket', location: '/socket', upstream: origin, access: { level: 2 }, websocket: true },
    ],
  };
  const started = await gateway(t, { users: staff, config, clock });
  return { ...started, clock, config, upstream, visitor: () => new Visitor(started.url) };
}

/** Signs in, and sets an app up on the way to the location that asks for it. */
async function withApp(here: LevelSite): Promise<{ browser: Visitor; phone: Authenticator }> {
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const asked = await browser.open('/vault/x?y=1');
  assert.equal(asked.headers.location, '/_gate/factor?return=%2Fvault%2Fx%3Fy%3D1');
  const choosing = await followed(browser, await browser.open(String(asked.headers.location)));
  const page = await followed(browser, await takeStep(browser, choosing, {}));
  const phone = scan(page);
  const before = browser.cookies.get('gatehouse');
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/vault/x?y=1', done.text);
  assert.notEqual(browser.cookies.get('gatehouse'), before, 'the session goes on under another token');
  here.clock.advance(period);
  return { browser, phone };
}

test('step-up: a page of a higher level asks for the factor, and the session that has proved it goes on', async (t) => {
  const here = await levelSite(t);
  const { browser } = await withApp(here);
  assert.equal((await browser.open('/vault/x?y=1')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
  assert.deepEqual(
    here.audit('step-up').map(({ outcome, user }) => [outcome, user]),
    [['succeeded', 'agent1']],
  );
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-level'), ['2']);
  // Another browser of the same user has its own session.
  const other = here.visitor();
  await other.mustSignIn('agent1', passwords.agent1);
  assert.equal((await other.open('/vault/')).status, 302);
  await other.open('/', { headers: { 'x-remote-level': '3', 'X-Remote_Level': '3' } });
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-level'), ['1']);
});

test('step-up: scripts and WebSockets get 401 with an address that asks, and a front proxy the same', async (t) => {
  const here = await levelSite(t);
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const before = here.upstream.received.length;
  const fetched = await browser.fetch('/vault/api', { headers: { accept: 'application/json' } });
  assert.equal(fetched.status, 401);
  const login = '/_gate/factor?return=%2Fvault%2Fapi';
  assert.deepEqual(JSON.parse(fetched.text), { error: 'login-required', reason: 'level-too-low', level: 2, login });
  const lines = [
    ...['GET /socket HTTP/1.1', `Host: ${here.url.host}`, `Origin: ${here.url.origin}`],
    ...[`Cookie: ${browser.cookieHeader}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const raw = await sendRaw(here.url, requestOf(lines));
  assert.equal(raw.status, 401);
  // The page that opened it may ask for nothing itself: the address says whose level is meant.
  assert.match(raw.text, /"login":"\/_gate\/factor\?return=%2F&for=%2Fsocket"/);
  const asked = await browser.open('/_gate/factor?return=%2F&for=%2Fsocket');
  assert.match(String(asked.headers.location), /^\/_gate\/(?:enrol|factor)\?login=/);
  assert.equal(here.upstream.received.length, before);
});

test('step-up: a form is kept while the factor is asked for, and sent on afterwards', async (t) => {
  const here = await levelSite(t);
  const { phone } = await withApp(here);
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const posted = await browser.post('/vault/form', { note: 'call back' });
  assert.match(String(posted.headers.location), /^\/_gate\/factor\?return=%2F_gate%2Freplay%3Fid%3D/);
  const page = await followed(browser, await browser.open(String(posted.headers.location)));
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  const replay = await followed(browser, done);
  assert.match(replay.text, /call back/);
});

test('step-up: the age of the factor counts, not that of the password, and another code raises it again', async (t) => {
  const here = await levelSite(t);
  const { browser, phone } = await withApp(here);
  assert.equal((await browser.open('/fresh/')).status, 200);
  here.clock.advance(6 * 60_000);
  const stale = await browser.open('/fresh/');
  assert.equal(stale.headers.location, '/_gate/factor?return=%2Ffresh%2F');
  assert.equal((await browser.open('/vault/')).status, 200, 'the level itself stays');
  const page = await followed(browser, await browser.open(String(stale.headers.location)));
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/fresh/');
  assert.equal((await browser.open('/fresh/')).status, 200);
});

test('step-up: a location that names a factor takes no other, and what is missing is set up behind the one that is there', async (t) => {
  const here = await levelSite(t);
  const { browser, phone } = await withApp(here);
  here.clock.advance(6 * 60_000);
  const asked = await browser.open('/other/');
  const first = await followed(browser, await browser.open(String(asked.headers.location)));
  assert.match(first.text, /autocomplete="one-time-code"/);
  assert.doesNotMatch(first.text, /<svg class="qr"/);
  // Proved anew, and yet the first proof is too old to set anything up: the password is asked for once more.
  const proved = await takeStep(browser, first, { code: phone.at(here.clock.now()) });
  assert.match(
    String(proved.headers.location),
    /^\/_gate\/login\?return=%2F_gate%2Ffactor%3Freturn%3D%252Fother%252F&confirm=1$/,
  );
});

test('2F21: no address lowers what a location asks for, and none of them gives a session anything', async (t) => {
  const here = await levelSite(t);
  await withApp(here);
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const token = browser.cookies.get('gatehouse');
  for (const query of ['level=1', 'level=0', 'level=-1', 'factor=none', 'acr_values=x', 'for=%2F']) {
    const asked = await browser.open(`/_gate/factor?return=%2Fvault%2F&${query}`);
    if (query !== 'for=%2F') assert.match(String(asked.headers.location), /^\/_gate\/factor\?login=/, query);
    const answer = await browser.open('/vault/', { headers: { 'x-remote-level': '3', 'x-remote-user': 'boss' } });
    assert.equal(answer.status, 302, query);
  }
  assert.equal(browser.cookies.get('gatehouse'), token);
});

test('step-up: one browser’s step raises nobody else’s session, and none that has ended', async (t) => {
  const here = await levelSite(t);
  const { phone } = await withApp(here);
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const page = await followed(browser, await browser.open('/_gate/factor?return=%2Fvault%2F'));
  // The same browser is somebody else's by now.
  const login = await browser.open('/_gate/login?switch=1');
  const fields = { ...hiddenFields(login.text), username: 'supervisor1', password: passwords.supervisor1 };
  assert.equal((await browser.post('/_gate/login', fields)).status, 303);
  const late = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  assert.equal(late.status, 410);
  assert.equal((await browser.open('/vault/')).status, 302);
});

test('step-up: what is open stays open over a step-up, and ends with a level that is lost', async (t) => {
  const here = await levelSite(t);
  const { browser } = await withApp(here);
  const lines = (path: string) => [
    ...[`GET ${path} HTTP/1.1`, `Host: ${here.url.host}`, `Origin: ${here.url.origin}`, 'Sec-WebSocket-Version: 13'],
    ...[`Cookie: ${browser.cookieHeader}`, 'Connection: Upgrade', 'Upgrade: websocket'],
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  const open = sendRaw(here.url, requestOf(lines('/socket')), { silence: 60_000, most: 60_000 });
  await until('the socket is open', () => here.upstream.received.some(({ url }) => url === '/socket'));
  // Without the factor in the configuration its proofs count for nothing; a provider's word could still give the level.
  await here.write({ ...here.config, factors: { third: { type: 'totp' }, other: { type: 'totp' } } });
  assert.equal((await here.running.reload({ actor: 'test' })).kind, 'reloaded');
  const { status } = await open;
  assert.equal(status, 101);
  assert.equal((await browser.open('/vault/')).status, 302);
  assert.equal((await browser.open('/')).status, 200);
});

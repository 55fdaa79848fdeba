/**
 * Second factors behind every way in, each against its real counterpart: a password of slapd, a ticket, CAS, OpenID Connect; and a
 * password that has to change, which changes after the factor and not before.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Authenticator, followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { gateway, type TestGateway } from '../support/scenes/gateway.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { type CasServer, needsCas, shareCas } from '../support/servers/cas-server.ts';
import { type Kdc, needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { type Idp, startIdp } from '../support/servers/oidc-provider.ts';
import { type Directory, needsSlapd, shareSlapd } from '../support/servers/slapd.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const lacking = [needsKdc, needsSlapd, needsCas].find(({ skip }) => skip !== false) ?? { skip: false as const };
const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`factors: ${name}`, lacking, run);

const period = 30_000;
const password = 'right-3391-agent';
const aliceAtCas = 'alices-4c81';
const people = [
  { uid: 'alice', password },
  { uid: 'reset', password: 'first-password', policy: 'strict', attributes: { pwdReset: 'TRUE' } },
] as const;

interface World {
  readonly kdc: Kdc;
  readonly slapd: Directory;
  readonly cas: CasServer;
  readonly idp: Idp;
  readonly gate: TestGateway;
  readonly upstream: TestUpstream;
  readonly clock: ManualClock;
  readonly config: { readonly login: object; readonly [key: string]: unknown };
}

async function world(t: TestContext, level = 2): Promise<World> {
  const [kdc, slapd, cas, idp, upstream] = await Promise.all([
    shareKdc(t, { users: ['alice', 'nora'] }),
    shareSlapd(t, { people }),
    shareCas(t, { users: [{ name: 'alice', password: aliceAtCas }] }),
    startIdp(t, { people: { alice: { preferred_username: 'alice' } } }),
    startUpstream(t),
  ]);
  const { url, managerDn, managerPassword, searchBase } = slapd;
  const clock = manualClock(Date.now());
  const config = {
    login: { chain: ['kerberos', 'directory', 'campus', 'sso'], level, timeout: '20s', total: '60s' },
    factors: { app: { type: 'totp' } },
    providers: {
      kerberos: {
        ...{ type: 'kerberos', principal: 'HTTP/localhost@EXAMPLE.TEST', krb5Config: kdc.krb5Config },
        keytab: await kdc.keytab(['HTTP/localhost']),
        replayCache: join(kdc.folder, 'seen-factors'),
      },
      directory: { type: 'ldap', url, managerDn, managerPassword, searchBase },
      campus: { type: 'cas', url: cas.url },
      sso: { type: 'oidc', ...idp.options },
    },
    routes: [{ location: '/', upstream: upstream.origin, websocket: true }],
  };
  const gate = await gateway(t, { clock, config });
  idp.register(gate.url, 'sso');
  return { kdc, slapd, cas, idp, gate, upstream, clock, config };
}

/** A password login of slapd's user, up to its next step. */
async function byPassword(
  { gate }: World,
  name = 'alice',
  typed = password,
): Promise<{ browser: Visitor; answer: Answer }> {
  const browser = new Visitor(gate.url);
  return { browser, answer: await browser.signIn(name, typed, '/app') };
}

/** The first login, in which the app is set up. */
async function enrol(here: World): Promise<{ browser: Visitor; phone: Authenticator }> {
  const { browser, answer } = await byPassword(here);
  const page = await followed(browser, answer);
  const phone = scan(page);
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/app', done.text);
  here.clock.advance(period);
  return { browser, phone };
}

story('a password of the directory, the setup of an app, logout, and a login with the next code', async (t) => {
  const here = await world(t);
  const { browser, phone } = await enrol(here);
  assert.equal((await browser.open('/app')).status, 200);
  assert.deepEqual(here.upstream.only().values('x-remote-user'), ['alice']);
  const page = await browser.open('/_gate/logout');
  assert.equal((await browser.post('/_gate/logout', hiddenFields(page.text))).status, 200);
  assert.equal((await browser.open('/app')).status, 302);
  const again = await browser.signIn('alice', password, '/app');
  const asked = await followed(browser, again);
  assert.equal(browser.cookies.has('gatehouse'), false);
  const done = await takeStep(browser, asked, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/app');
  assert.equal((await browser.open('/app')).status, 200);
});

story(
  '2F10: whoever comes by a ticket, CAS or OpenID Connect meets the factor, and nobody comes in without',
  async (t) => {
    const here = await world(t);
    const { phone } = await enrol(here);
    const { gate, kdc, cas, idp, clock, upstream } = here;
    const before = upstream.received.length;
    const proveAt = async (browser: Visitor, answer: Answer): Promise<void> => {
      assert.match(String(answer.headers.location), /^\/_gate\/factor\?login=/);
      assert.equal(browser.cookies.has('gatehouse'), false);
      assert.equal((await browser.fetch('/app')).status, 401);
      assert.equal(upstream.received.length, before);
      const page = await followed(browser, answer);
      const done = await takeStep(browser, page, { code: '000000' });
      assert.equal(done.status, 401);
    };

    // A page load with a ticket goes to the factor, with the mutual token and without a session.
    const desk = new Visitor(gate.url);
    const ticket = async (user: 'alice' | 'nora' = 'alice') => ({
      authorization: `Negotiate ${await kdc.token(user)}`,
    });
    const loaded = await desk.open('/app', { headers: await ticket() });
    assert.equal(loaded.status, 302);
    assert.match(String(loaded.headers['www-authenticate']), /^Negotiate \S+/);
    await proveAt(desk, loaded);
    // What is no page begins nothing.
    const script = new Visitor(gate.url);
    const fetched = await script.fetch('/app', { headers: { accept: 'application/json', ...(await ticket()) } });
    assert.equal(fetched.status, 401);
    const socket = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const key = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    const upgraded = await fetch(new URL('/app', gate.url), {
      headers: { ...(await ticket()), ...socket, ...key },
    }).then(
      ({ status }) => status,
      () => 401,
    );
    assert.equal(upgraded, 401);
    assert.deepEqual([script.cookies.has('gatehouse'), script.cookies.has('gatehouse-login')], [false, false]);

    const student = new Visitor(gate.url);
    const atCas = cas.browser();
    await atCas.signIn('alice', aliceAtCas);
    const leave = await student.open('/_gate/start/campus?return=/app');
    const back = await atCas.visit(String(leave.headers.location));
    assert.ok(back);
    await proveAt(student, await student.open(back.pathname + back.search));

    const federated = new Visitor(gate.url);
    const away = await federated.open('/_gate/start/sso?return=/app');
    const home = await idp.person().signIn(String(away.headers.location), 'alice');
    const arrived = await federated.open(home.pathname + home.search);
    await proveAt(federated, arrived);
    // The account is one, by whichever provider it comes: the same app, and the same count of wrong codes.
    const page = await followed(federated, arrived);
    const done = await takeStep(federated, page, { code: phone.at(clock.now()) });
    assert.equal(done.headers.location, '/app');
    assert.equal((await federated.open('/app')).status, 200);
    const received = upstream.received.at(-1);
    assert.deepEqual(received?.values('x-remote-user'), ['alice']);
    assert.deepEqual(received?.values('x-remote-provider'), ['sso']);
  },
);

story('2F9: a password that has to change is changed after the factor, and not before', async (t) => {
  const here = await world(t);
  const { gate, clock } = here;
  const fresh = 'a-fresh-one-5512-reset';
  const opens = async (typed: string): Promise<boolean> => {
    const { answer } = await byPassword(here, 'reset', typed);
    return answer.status === 303;
  };
  // A form that brings the new password at once, with the leaked old one.
  const thief = new Visitor(gate.url);
  const login = await thief.open('/_gate/login?return=/app');
  const posted = await thief.post('/_gate/login', {
    ...hiddenFields(login.text),
    ...{ username: 'reset', password: 'first-password', newPassword: fresh, newPasswordAgain: fresh },
  });
  assert.match(String(posted.headers.location), /^\/_gate\/enrol\?login=/);
  const enrolling = await followed(thief, posted);
  const early = { ...hiddenFields(enrolling.text), do: 'new-password', newPassword: fresh, newPasswordAgain: fresh };
  await thief.post('/_gate/factor', { ...early, password: 'first-password' });
  assert.equal(await opens(fresh), false, 'the new password is none');
  // Its owner sets the app up first, and then chooses.
  const { browser, answer } = await byPassword(here, 'reset', 'first-password');
  const page = await followed(browser, answer);
  const phone = scan(page);
  const next = await takeStep(browser, page, { code: phone.at(clock.now()) });
  const choosing = await followed(browser, next);
  assert.match(choosing.text, /Your password must be changed/);
  assert.doesNotMatch(choosing.text, /first-password/);
  assert.equal(browser.cookies.has('gatehouse'), false);
  const slip = await takeStep(browser, choosing, { newPassword: fresh, newPasswordAgain: 'other' });
  assert.equal(slip.status, 400);
  const done = await takeStep(browser, slip, { newPassword: fresh, newPasswordAgain: fresh });
  assert.equal(done.headers.location, '/app', done.text);
  assert.equal((await browser.open('/app')).status, 200);
  assert.equal(await opens('first-password'), false);
  // The password that has to change once more stands behind the factor from here on.
  assert.equal(await opens(fresh), true);
});

story('2F9: an account with a factor proves it before its password changes, though the login takes none', async (t) => {
  const here = await world(t);
  const { gate, clock } = here;
  const { browser, answer } = await byPassword(here, 'reset', 'first-password');
  const page = await followed(browser, answer);
  const phone = scan(page);
  // The app is set up, and the password still the old one.
  await takeStep(browser, page, { code: phone.at(clock.now()) });
  await gate.write({ ...here.config, login: { ...here.config.login, level: 1 } });
  assert.equal((await gate.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const again = await byPassword(here, 'reset', 'first-password');
  assert.match(String(again.answer.headers.location), /^\/_gate\/factor\?login=/);
  clock.advance(period);
  const asked = await followed(again.browser, again.answer);
  const done = await takeStep(again.browser, asked, { code: phone.at(clock.now()) });
  assert.match((await followed(again.browser, done)).text, /Your password must be changed/);
});

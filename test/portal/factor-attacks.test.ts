/** Attacks on second factors by whoever has a password, a session of level 1, or a login that should be over. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askGateway } from '../../src/cli/gateway-socket.ts';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { needsSmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { run } from '../support/tools/command.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const account = '/_gate/account';
const period = 30_000;

interface AttackedSite extends Site {
  readonly clock: ManualClock;
}

async function attacked(t: TestContext, more: Yaml = {}): Promise<AttackedSite> {
  const clock = manualClock(Date.now());
  const config = { factors: { app: { type: 'totp', issuer: 'ACME' }, codes: { type: 'recovery' } }, ...more };
  return { ...(await site(t, { clock, config })), clock };
}

/** Asks to set an app up on the page of the account. */
async function addApp(browser: Visitor): Promise<Answer> {
  const page = await browser.open(account);
  return browser.post(account, { ...hiddenFields(page.text), do: 'add', factor: 'app' });
}

/** The same, up to the page that shows the secret. */
async function setup(browser: Visitor): Promise<Answer> {
  const page = await followed(browser, await addApp(browser));
  assert.match(page.text, /data-qr|<svg|translate="no"/, page.text);
  return page;
}

/** The lines in which the operator reads what the account has. */
async function enrolments({ file }: Site): Promise<readonly string[]> {
  const { stdout } = await run(['factors', 'list', 'agent1', '--config', file]);
  return stdout.split('\n').filter((line) => /^\S+ +(?:app|codes|other)\b/.test(line));
}

/** The operator ends the sessions of the user, or takes off whatever is set up. */
async function operator({ folder }: Site, what: 'revoke' | 'reset'): Promise<void> {
  const target = what === 'revoke' ? '/sessions?user=agent1' : '/factors?user=agent1';
  const reply = await askGateway(join(folder, 'admin.sock'), { method: 'DELETE', target, timeout: 5000 });
  assert.partialDeepStrictEqual(reply, { kind: 'answered', status: 200 });
}

test('2F7: who can be asked for a code by mail sets up nothing on the page of the account before it', async (t) => {
  const here = await attacked(t, {
    messages: { mail: { url: 'insecure-smtp://127.0.0.1:9', from: 'no-reply@example.com' } },
    factors: { email: { type: 'mail' }, app: { type: 'totp' } },
  });
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const page = await followed(browser, await addApp(browser));
  assert.doesNotMatch(page.text, /translate="no"/, 'no secret of an app is shown');
  assert.match(page.text, /value="email"/);
});

test('2F8: a session without the factor of its account changes no password', async (t) => {
  const here = await attacked(t, { factors: { app: { type: 'totp' } } });
  const owner = here.visitor();
  await owner.mustSignIn('agent1', passwords.agent1);
  const page = await setup(owner);
  const phone = scan(page);
  await takeStep(owner, page, { code: phone.at(here.clock.now()) });
  here.clock.advance(period);
  const thief = here.visitor();
  await thief.mustSignIn('agent1', passwords.agent1);
  const form = {
    password: passwords.agent1,
    newPassword: 'a-new-4711-password',
    newPasswordAgain: 'a-new-4711-password',
  };
  const change = async (): Promise<Answer> => {
    const { form: token = '' } = hiddenFields((await thief.open(account)).text);
    return thief.post(account, { form: token, ...form });
  };
  const answer = await change();
  assert.match(String(answer.headers.location), /^\/_gate\/factor\?login=/);
  assert.deepEqual(here.audit('password-change'), []);
  const asked = await followed(thief, answer);
  const done = await takeStep(thief, asked, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, account);
  const changed = await change();
  assert.match(String(changed.headers.location), /^\/_gate\/account\?ended=/);
});

test('a setup that was begun by a session ends with it: nobody enrols for who has signed out, or whose sessions were ended', async (t) => {
  const here = await attacked(t);
  for (const end of ['sign-out', 'revoke', 'reset'] as const) {
    const browser = here.visitor();
    await browser.mustSignIn('agent1', passwords.agent1);
    const page = await setup(browser);
    const phone = scan(page);
    const kept = new Map(browser.cookies);
    if (end === 'sign-out')
      await browser.post('/_gate/logout', hiddenFields((await browser.open('/_gate/logout')).text));
    if (end !== 'sign-out') await operator(here, end);
    here.clock.advance(1);
    for (const [name, value] of kept) browser.cookies.set(name, value);
    const answer = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
    assert.equal(answer.status, 410, end);
    assert.deepEqual(await enrolments(here), [], end);
    here.clock.advance(period);
  }
});

test('a setup of one user is not gone on with by who signs in next at the same browser', async (t) => {
  const here = await attacked(t);
  const desk = here.visitor();
  await desk.mustSignIn('agent1', passwords.agent1);
  const page = await setup(desk);
  const phone = scan(page);
  // Signs in over it, as on a shared desk.
  const login = await desk.open('/_gate/login?switch=1');
  const other = { username: 'supervisor1', password: passwords.supervisor1 };
  assert.equal((await desk.post('/_gate/login', { ...hiddenFields(login.text), ...other })).status, 303);
  const answer = await takeStep(desk, page, { code: phone.at(here.clock.now()) });
  assert.equal(answer.status, 410);
  assert.deepEqual(await enrolments(here), []);
});

test('a login under way ends with a reset of its account, whatever was proved, and sets nothing up any more', async (t) => {
  for (const pending of ['10m', '30m']) {
    const here = await attacked(t, { login: { chain: ['local'], level: 2 }, factorRules: { pending } });
    const browser = here.visitor();
    const page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
    const early = scan(page);
    here.clock.advance(1000);
    await operator(here, 'revoke');
    here.clock.advance(pending === '30m' ? 20 * 60_000 : 1000);
    const refused = await takeStep(browser, page, { code: early.at(here.clock.now()) });
    assert.equal(refused.status, 410, 'after its sessions were ended');
    assert.deepEqual(await enrolments(here), []);

    const again = here.visitor();
    const setup = await followed(again, await again.signIn('agent1', passwords.agent1, '/desk'));
    const printed = await followed(again, await takeStep(again, setup, { code: scan(setup).at(here.clock.now()) }));
    assert.equal((await enrolments(here)).length, 1);
    here.clock.advance(1000);
    await operator(here, 'reset');
    here.clock.advance(1000);
    const late = await takeStep(again, printed, { kept: 'yes' });
    assert.equal(late.status, 410, 'after a reset');
    assert.deepEqual(await enrolments(here), []);
    assert.equal(again.cookies.has('gatehouse'), false);
  }
});

test('a setup that was begun with a password alone asks for what the account has set up meanwhile', async (t) => {
  const here = await attacked(t, { factors: { app: { type: 'totp' }, other: { type: 'totp' } } });
  const [thief, owner] = [here.visitor(), here.visitor()];
  await owner.mustSignIn('agent1', passwords.agent1);
  const own = await setup(owner);
  const phone = scan(own);
  await thief.mustSignIn('agent1', passwords.agent1);
  const planted = await setup(thief);
  await takeStep(owner, own, { code: phone.at(here.clock.now()) });
  assert.equal((await enrolments(here)).length, 1);
  const answer = await takeStep(thief, planted, { code: scan(planted).at(here.clock.now()) });
  assert.notEqual(answer.headers.location, account);
  assert.equal((await enrolments(here)).length, 1);
});

test('a pass that sets nothing up does so on the page of the account neither', async (t) => {
  const pass = { type: 'pass', issuers: ['supervisor'], for: ['agent'], enrols: false, uses: 5 };
  const here = await attacked(t, { factors: { app: { type: 'totp' }, pass } });
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const code = (await run(['factors', 'pass', 'agent1', '--config', here.file])).stdout.trim();
  assert.match(code, /^\d{8}$/);
  assert.equal((await addApp(browser)).status, 403);
  assert.deepEqual(await enrolments(here), []);
});

test('2F15: a factor that is chosen again sends no more than it may in one login', needsSmtpServer, async (t) => {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const here = await attacked(t, {
    login: { chain: ['local'], level: 2 },
    messages: { mail: { url: smtp.url, from: 'no-reply@cc.example.com' } },
    factors: { email: { type: 'mail', sends: 2 }, other: { type: 'mail' } },
    factorRules: { sends: { wait: '0s' } },
  });
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  const { form = '', login = '' } = hiddenFields(page.text);
  const choose = (factor = ''): Promise<Answer> =>
    browser.post('/_gate/factor', { form, login, do: 'choose', ...(factor && { factor }) });
  assert.equal((await choose('email')).status, 303);
  assert.equal((await choose()).status, 303, 'another one');
  assert.equal((await choose('email')).status, 303);
  await smtp.mailTo('agent1@example.com', 2);
  await choose('other');
  assert.equal((await choose('email')).status, 403, 'as after too many sends');
  assert.equal(smtp.mails.length, 3);
});

test('a code takes so many wrong entries, one after the other or at once', needsSmtpServer, async (t) => {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const here = await attacked(t, {
    login: { chain: ['local'], level: 2 },
    messages: { mail: { url: smtp.url, from: 'no-reply@cc.example.com' } },
    factors: { email: { type: 'mail', tries: 2 } },
    factorRules: { failures: { count: 50 } },
  });
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  const code = /^ {4}(\d{6})/m.exec((await smtp.mailTo('agent1@example.com')).content)?.[1] ?? '';
  const wrong = code === '000000' ? '000001' : '000000';
  await Promise.all(Array.from({ length: 12 }, () => takeStep(browser, page, { code: wrong })));
  const late = await takeStep(browser, page, { code });
  assert.notEqual(late.headers.location, '/desk');
  assert.equal((await browser.open('/desk')).status, 302);
});

/** The page of one's own account: a password changes by the old one alone, and everything that began with that ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passwords, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';

const here = '/_gate/account';
const fresh = 'a-new-4711-password';

async function change(
  browser: Visitor,
  old: string,
  next: string,
  { again = next, headers = {} }: { again?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const page = await browser.open(here);
  assert.equal(page.status, 200);
  const fields = { username: 'agent1', password: old, newPassword: next, newPasswordAgain: again };
  return browser.post(here, { ...hiddenFields(page.text), ...fields }, headers);
}

test('account: a password is changed by the old one; other sessions end, this one goes on', async (t) => {
  const { visitor, audit, lines } = await site(t);
  const [desk, phone] = [visitor(), visitor()];
  await desk.mustSignIn('agent1', passwords.agent1);
  await phone.mustSignIn('agent1', passwords.agent1);
  const token = desk.cookies.get('gatehouse');
  const answer = await change(desk, passwords.agent1, fresh);
  assert.equal(answer.status, 303);
  assert.notEqual(desk.cookies.get('gatehouse'), token, 'it goes on under another id');
  const told = await desk.open(String(answer.headers.location));
  assert.match(told.text, /Your password was changed, and one other session was ended\./);
  assert.equal((await desk.open('/desk')).status, 200);
  assert.equal((await phone.open('/desk')).status, 302);
  assert.equal((await phone.signIn('agent1', passwords.agent1)).status, 401, 'the old one is over');
  await phone.mustSignIn('agent1', fresh);
  const [record] = audit('password-change');
  assert.deepEqual([record?.outcome, record?.user, record?.provider], ['succeeded', 'agent1', 'local']);
  assert.doesNotMatch(lines.join('\n'), new RegExp(`${fresh}|${passwords.agent1}`));
});

test('account: slips ask nobody, and say what is wrong', async (t) => {
  const { visitor, audit } = await site(t);
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const said = async (answer: Promise<Answer>, status: number, words: RegExp) => {
    const { status: was, text } = await answer;
    assert.equal(was, status);
    assert.match(text, words);
    assert.doesNotMatch(text, new RegExp(fresh));
  };
  await said(change(browser, passwords.agent1, fresh, { again: 'x' }), 400, /not the same/);
  await said(change(browser, passwords.agent1, ''), 400, /not the same/);
  await said(change(browser, '', fresh), 400, /Enter your current password/);
  await said(change(browser, passwords.agent1, passwords.agent1), 400, /must differ/);
  assert.equal(audit('password-change').length, 0);
  await said(change(browser, passwords.agent1, 'short'), 400, /too short/);
  assert.equal(audit('password-change').at(-1)?.reason, 'password-weak');
  await said(change(browser, passwords.agent1, 'Agent1-2026'), 400, /little more than your name/);
  await said(change(browser, passwords.agent1, 'Sommer2026!'), 400, /Many people use this password/);
  await browser.open('/desk');
});

test('account: wrong old passwords count in the lock-out, as those of the login do', async (t) => {
  const { visitor, audit } = await site(t, {
    config: { login: { chain: ['local'], lockout: { user: 3, delay: '10m' } } },
  });
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  for (let turn = 0; turn < 3; turn++) {
    const answer = await change(browser, 'wrong', fresh);
    assert.equal(answer.status, 401);
    assert.match(answer.text, /The current password is wrong\. Nothing was changed/);
  }
  const locked = await change(browser, passwords.agent1, fresh);
  assert.equal(locked.status, 429);
  assert.ok(Number(locked.headers['retry-after']) > 0);
  assert.equal(audit('password-change').at(-1)?.reason, 'too-many-failures');
  assert.equal((await visitor().signIn('agent1', passwords.agent1)).status, 429, 'for the login too');
  assert.equal((await browser.open('/desk')).status, 200, 'whoever guesses there signs nobody out');
});

test('account: no form of another browser, of another site or of another page changes anything', async (t) => {
  const { visitor, audit } = await site(t);
  const [browser, other] = [visitor(), visitor()];
  await browser.mustSignIn('agent1', passwords.agent1);
  await other.mustSignIn('agent1', passwords.agent1);
  const token = hiddenFields((await other.open(here)).text).form ?? '';
  const login = hiddenFields((await browser.open('/_gate/login?switch=1')).text).form ?? '';
  const fields = { password: passwords.agent1, newPassword: fresh, newPasswordAgain: fresh };
  for (const form of [token, login, '', 'x']) assert.equal((await browser.post(here, { ...fields, form })).status, 403);
  const crossSite = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  assert.equal((await change(browser, passwords.agent1, fresh, { headers: crossSite })).status, 403);
  assert.equal((await visitor().post(here, fields)).status, 303);
  assert.equal(audit('password-change').length, 0);
});

test('account: a link from elsewhere cannot make the page say that the password was changed', async (t) => {
  const { visitor } = await site(t);
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  for (const query of ['?ended=2', '?ended=2&changed=x', `?ended=2&changed=${'A'.repeat(43)}`])
    assert.doesNotMatch((await browser.open(here + query)).text, /was changed/);
});

test('account: nobody is there without a session, and the way to the login leads back', async (t) => {
  const { visitor } = await site(t);
  const browser = visitor();
  assert.equal((await browser.open(here)).headers.location, '/_gate/login?return=%2F_gate%2Faccount');
  assert.equal((await browser.fetch(here)).status, 401);
  await browser.mustSignIn('agent1', passwords.agent1, here);
  assert.equal((await browser.open(here)).status, 200);
  assert.equal((await browser.open(here, { method: 'DELETE' })).status, 405);
});

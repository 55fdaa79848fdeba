/** One's own second factors on the page of the account: what takes a proof first, and what a session that was left open can do. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { passwords, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { SoftwareKey } from '../support/tools/software-key.ts';

const account = '/_gate/account';

async function keySite(t: TestContext, login: object = {}) {
  const clock = manualClock(Date.now());
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const here = await site(t, {
    clock,
    config: {
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: origin },
      factors: { key: { type: 'webauthn' }, codes: { type: 'recovery' } },
      login: { chain: ['local'], ...login },
    },
  });
  return { ...here, clock, origin, visitor: () => new Visitor(new URL(origin)) };
}

/** The form of a page that does something, with the fields that it posts. */
async function submit(browser: Visitor, page: Answer, what: string, fields: Readonly<Record<string, string>> = {}) {
  const form = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
    .map(([text]) => text)
    .find(
      (text) =>
        hiddenFields(text).do === what &&
        ['factor', 'id'].every((name) => fields[name] === undefined || hiddenFields(text)[name] === fields[name]),
    );
  assert.ok(form, `there is a form to ${what}: ${page.text}`);
  const action = /action="([^"]*)"/.exec(form)?.[1] ?? '';
  return browser.post(action, { ...hiddenFields(form), ...fields });
}

async function follow(browser: Visitor, answer: Answer): Promise<Answer> {
  assert.equal(answer.status, 303, answer.text);
  return browser.open(String(answer.headers.location));
}

async function touch(
  browser: Visitor,
  page: Answer,
  key: SoftwareKey,
  how: 'register' | 'answer',
  name = '',
): Promise<Answer> {
  const given = /data-options="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&quot;', '"') ?? '{}';
  return submit(browser, page, 'answer', { answer: key[how](JSON.parse(given)), name });
}

/** Somebody who is signed in and sets a key up of their own accord, with the codes beside it. */
async function withKey(here: Awaited<ReturnType<typeof keySite>>) {
  const browser = here.visitor();
  const key = new SoftwareKey(here.origin);
  await browser.mustSignIn('agent1', passwords.agent1);
  const setup = await follow(browser, await submit(browser, await browser.open(account), 'add', { factor: 'key' }));
  const printed = await follow(browser, await touch(browser, setup, key, 'register', 'blue key'));
  const done = await submit(browser, printed, 'answer', { kept: 'yes' });
  assert.equal(done.headers.location, account);
  return { browser, key };
}

test('own factors: a key is added at will, with codes beside it, and stands on the page with its name', async (t) => {
  const here = await keySite(t);
  const { browser } = await withKey(here);
  const page = await browser.open(account);
  assert.match(page.text, /blue key/);
  assert.match(page.text, /10 left\./);
  assert.match(page.text, /Add: Security key/);
  assert.equal((await browser.open('/desk')).status, 200, 'the session goes on');
  const [record] = here.audit('enrol');
  assert.deepEqual([record?.outcome, record?.factor, record?.user], ['succeeded', 'key', 'agent1']);
});

test('own factors: whoever has none proves anew who they are before the first one, once that is a while ago', async (t) => {
  const here = await keySite(t);
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  here.clock.advance(11 * 60_000);
  const answer = await submit(browser, await browser.open(account), 'add', { factor: 'key' });
  assert.match(String(answer.headers.location), /^\/_gate\/login\?return=%2F_gate%2Faccount&confirm=1$/);
});

test('2F8: a session of level 1, or one that was left open, takes nothing off and adds nothing before a touch', async (t) => {
  const here = await keySite(t);
  const { browser, key } = await withKey(here);
  const page = await browser.open(account);
  const id = /name="id" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  const other = here.visitor();
  await other.mustSignIn('agent1', passwords.agent1);
  for (const what of ['remove', 'rename', 'add'] as const) {
    const fields = what === 'add' ? { factor: 'key' } : { id, name: 'mine now' };
    const answer = await submit(other, await other.open(account), what, fields);
    const asked = await follow(other, answer);
    assert.match(asked.text, /Confirm that it is you|Touch your security key/, what);
  }
  here.clock.advance(11 * 60_000);
  assert.match(
    String((await submit(browser, await browser.open(account), 'remove', { id })).headers.location),
    /^\/_gate\/factor\?/,
  );
  const still = await browser.open(account);
  assert.match(still.text, /blue key/);
  assert.doesNotMatch(still.text, /mine now/);

  const choice = await follow(browser, await submit(browser, still, 'rename', { id, name: 'red key' }));
  const asked = /data-key=/.test(choice.text)
    ? choice
    : await follow(browser, await submit(browser, choice, 'choose', { factor: 'key' }));
  assert.equal((await touch(browser, asked, key, 'answer')).headers.location, account);
  await submit(browser, await browser.open(account), 'rename', { id, name: 'red key' });
  assert.match((await browser.open(account)).text, /red key/);
  await submit(browser, await browser.open(account), 'remove', { id });
  assert.doesNotMatch((await browser.open(account)).text, /red key/);
  assert.partialDeepStrictEqual(here.audit('unenrol'), [{ outcome: 'succeeded', factor: 'key', user: 'agent1' }]);
});

test('own factors: the last one stays where one is needed to sign in', async (t) => {
  const here = await keySite(t, { level: 2 });
  const browser = here.visitor();
  const key = new SoftwareKey(here.origin);
  const setup = await follow(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  const printed = await follow(browser, await touch(browser, setup, key, 'register', 'only key'));
  await submit(browser, printed, 'answer', { kept: 'yes' });
  const page = await browser.open(account);
  const id = /name="id" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  const kept = await submit(browser, page, 'remove', { id });
  assert.equal(kept.status, 409);
  assert.match(kept.text, /your only second factor/);
  const spare = new SoftwareKey(here.origin);
  const more = await follow(browser, await submit(browser, await browser.open(account), 'add', { factor: 'key' }));
  assert.equal((await touch(browser, more, spare, 'register', 'second key')).headers.location, account);
  await submit(browser, await browser.open(account), 'remove', { id });
  const left = await browser.open(account);
  assert.doesNotMatch(left.text, /only key/);
  assert.match(left.text, /second key/);
});

test('own factors: new codes end the old ones', async (t) => {
  const here = await keySite(t);
  const { browser } = await withKey(here);
  const printed = await follow(browser, await submit(browser, await browser.open(account), 'add', { factor: 'codes' }));
  const codes = [...printed.text.matchAll(/<li><code translate="no">([^<]+)</g)].map(([, code = '']) => code);
  assert.equal(codes.length, 10);
  await submit(browser, printed, 'answer', { kept: 'yes' });
  const page = await browser.open(account);
  assert.equal(page.text.match(/10 left\./g)?.length, 1);
});

test('own factors: no form of another browser or site changes anything, and ids of others are none', async (t) => {
  const here = await keySite(t);
  const { browser } = await withKey(here);
  const page = await browser.open(account);
  const id = /name="id" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  const supervisor = here.visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  const own = hiddenFields((await supervisor.open(account)).text);
  await supervisor.post(account, { ...own, do: 'remove', id });
  await supervisor.post(account, { ...own, do: 'rename', id, name: 'stolen' });
  assert.equal((await browser.post(account, { do: 'remove', id })).status, 403);
  const forged = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  assert.equal((await browser.post(account, { ...hiddenFields(page.text), do: 'remove', id }, forged)).status, 403);
  assert.match((await browser.open(account)).text, /blue key/);
});

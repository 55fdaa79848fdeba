/** Forms that wait for a login: whose they are, in whose browser, and what a fresh proof has to do with them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const minute = 60_000;
const secret = 'callback at the back door';

async function desk(t: TestContext): Promise<{ site: Site; clock: ManualClock }> {
  const clock = manualClock(Date.now());
  const started = await site(t, { clock, config: { login: { chain: ['local'], lockout: { user: 2 } } } });
  const config = siteConfig(started.upstream.origin);
  const routes = (config.routes as { name: string }[]).map((route) =>
    route.name === 'fresh' ? { ...route, replayPosts: true, websocket: true } : route,
  );
  const stale = { name: 'stale', location: '/stale/', upstream: started.upstream.origin, access: { maxAge: '5m' } };
  await started.write({ ...config, login: { chain: ['local'], lockout: { user: 2 } }, routes: [...routes, stale] });
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
  return { site: started, clock };
}

const locationOf = ({ headers }: Answer): string => String(headers.location);
const returnIn = (answer: Answer): string =>
  new URL(locationOf(answer), 'http://gate.invalid').searchParams.get('return') ?? '';

/** Signs in at the place of whoever is signed in there, as the next shift does. */
async function take(browser: Visitor, user: keyof typeof passwords, returnTo = '/'): Promise<void> {
  const page = await browser.open(`/_gate/login?${new URLSearchParams({ switch: '1', return: returnTo })}`);
  const fields = { ...hiddenFields(page.text), username: user, password: passwords[user] };
  const answer = await browser.post('/_gate/login', fields);
  assert.deepEqual([answer.status, locationOf(answer)], [303, returnTo]);
}

/** Sends a form that meets an ended session; the address that leads back to it. */
async function post(browser: Visitor, path = '/desk/note'): Promise<string> {
  const lost = await browser.post(path, { text: secret });
  assert.equal(lost.status, 303);
  assert.match(returnIn(lost), /^\/_gate\/replay\?id=[\w-]{22}$/);
  return returnIn(lost);
}

async function assertNotShown(browser: Visitor, address: string): Promise<void> {
  const page = await browser.open(address);
  assert.equal(page.status, 410);
  assert.ok(!page.text.includes(secret));
}

async function assertShown(browser: Visitor, address: string): Promise<void> {
  const page = await browser.open(address);
  assert.equal(page.status, 200);
  assert.deepEqual(hiddenFields(page.text), { text: secret });
}

const ends = { 'has just ended': 31, 'is long gone from the store': 120 };
for (const [how, minutes] of Object.entries(ends))
  test(`forms: at a shared desk a form whose session ${how} is shown to its own user alone`, async (t) => {
    const { site: at, clock } = await desk(t);
    const browser = at.visitor();
    await take(browser, 'agent1');
    clock.advance(minutes * minute);
    const address = await post(browser);
    await take(browser, 'supervisor1', address);
    await assertNotShown(browser, address);
    await take(browser, 'agent1');
    await assertShown(browser, address);
    await assertNotShown(browser, address);
  });

test('forms: after a logout a form that was left open is still its own user’s', async (t) => {
  const { site: at } = await desk(t);
  const browser = at.visitor();
  await take(browser, 'agent1');
  const page = await browser.open('/_gate/logout');
  await browser.post('/_gate/logout', hiddenFields(page.text));
  const address = await post(browser);
  await take(browser, 'supervisor1', address);
  await assertNotShown(browser, address);
});

test('forms: where nobody had signed in, a form is for who completes the login that it began, and opening it changes nothing', async (t) => {
  const { site: at } = await desk(t);
  const browser = at.visitor();
  const address = await post(browser);
  const opened = await browser.open(address);
  assert.notEqual(returnIn(opened), address, 'a login that begins with the address is another');
  await take(browser, 'supervisor1', returnIn(opened));
  await assertNotShown(browser, returnIn(opened));
  await assertNotShown(browser, address);
  await take(browser, 'agent1', address);
  await take(browser, 'supervisor1', address);
  await assertNotShown(browser, address);
  await take(browser, 'agent1');
  await assertShown(browser, address);
});

test('forms: a saved form is given to no other browser, whoever signs in there', async (t) => {
  const { site: at, clock } = await desk(t);
  const browser = at.visitor();
  await take(browser, 'agent1');
  clock.advance(31 * minute);
  const address = await post(browser);
  const other = at.visitor();
  await take(other, 'agent1', address);
  await assertNotShown(other, address);
  const bare = at.visitor();
  bare.cookies.set('gatehouse', other.cookies.get('gatehouse') ?? '');
  await assertNotShown(bare, address);
  await take(browser, 'agent1', address);
  await assertShown(browser, address);
});

test('forms: one that meets a step-up is kept, and shown once its user has confirmed; elsewhere it is said to be not sent', async (t) => {
  const { site: at, clock } = await desk(t);
  const browser = at.visitor();
  await take(browser, 'agent1');
  clock.advance(6 * minute);
  const lost = await browser.post('/fresh/note', { text: secret });
  assert.equal(lost.status, 303);
  assert.match(locationOf(lost), /[?&]confirm=1/);
  const page = await browser.open(locationOf(lost));
  assert.equal(page.status, 200);
  const confirmed = await browser.post('/_gate/login', {
    ...hiddenFields(page.text),
    username: 'agent1',
    password: passwords.agent1,
  });
  assert.equal(locationOf(confirmed), returnIn(lost));
  await assertShown(browser, returnIn(lost));
  clock.advance(6 * minute);
  const refused = await browser.post('/stale/note', { text: secret });
  assert.equal(refused.status, 401);
  assert.match(refused.text, /was not sent/);
  assert.match(refused.text, /confirm=1/);
});

test('step-up: wrong passwords in its form count, and lock like any other', async (t) => {
  const { site: at, clock } = await desk(t);
  const browser = at.visitor();
  await take(browser, 'agent1');
  clock.advance(6 * minute);
  const page = await browser.open('/_gate/login?return=%2Ffresh%2Fx&confirm=1');
  const confirm = (password: string) =>
    browser.post('/_gate/login', { ...hiddenFields(page.text), username: 'agent1', password });
  assert.deepEqual([(await confirm('wrong')).status, (await confirm('wrong')).status], [401, 401]);
  assert.equal((await confirm(passwords.agent1)).status, 429);
  assert.equal((await at.visitor().signIn('agent1', passwords.agent1)).status, 429);
});

test('step-up: a WebSocket that needs a fresh proof is told an address that asks for one', async (t) => {
  const { site: at, clock } = await desk(t);
  const browser = at.visitor();
  await take(browser, 'agent1');
  clock.advance(6 * minute);
  const headers = { cookie: browser.cookieHeader, origin: at.url.origin };
  const socket = new WebSocket(`ws://${at.url.host}/fresh/live`, { headers });
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  assert.equal(response.statusCode, 401);
  const { login, reason } = JSON.parse(Buffer.concat(await Array.fromAsync(response)).toString());
  assert.equal(reason, 'too-old');
  const page = await browser.open(login);
  assert.equal(page.status, 200, 'the browser is not sent straight back');
  assert.match(page.text, /name="confirm"/);
});

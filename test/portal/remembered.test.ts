/** Remembered browsers: for whom a tick counts, for how long, and everything that ends it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askGateway } from '../../src/cli/gateway-socket.ts';
import { Secret } from '../../src/core/secret.ts';
import { UsersFile } from '../../src/users/users-file.ts';
import { type Authenticator, followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { gateway, type Yaml } from '../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const period = 30_000;
const day = 86_400_000;
type Name = keyof typeof passwords;

async function rememberingSite(t: TestContext, remember: Yaml = { for: '30d' }, more: Yaml = {}) {
  const clock = manualClock(Date.now());
  const upstream = await startUpstream(t);
  const config = siteConfig(upstream.origin);
  const routes = config.routes as readonly Yaml[];
  const started = await gateway(t, {
    users: staff,
    clock,
    config: {
      ...config,
      routes: [
        ...routes,
        { name: 'recent', location: '/recent/', upstream: upstream.origin, access: { level: 2, maxAge: '10m' } },
        { name: 'named', location: '/named/', upstream: upstream.origin, access: { factors: ['app'] } },
      ],
      login: { level: 2 },
      session: { lifetime: '7d', store: { type: 'memory' } },
      factors: { app: { type: 'totp' }, pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'] } },
      factorRules: { remember },
      ...more,
    },
  });
  return { ...started, clock, upstream, visitor: () => new Visitor(started.url) };
}

type Here = Awaited<ReturnType<typeof rememberingSite>>;

/** Sets an app up for somebody, in a browser that is thrown away. */
async function phoneOf(here: Here, name: Name = 'agent1'): Promise<Authenticator> {
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn(name, passwords[name], '/desk'));
  const phone = scan(page);
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/desk', done.text);
  here.clock.advance(period);
  return phone;
}

/** What the browser has after it was closed, and nothing of any session. */
function closed(browser: Visitor): Visitor {
  for (const name of browser.cookies.keys()) if (!name.endsWith('gatehouse-known')) browser.cookies.delete(name);
  return browser;
}

/** Signs in with a code, and has the browser remembered. */
async function tick(here: Here, browser: Visitor, phone: Authenticator, name: Name = 'agent1'): Promise<Answer> {
  const page = await followed(browser, await browser.signIn(name, passwords[name], '/desk'));
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()), remember: 'yes' });
  assert.equal(done.headers.location, '/desk', done.text);
  here.clock.advance(period);
  return done;
}

/** Whether a password is enough in a browser that was closed and opened again. */
async function isKnown(browser: Visitor, name: Name = 'agent1', password: string = passwords[name]): Promise<boolean> {
  const answer = await closed(browser).signIn(name, password, '/desk');
  assert.equal(answer.status, 303, answer.text);
  return answer.headers.location === '/desk';
}

/** What an operator asks the gateway at its socket. */
async function operate(here: Here, method: string, target: string): Promise<unknown> {
  const reply = await askGateway(join(here.folder, 'admin.sock'), { method, target, timeout: 5000 });
  assert.ok(reply.kind === 'answered' && reply.status === 200, JSON.stringify(reply));
  return reply.body;
}

async function browsersOf(here: Here): Promise<number> {
  return ((await operate(here, 'GET', '/factors?user=agent1')) as { browsers: unknown[] }).browsers.length;
}

test('remembered: off by default, and a field that is posted all the same changes nothing', async (t) => {
  const here = await rememberingSite(t, {});
  const phone = await phoneOf(here);
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  assert.doesNotMatch(page.text, /name="remember"/);
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()), remember: 'yes' });
  assert.doesNotMatch(String(done.headers['set-cookie']), /gatehouse-known/);
  assert.equal(await isKnown(browser), false);
});

test('remembered: after a tick a password is enough, at level 2, until its time is over', async (t) => {
  const here = await rememberingSite(t);
  const phone = await phoneOf(here);
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  assert.match(page.text, /Do not ask on this browser for 30 days/);
  const wrong = await takeStep(browser, page, { code: '000000', remember: 'yes' });
  assert.equal(wrong.status, 401);
  const set = String((await tick(here, browser, phone)).headers['set-cookie']);
  assert.match(set, /gatehouse-known=[\w-]{22}\.[\w-]{22}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax/);
  assert.equal(await isKnown(browser), true);
  assert.equal((await browser.open('/desk')).status, 200);
  const seen = here.upstream.received.at(-1);
  assert.deepEqual([seen?.values('x-remote-user'), seen?.values('x-remote-level')], [['agent1'], ['2']]);
  assert.doesNotMatch(String(seen?.values('cookie')), /known/);
  assert.deepEqual(
    here.audit('remember').map(({ outcome, user }) => [outcome, user]),
    [['succeeded', 'agent1']],
  );
  assert.equal(here.audit('factor').at(-1)?.factor, 'remembered browser');
  // A route that asks for a proof of a moment ago, or for a factor by its name, is not met by it.
  for (const path of ['/recent/', '/named/']) {
    assert.match(String((await browser.open(path)).headers.location), /^\/_gate\/factor\?/);
    const asked = await followed(browser, await browser.open(path));
    assert.match(String(asked.headers.location ?? asked.text), /_gate\/factor\?login=|one-time-code/);
  }
  assert.equal(await browsersOf(here), 1);
  const other = here.visitor();
  assert.equal(await isKnown(other), false);
  here.clock.advance(30 * day);
  assert.equal(await isKnown(browser), false);
  assert.equal(await browsersOf(here), 0);
});

test('2F16: of two users in one browser each skips for oneself, and neither pushes out the other', async (t) => {
  const here = await rememberingSite(t);
  const [agent, supervisor] = [await phoneOf(here), await phoneOf(here, 'supervisor1')];
  const browser = here.visitor();
  await tick(here, browser, agent);
  assert.equal(await isKnown(browser, 'supervisor1'), false, 'not by the tick of another');
  await tick(here, closed(browser), supervisor, 'supervisor1');
  assert.equal(await isKnown(browser), true);
  assert.equal(await isKnown(browser, 'supervisor1'), true);
  await operate(here, 'DELETE', '/factors?user=agent1');
  assert.match(String((await closed(browser).signIn('agent1', passwords.agent1, '/desk')).headers.location), /enrol/);
  assert.equal(await isKnown(browser, 'supervisor1'), true);
});

test('2F16: a cookie that was copied helps nobody else, and of copy and original one goes on until the other shows', async (t) => {
  const here = await rememberingSite(t);
  const phone = await phoneOf(here);
  await phoneOf(here, 'supervisor1');
  const browser = here.visitor();
  await tick(here, browser, phone);
  const thief = here.visitor();
  thief.cookies.set('gatehouse-known', browser.cookies.get('gatehouse-known') ?? '');
  assert.equal(await isKnown(thief, 'supervisor1'), false);
  assert.equal(await isKnown(thief), true, 'who has the password and the cookie');
  here.clock.advance(period * 3);
  assert.equal(await isKnown(thief), true);
  assert.equal(await isKnown(browser), false, 'the original comes with a secret that was used since');
  assert.equal(await isKnown(thief), false, 'and ends both');
  assert.deepEqual(
    here.audit('remember').map(({ outcome, reason }) => [outcome, reason]),
    [
      ['succeeded', undefined],
      ['failed', 'code-replayed'],
    ],
  );
});

test('remembered: tabs that sign in at once share one cookie, and the browser goes on', async (t) => {
  const here = await rememberingSite(t);
  const phone = await phoneOf(here);
  const browser = here.visitor();
  await tick(here, browser, phone);
  closed(browser);
  const tabs = Array.from({ length: 4 }, () => new Visitor(here.url, undefined, new Map(browser.cookies)));
  const answers = await Promise.all(tabs.map((tab) => tab.signIn('agent1', passwords.agent1, '/desk')));
  assert.deepEqual(new Set(answers.map(({ headers }) => headers.location)), new Set(['/desk']));
  const next = tabs.flatMap(({ cookies }) => cookies.get('gatehouse-known') ?? []);
  const fresh = new Set(next.filter((value) => value !== browser.cookies.get('gatehouse-known')));
  assert.equal(fresh.size, 1);
  for (const value of fresh) browser.cookies.set('gatehouse-known', value);
  here.clock.advance(day);
  assert.equal(await isKnown(browser), true);
});

test('remembered: whatever changes the account ends it: its password, a lock of its codes, the operator, its user', async (t) => {
  const here = await rememberingSite(t);
  const phone = await phoneOf(here);
  const users = new UsersFile(join(here.folder, 'users.yaml'), { log: keptLog() });
  const endings: Readonly<Record<string, (browser: Visitor) => Promise<string | undefined>>> = {
    'another password in the users file': async () => {
      await users.setPassword('agent1', new Secret('right-5520-window'));
      return 'right-5520-window';
    },
    'the password of before, set anew': async () => {
      await users.setPassword('agent1', new Secret(passwords.agent1));
      return undefined;
    },
    'wrong codes until they are locked, also when that is over': async () => {
      const stranger = here.visitor();
      const page = await followed(stranger, await stranger.signIn('agent1', passwords.agent1, '/desk'));
      for (let guess = 0; guess < 5; guess++) await takeStep(stranger, page, { code: '000000' });
      here.clock.advance(10 * 60_000);
      return undefined;
    },
    'DELETE /known': async () => {
      assert.deepEqual(await operate(here, 'DELETE', '/known?user=agent1'), { forgotten: 1 });
      return undefined;
    },
    'forgotten by its user': async (browser) => {
      const page = await browser.open('/_gate/account');
      assert.match(page.text, /Remembered browsers[\s\S]*This browser/);
      const [form = ''] = page.text.split('<form').filter((part) => part.includes('value="forget"'));
      const gone = await browser.post('/_gate/account', hiddenFields(`<form${form}`));
      assert.equal(gone.headers.location, '/_gate/account');
      assert.doesNotMatch((await browser.open('/_gate/account')).text, /Remembered browsers/);
      return undefined;
    },
    'the password changed at will': async (browser) => {
      const next = 'right-1180-candle';
      const change = async (): Promise<Answer> => {
        const page = await browser.open('/_gate/account');
        const [form = ''] = page.text.split('<form').filter((part) => part.includes('newPasswordAgain'));
        const fields = { password: passwords.agent1, newPassword: next, newPasswordAgain: next };
        return browser.post('/_gate/account', { ...hiddenFields(`<form${form}`), ...fields });
      };
      const asked = await followed(browser, await change());
      assert.match(asked.text, /one-time-code/, 'a browser that is remembered changes no password');
      await takeStep(browser, asked, { code: phone.at(here.clock.now()) });
      const done = await change();
      assert.match(String(done.headers.location), /changed=/, done.text);
      return next;
    },
  };
  for (const [what, end] of Object.entries(endings)) {
    const browser = here.visitor();
    await tick(here, browser, phone).catch(async () => {
      await users.setPassword('agent1', new Secret(passwords.agent1));
      await tick(here, closed(browser), phone);
    });
    assert.equal(await isKnown(browser), true, what);
    assert.equal((await browser.open('/desk')).status, 200);
    const password = await end(browser);
    assert.equal(await isKnown(browser, 'agent1', password), false, what);
    assert.equal(await browsersOf(here), 0, what);
  }
});

test('remembered: a new password is not chosen by it, nor does a pass have a browser remembered', async (t) => {
  const here = await rememberingSite(t);
  const phone = await phoneOf(here);
  const browser = here.visitor();
  const { code } = (await operate(here, 'POST', '/factors/pass?user=agent1')) as { code: string };
  const choice = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  const fields = { ...hiddenFields(choice.text), do: 'choose', factor: 'pass' };
  const page = await followed(browser, await browser.post('/_gate/factor', fields));
  assert.doesNotMatch(page.text, /name="remember"/);
  const done = await takeStep(browser, page, { code, remember: 'yes' });
  assert.equal(done.headers.location, '/desk');
  assert.equal(browser.cookies.has('gatehouse-known'), false);
  await tick(here, closed(browser), phone);
  const users = new UsersFile(join(here.folder, 'users.yaml'), { log: keptLog() });
  await users.setPassword('agent1', new Secret(passwords.agent1), true);
  const asked = await followed(browser, await closed(browser).signIn('agent1', passwords.agent1, '/desk'));
  assert.match(asked.text, /one-time-code/);
});

test('remembered: from the networks that are named alone, and one account gives way where there is room for one', async (t) => {
  const outside = await rememberingSite(t, { for: '1d', networks: ['10.0.0.0/8'] });
  const phone = await phoneOf(outside);
  const browser = outside.visitor();
  await tick(outside, browser, phone);
  assert.equal(browser.cookies.has('gatehouse-known'), false);

  const here = await rememberingSite(t, { for: '1d', networks: ['127.0.0.0/8'], perBrowser: 1 });
  const [agent, supervisor] = [await phoneOf(here), await phoneOf(here, 'supervisor1')];
  const desk = here.visitor();
  await tick(here, desk, agent);
  await tick(here, closed(desk), supervisor, 'supervisor1');
  assert.equal(await isKnown(desk, 'supervisor1'), true);
  assert.equal(await isKnown(desk), false);
});

test('remembered: switched off again, nobody passes by it, and a session by it alone has level 1', async (t) => {
  const here = await rememberingSite(t);
  const phone = await phoneOf(here);
  const browser = here.visitor();
  await tick(here, browser, phone);
  assert.equal(await isKnown(browser), true);
  const off = {
    ...siteConfig(here.upstream.origin),
    login: { level: 2 },
    routes: [{ location: '/', upstream: here.upstream.origin, access: { level: 2 } }],
    factors: { app: { type: 'totp' } },
  };
  await here.write(off);
  const reloaded = await here.running.reload({ actor: 'signal' });
  assert.equal(reloaded.kind, 'reloaded');
  assert.match(String((await browser.open('/desk')).headers.location), /^\/_gate\/factor\?/);
  assert.equal(await isKnown(browser), false);
});

test('2F19: at debug level nothing of the cookie of a remembered browser stands in the log or the audit', async (t) => {
  const here = await rememberingSite(t, { for: '30d' }, { log: { level: 'debug' } });
  const phone = await phoneOf(here);
  const browser = here.visitor();
  await tick(here, browser, phone);
  const first = browser.cookies.get('gatehouse-known') ?? '';
  assert.equal(await isKnown(browser), true);
  const next = browser.cookies.get('gatehouse-known') ?? '';
  assert.notEqual(next, first);
  const text = here.lines.join('\n');
  for (const part of [...first.split('.'), ...next.split('.')]) assert.ok(part !== '' && !text.includes(part), part);
});

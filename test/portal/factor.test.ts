/** Logins in steps through a whole gateway: what the upstream received and what cookies there are, after each of them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, type Ask, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const period = 30_000;

interface FactorSite extends Site {
  readonly clock: ManualClock;
}

/** A site whose logins take a code of an app. */
async function factorSite(t: TestContext, more: Yaml = {}): Promise<FactorSite> {
  const clock = manualClock(Date.now());
  const config = { login: { level: 2 }, factors: { app: { type: 'totp', issuer: 'ACME' } }, ...more };
  return { ...(await site(t, { clock, config })), clock };
}

/** Signs in for the first time and sets an app up. */
async function enrolled({ visitor, clock }: FactorSite, name: keyof typeof passwords = 'agent1') {
  const browser = visitor();
  const page = await followed(browser, await browser.signIn(name, passwords[name], '/desk'));
  const phone = scan(page);
  const done = await takeStep(browser, page, { code: phone.at(clock.now()), name: 'my phone' });
  assert.equal(done.status, 303, done.text);
  assert.equal(done.headers.location, '/desk');
  clock.advance(period);
  return { browser, phone };
}

/** Signs in by password, up to the page that asks for the code. */
async function codePage(browser: Visitor, name: keyof typeof passwords = 'agent1'): Promise<Answer> {
  const page = await followed(browser, await browser.signIn(name, passwords[name], '/desk'));
  assert.match(page.text, /autocomplete="one-time-code"/);
  return page;
}

const cookiesOf = (browser: Visitor): string[] => [...browser.cookies.keys()].toSorted();

test('a login that takes a factor: password, setup, session; then password, code, session', async (t) => {
  const here = await factorSite(t);
  const { browser, phone } = await enrolled(here);
  assert.deepEqual(cookiesOf(browser), ['gatehouse', 'gatehouse-flow', 'gatehouse-owner']);
  assert.equal((await browser.open('/desk')).status, 200);
  assert.deepEqual(here.upstream.only().values('x-remote-user'), ['agent1']);
  assert.deepEqual(here.upstream.only().values('x-remote-level'), ['2']);
  const [token = ''] = here.upstream.only().values('x-gatehouse-assertion');
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  assert.deepEqual([claims.acr, claims.amr], ['urn:gatehouse:level:2', ['pwd', 'otp', 'mfa']]);
  const again = here.visitor();
  const page = await codePage(again);
  assert.doesNotMatch(page.text, /style="/);
  assert.match(page.text, /inputmode="numeric"/);
  assert.match(page.text, /autofocus/);
  assert.equal((await again.open('/desk')).status, 302);
  const done = await takeStep(again, page, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/desk');
  assert.equal((await again.open('/desk')).status, 200);
  assert.deepEqual(
    here.audit('login').map(({ outcome }) => outcome),
    ['pending', 'succeeded', 'pending', 'succeeded'],
  );
  assert.deepEqual(
    [...here.audit('enrol'), ...here.audit('factor')].map(({ outcome, factor, user }) => [outcome, factor, user]),
    [
      ['succeeded', 'app', 'agent1'],
      ['succeeded', 'app', 'agent1'],
    ],
  );
});

test('2F1: one code makes one session, once and fifty times at once', async (t) => {
  const here = await factorSite(t);
  const { phone } = await enrolled(here);
  const code = phone.at(here.clock.now());
  const browsers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const browser = here.visitor();
      return { browser, page: await codePage(browser) };
    }),
  );
  const answers = await Promise.all(
    browsers.flatMap(({ browser, page }) => Array.from({ length: 10 }, () => takeStep(browser, page, { code }))),
  );
  const begun = answers.filter(({ headers }) => headers.location === '/desk');
  assert.equal(begun.length, 1);
  const live = await Promise.all(browsers.map(({ browser }) => browser.open('/desk')));
  assert.equal(live.filter(({ status }) => status === 200).length, 1);
  const reasons = new Set(here.audit('factor').map(({ reason }) => reason));
  assert.ok(reasons.has('code-replayed'));
  const late = here.visitor();
  assert.equal((await takeStep(late, await codePage(late), { code })).status, 401);
});

test('2F2: after the password alone nothing is open, and a login under way is no session', async (t) => {
  const here = await factorSite(t);
  await enrolled(here);
  const browser = here.visitor();
  await codePage(browser);
  const token = browser.cookies.get('gatehouse-login');
  assert.ok(token);
  assert.equal(browser.cookies.has('gatehouse'), false);
  const before = here.upstream.received.length;
  const asSession: Ask = { headers: { cookie: `gatehouse=${token}` } };
  const shorter: Ask = { headers: { cookie: `gatehouse=${token.slice(1)}` } };
  for (const ask of [{}, asSession, shorter] as readonly Ask[]) {
    assert.equal((await browser.open('/desk', ask)).status, 302);
    for (const path of ['/desk', '/_gate/session', '/_gate/account'])
      assert.equal(
        (await browser.fetch(path, { ...ask, headers: { accept: 'application/json', ...ask.headers } })).status,
        401,
      );
  }
  // The other way round it finds nothing either.
  const signedIn = (await enrolled(here, 'supervisor1')).browser;
  assert.match(String((await browser.open('/_gate/factor')).headers.location), /^\/_gate\/login\?/);
  const planted = signedIn.cookies.get('gatehouse') ?? '';
  const other = here.visitor();
  other.cookies.set('gatehouse-login', `p${planted}`);
  assert.equal((await other.open('/_gate/factor?login=x')).status, 410);
  assert.equal(here.upstream.received.length, before);
});

test('2F4: the count of wrong codes goes on over passwords, logins, pages and browsers, and locks at five', async (t) => {
  const here = await factorSite(t);
  const { phone } = await enrolled(here);
  const statuses: number[] = [];
  for (let guess = 0; guess < 6; guess++) {
    const browser = here.visitor();
    const page = await codePage(browser);
    await browser.open(`/_gate/factor?login=${hiddenFields(page.text).login}`);
    statuses.push((await takeStep(browser, page, { code: '000000' })).status);
  }
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429]);
  // 2F18: under the lock a right code is told like a wrong one.
  const browser = here.visitor();
  const page = await codePage(browser);
  const plain = ({ status, text, headers }: Answer): unknown => [
    status,
    headers['retry-after'],
    text.replace(/<code>[^<]*<\/code>/g, ''),
  ];
  const told = { wrong: new Set<string>(), right: new Set<string>() };
  const took: Record<'wrong' | 'right', number[]> = { wrong: [], right: [] };
  for (let turn = 0; turn < 200; turn++)
    for (const [what, code] of [['wrong', '000000'] as const, ['right', phone.at(here.clock.now())] as const]) {
      const startedAt = performance.now();
      const answer = await takeStep(browser, page, { code });
      took[what].push(performance.now() - startedAt);
      told[what].add(JSON.stringify(plain(answer)));
    }
  assert.equal(told.wrong.size, 1);
  assert.deepEqual(told.right, told.wrong);
  const middle = (times: number[]): number => times.toSorted((one, other) => one - other)[100] ?? Number.NaN;
  const ratio = middle(took.right) / middle(took.wrong);
  assert.ok(ratio > 0.5 && ratio < 2, `a right code takes ${ratio} times as long`);
  here.clock.advance(60_000);
  const done = await takeStep(browser, page, { code: phone.at(here.clock.now()) });
  assert.equal(done.headers.location, '/desk');
});

test('2F7: whoever has a factor proves it, and sets nothing up instead; a setup that was left is none', async (t) => {
  const here = await factorSite(t);
  const browser = here.visitor();
  const first = await followed(browser, await browser.signIn('agent1', passwords.agent1));
  assert.equal((await takeStep(browser, first, { code: '000000' })).status, 401);
  const { phone } = await enrolled(here);
  // The setup that was begun before is allowed no more.
  const late = await takeStep(browser, first, { code: '000000' });
  assert.match(String(late.headers.location), /^\/_gate\/factor\?/);
  const again = here.visitor();
  const page = await codePage(again);
  const id = hiddenFields(page.text).login;
  const enrol = await again.open(`/_gate/enrol?login=${id}`);
  assert.equal(enrol.headers.location, `/_gate/factor?login=${id}`);
  const chosen = await again.post('/_gate/enrol', { ...hiddenFields(page.text), do: 'choose', factor: 'app' });
  assert.equal(chosen.headers.location, `/_gate/factor?login=${id}`);
  assert.equal((await takeStep(again, page, { code: phone.at(here.clock.now()) })).headers.location, '/desk');
});

test('2F17: a code is taken as a person types it, and none that is shortened', async (t) => {
  const here = await factorSite(t);
  const { phone } = await enrolled(here);
  // A moment whose code begins with a zero.
  while (!phone.at(here.clock.now()).startsWith('0')) here.clock.advance(period);
  const code = phone.at(here.clock.now());
  const wide = [...code].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join('');
  const browser = here.visitor();
  const page = await codePage(browser);
  assert.equal((await takeStep(browser, page, { code: code.replace(/^0+/, '') })).status, 401);
  assert.equal(
    (await takeStep(browser, page, { code: ` ${wide.slice(0, 3)} ${wide.slice(3)}` })).headers.location,
    '/desk',
  );
});

test('2F20: of two tabs each ends as its own user', async (t) => {
  const here = await factorSite(t);
  const agent = await enrolled(here);
  const supervisor = await enrolled(here, 'supervisor1');
  const browser = here.visitor();
  const tabA = await codePage(browser);
  const tabB = await codePage(browser, 'supervisor1');
  const now = here.clock.now();
  // Another browser has nothing of either.
  const stranger = here.visitor();
  await stranger.open('/_gate/login');
  stranger.cookies.set('gatehouse-login', browser.cookies.get('gatehouse-login') ?? '');
  for (const tab of [tabA, tabB])
    assert.equal((await stranger.open(`/_gate/factor?login=${hiddenFields(tab.text).login}`)).status, 410);
  // The form of one login with the code of the other's user.
  assert.equal((await takeStep(browser, tabA, { code: supervisor.phone.at(now) })).status, 401);
  const mixed = { ...hiddenFields(tabA.text), login: hiddenFields(tabB.text).login ?? '', code: agent.phone.at(now) };
  assert.equal((await browser.post('/_gate/factor', mixed)).status, 410);
  assert.equal((await takeStep(browser, tabA, { code: agent.phone.at(now) })).headers.location, '/desk');
  await browser.open('/desk');
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
  assert.equal((await takeStep(browser, tabB, { code: supervisor.phone.at(now) })).headers.location, '/desk');
  await browser.open('/desk');
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['supervisor1']);
});

test('2F21: nothing that a client writes changes what is asked for', async (t) => {
  const here = await factorSite(t);
  const { phone } = await enrolled(here);
  const browser = here.visitor();
  const page = await codePage(browser);
  const fields = { ...hiddenFields(page.text), level: '1', acr: 'urn:gatehouse:level:2', factor: 'none', do: 'admit' };
  const tried = await browser.post('/_gate/factor?level=1&factor=none&acr_values=urn:gatehouse:level:1', fields, {
    'x-remote-level': '3',
  });
  assert.match(String(tried.headers.location), /^\/_gate\/factor\?login=/);
  assert.equal(browser.cookies.has('gatehouse'), false);
  assert.equal((await takeStep(browser, page, { code: phone.at(here.clock.now()) })).headers.location, '/desk');
});

test('2F23: a login of eleven minutes is over, and so is one whose account was disabled or cut meanwhile', async (t) => {
  const here = await factorSite(t);
  const { phone } = await enrolled(here);
  const late = here.visitor();
  const old = await codePage(late);
  here.clock.advance(11 * 60_000);
  const over = await takeStep(late, old, { code: phone.at(here.clock.now()) });
  assert.equal(over.status, 410);
  assert.match(over.text, /Start again/);
  const cut = here.visitor();
  const page = await codePage(cut);
  here.clock.advance(period);
  const ended = await fetch(new URL('/sessions?user=agent1', here.admin), { method: 'DELETE' });
  assert.equal(ended.status, 200);
  const gone = await takeStep(cut, page, { code: phone.at(here.clock.now()) });
  assert.deepEqual([gone.status, cut.cookies.has('gatehouse')], [410, false]);
  assert.equal(here.audit('login').at(-1)?.reason, 'revoked');
});

test('a browser has five logins under way at most, and each page has a way on', async (t) => {
  const here = await factorSite(t);
  await enrolled(here);
  const browser = here.visitor();
  const pages: Answer[] = [];
  for (let tab = 0; tab < 6; tab++) pages.push(await codePage(browser));
  const statuses = await Promise.all(
    pages.map(async ({ text }) => (await browser.open(`/_gate/factor?login=${hiddenFields(text).login}`)).status),
  );
  assert.deepEqual(statuses, [410, 200, 200, 200, 200, 200]);
  for (const { text } of pages) assert.match(text, /<a href="\/_gate\/login\?/);
});

test('nobody gets a session where a factor is needed and none may be set up', async (t) => {
  const help = { text: 'Ask at the desk.', url: 'https://intranet.example.com/help' };
  const here = await factorSite(t, { factorRules: { enrol: { first: 'off' }, noFactor: 'help', help } });
  const browser = here.visitor();
  const answer = await browser.signIn('agent1', passwords.agent1);
  assert.equal(answer.status, 403);
  assert.match(answer.text, /Ask at the desk\./);
  assert.match(answer.text, /https:\/\/intranet\.example\.com\/help/);
  assert.deepEqual(cookiesOf(browser), ['gatehouse-flow']);
});

test('2F19: no secret, code or QR text stands in the log or the audit', async (t) => {
  const here = await factorSite(t, { log: { level: 'debug' } });
  const { phone } = await enrolled(here);
  const { secret } = phone;
  const code = phone.at(here.clock.now());
  const browser = here.visitor();
  await takeStep(browser, await codePage(browser), { code });
  const text = here.lines.join('\n');
  for (const hidden of [secret, 'otpauth', code, ...browser.cookies.values()])
    assert.ok(!text.includes(hidden), hidden);
});

test('without factors a login is what it was', async (t) => {
  const { visitor, audit } = await site(t, { config: siteConfig('http://127.0.0.1:1') });
  const browser = visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  assert.deepEqual(cookiesOf(browser), ['gatehouse', 'gatehouse-flow', 'gatehouse-owner']);
  assert.deepEqual(
    audit('login').map(({ outcome }) => outcome),
    ['succeeded'],
  );
});

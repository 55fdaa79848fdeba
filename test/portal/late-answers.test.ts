/** Answers that come too late, twice, from another tab, without cookies or with nonsense: a sentence and a way on, and nobody let in. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { freePort } from '../support/tools/free-port.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

interface LateSite extends Site {
  readonly clock: ManualClock;
}

async function lateSite(t: TestContext, more: object = {}): Promise<LateSite> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const clock = manualClock(Date.now());
  const server = { listen: `http://127.0.0.1:${port}`, publicUrl: origin };
  const factors = {
    app: { type: 'totp' },
    key: { type: 'webauthn', first: true },
    codes: { type: 'recovery' },
    pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'] },
  };
  const here = await site(t, { clock, config: { server, login: { level: 2 }, factors, ...more } });
  return { ...here, clock, visitor: () => new Visitor(new URL(origin)) };
}

/** The form of a page that does something. */
function formOf(page: Answer, what: string): [action: string, fields: Record<string, string>] {
  const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([text]) => text);
  const form = forms.find((text) => hiddenFields(text).do === what) ?? forms[0] ?? '';
  assert.notEqual(form, '', page.text);
  return [/action="([^"]*)"/.exec(form)?.[1] ?? '', hiddenFields(form)];
}

/** A page for people, that says something and leads somewhere. */
function assertSaid(answer: Answer, what: string): void {
  const { text, headers, status } = answer;
  if (status === 302 || status === 303) {
    assert.match(String(headers.location), /^\//, what);
    return;
  }
  assert.ok(status >= 400 && status < 500, `${what}: ${status}`);
  assert.match(String(headers['content-type']), /^text\/html/, what);
  assert.doesNotMatch(text, /csrf|\bat (?:async )?[\w.]+ \(|file:\/\/|node:internal|^\s*\{"/i, what);
  const [, main = ''] = /<main>([\s\S]*)<\/main>/.exec(text) ?? [];
  assert.match(main, /<h1>[^<]+<\/h1>/, what);
  assert.match(main, /<p[^>]*>[^<]{10,}/, `${what}: a sentence`);
  assert.match(main, /<a [^>]*href="\/|<button/, `${what}: a way on`);
}

async function assertOutside(browser: Visitor, what: string): Promise<void> {
  assert.equal((await browser.fetch('/desk')).status, 401, what);
}

/** How an answer goes astray. */
const astray: Readonly<
  Record<string, (here: LateSite, browser: Visitor, form: ReturnType<typeof formOf>) => Promise<Answer>>
> = {
  'after the end of its login': (here, browser, [action, fields]) => {
    here.clock.advance(11 * 60_000);
    return browser.post(action, fields);
  },
  'without its cookies': ({ visitor }, _browser, [action, fields]) => visitor().post(action, fields),
  'from another browser': async ({ visitor }, _browser, [action, fields]) => {
    const other = visitor();
    await other.open('/_gate/login');
    return other.post(action, fields);
  },
  'from another site': (_here, browser, [action, fields]) =>
    browser.post(action, fields, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }),
  'without its token': (_here, browser, [action, { form: _, ...fields }]) => browser.post(action, fields),
  'with a token of another form': (_here, browser, [action, fields]) =>
    browser.post(action, { ...fields, form: `${fields.form?.slice(1)}A` }),
  'without any field': (_here, browser, [action]) => browser.post(action, {}),
  'with nonsense in each field': (_here, browser, [action, fields]) =>
    browser.post(action, {
      ...Object.fromEntries(Object.keys(fields).map((name) => [name, '\u0000{"a":[]}<script>'])),
      code: '٣'.repeat(5000),
      answer: '{"__proto__":1',
    }),
  'that asks for something else': (_here, browser, [action, fields]) =>
    browser.post(action, { ...fields, do: 'constructor', factor: '__proto__', tenant: 'toString' }),
};

async function firstPage(_here: LateSite, browser: Visitor): Promise<Answer> {
  return followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
}

/** The pages of a login under way, each as it is reached. */
const pages: Readonly<Record<string, (here: LateSite, browser: Visitor) => Promise<Answer>>> = {
  'the choice of a setup': firstPage,
  'the setup of an app': async (here, browser) => {
    const [action, fields] = formOf(await firstPage(here, browser), 'choose');
    return followed(browser, await browser.post(action, { ...fields, factor: 'app' }));
  },
  'the setup of a key': async (here, browser) => {
    const [action, fields] = formOf(await firstPage(here, browser), 'choose');
    return followed(browser, await browser.post(action, { ...fields, factor: 'key' }));
  },
  'a passkey': (_here, browser) => browser.open('/_gate/passkey?return=%2Fdesk'),
};
for (const [what, reach] of Object.entries(pages))
  test(`late answers: ${what}, answered in every wrong way, says so and leads on`, async (t) => {
    const here = await lateSite(t);
    for (const [how, post] of Object.entries(astray)) {
      const browser = here.visitor();
      const answer = await post(here, browser, formOf(await reach(here, browser), 'answer'));
      assertSaid(answer, how);
      await assertOutside(browser, how);
    }
  });

test('late answers: recovery codes, a new password and the code of a second login, each too late or astray', async (t) => {
  const here = await lateSite(t);
  const path = join(here.folder, 'users.yaml');
  const { users } = parse(await readFile(path, 'utf8'));
  await writeFile(path, stringify({ users: { ...users, agent1: { ...users.agent1, mustChangePassword: true } } }));
  const browser = here.visitor();
  const setup = await pages['the setup of an app']!(here, browser);
  const phone = scan(setup);
  const spare = await followed(browser, await takeStep(browser, setup, { code: phone.at(here.clock.now()) }));
  assert.match(spare.text, /name="kept"/);
  for (const [how, post] of Object.entries(astray)) {
    if (how === 'after the end of its login') continue;
    assertSaid(await post(here, browser, formOf(spare, 'answer')), `recovery codes, ${how}`);
  }
  const form = formOf(spare, 'answer');
  const next = await followed(browser, await browser.post(form[0], { ...form[1], kept: 'yes' }));
  assert.match(next.text, /name="newPassword"/);
  assert.match(next.text, /href="\/_gate\/login\?[^"]*"[^>]*>Start again/, 'it has a way out');
  for (const [how, post] of Object.entries(astray)) {
    assertSaid(await post(here, browser, formOf(next, 'new-password')), `a new password, ${how}`);
    await assertOutside(browser, how);
  }
});

test('late answers: one that is sent twice, or from another tab, tells whoever is signed in that nothing has failed', async (t) => {
  const here = await lateSite(t, { factors: { app: { type: 'totp' } } });
  const browser = here.visitor();
  const setup = await firstPage(here, browser);
  const phone = scan(setup);
  const answer = { code: phone.at(here.clock.now()) };
  assert.equal((await takeStep(browser, setup, answer)).headers.location, '/desk');
  const { login = '' } = hiddenFields(setup.text);
  for (const again of [
    await takeStep(browser, setup, answer),
    await browser.open(`/_gate/factor?login=${login}`),
    await browser.open(`/_gate/enrol?login=${login}`),
  ]) {
    assertSaid(again, 'once more');
    assert.equal(again.status, 410);
    assert.match(again.text, /<h1>You are signed in<\/h1>/);
    assert.match(again.text, /Signed in as <bdi>agent1<\/bdi>/);
    assert.doesNotMatch(again.text, /role="alert"/);
  }
  assert.equal((await browser.open('/desk')).status, 200, 'the session goes on');
  // Twice at once, as a double click without script: whichever comes last leads on.
  here.clock.advance(30_000);
  const other = here.visitor();
  const asked = await firstPage(here, other);
  const code = { code: phone.at(here.clock.now()) };
  const both = await Promise.all([takeStep(other, asked, code), takeStep(other, asked, code)]);
  for (const one of both) assertSaid(one, 'twice at once');
  assert.equal(both.filter(({ headers }) => headers.location === '/desk').length, 1);
  // Without cookies the browser is told that, and not that it took too long.
  const stranger = here.visitor();
  const lost = await takeStep(stranger, asked, code);
  assert.equal(lost.status, 400);
  assert.match(lost.text, /sent no cookie/);
});

test('late answers: forms of the account and of passes, from elsewhere or after the end of the session', async (t) => {
  const here = await lateSite(t, { login: { level: 1 } });
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const form = formOf(await browser.open('/_gate/account'), 'add');
  for (const [how, post] of Object.entries(astray)) {
    if (how === 'after the end of its login') continue;
    assertSaid(await post(here, browser, form), `account, ${how}`);
  }
  here.clock.advance(24 * 3_600_000);
  const ended = await browser.post(form[0], form[1]);
  assert.match(String(ended.headers.location), /^\/_gate\/login\?return=%2F_gate%2Faccount/);
  assert.match(String((await browser.post('/_gate/pass', { user: 'agent1' })).headers.location), /^\/_gate\/login/);
});

/** Logins with each kind of second factor through a whole gateway: what is sent, what the upstream received, and what an outage leaves. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { needsSmtpServer, type SmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { SoftwareKey } from '../support/tools/software-key.ts';

interface KindSite extends Site {
  readonly clock: ManualClock;
}

async function kindSite(t: TestContext, config: Yaml): Promise<KindSite> {
  const clock = manualClock(Date.now());
  return { ...(await site(t, { clock, config: { login: { level: 2 }, ...config } })), clock };
}

/** A site with a name, as keys ask for it. */
async function keySite(t: TestContext, config: Yaml): Promise<KindSite & { readonly origin: string }> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const server = { listen: `http://127.0.0.1:${port}`, publicUrl: origin };
  const here = await kindSite(t, { server, ...config });
  return { ...here, origin, visitor: () => new Visitor(new URL(origin)) };
}

/** The form of a page that does something, such as `resend`, with the fields that it posts. */
async function submit(browser: Visitor, page: Answer, what: string, fields: Readonly<Record<string, string>> = {}) {
  const form = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
    .map(([text]) => text)
    .find(
      (text) =>
        hiddenFields(text).do === what && (fields.factor === undefined || hiddenFields(text).factor === fields.factor),
    );
  assert.ok(form, `there is a form to ${what}: ${page.text}`);
  const action = /action="([^"]*)"/.exec(form)?.[1] ?? '';
  return browser.post(action, { ...hiddenFields(form), ...fields });
}

async function follow(browser: Visitor, answer: Answer): Promise<Answer> {
  assert.equal(answer.status, 303, answer.text);
  return browser.open(String(answer.headers.location));
}

/** Signs in by password, up to the page of the next step. */
async function nextPage(browser: Visitor, name: keyof typeof passwords = 'agent1'): Promise<Answer> {
  return follow(browser, await browser.signIn(name, passwords[name], '/desk'));
}

async function assertInside(here: Site, browser: Visitor, done: Answer, user: string): Promise<void> {
  assert.equal(done.headers.location, '/desk', done.text);
  assert.equal((await browser.open('/desk')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), [user]);
}

const mailConfig = ({ url }: SmtpServer, more: Yaml = {}): Yaml => ({
  messages: { mail: { url, from: 'no-reply@cc.example.com', timeout: '1s' } },
  factors: { email: { type: 'mail', ...more } },
  factorRules: { sends: { wait: '0s' } },
});
const codeIn = (content: string): string => /^ {4}(\d+)/m.exec(content)?.[1] ?? '';
const agentMail = 'agent1@example.com';

test('a code by mail: sent once by the password, again by its button, and by no reload', needsSmtpServer, async (t) => {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const here = await kindSite(t, mailConfig(smtp));
  const browser = here.visitor();
  const first = await browser.signIn('agent1', passwords.agent1, '/desk');
  const page = await follow(browser, first);
  assert.match(page.text, /a•••1@example\.com/);
  assert.match(page.text, /autocomplete="one-time-code"/);
  const code = codeIn((await smtp.mailTo(agentMail)).content);
  for (let times = 0; times < 3; times += 1) await browser.open(String(first.headers.location));
  const again = await submit(browser, page, 'resend');
  const second = await follow(browser, again);
  await smtp.mailTo(agentMail, 2);
  assert.equal(smtp.mails.length, 2);
  await assertInside(here, browser, await submit(browser, second, 'answer', { code }), 'agent1');
  assert.doesNotMatch(here.lines.join('\n') + JSON.stringify(here.audit('factor')), new RegExp(code));
});

test('2F24: whatever a robot opens or posts of a mail uses nothing up', needsSmtpServer, async (t) => {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const here = await kindSite(t, mailConfig(smtp));
  const browser = here.visitor();
  const page = await nextPage(browser);
  const { content } = await smtp.mailTo(agentMail);
  const body = content
    .split(/\r?\n\r?\n/)
    .slice(1)
    .join('\n');
  assert.doesNotMatch(body, /https?:|<form|<a /i);
  const robot = here.visitor();
  for (const path of ['/_gate/factor', '/_gate/enrol']) {
    assert.notEqual((await robot.open(path)).status, 200);
    assert.notEqual((await robot.post(path, { do: 'answer', code: codeIn(content) })).status, 303);
  }
  await assertInside(here, browser, await submit(browser, page, 'answer', { code: codeIn(content) }), 'agent1');
});

test(
  'a dead mail server is an outage that counts for nothing, and another factor goes on',
  needsSmtpServer,
  async (t) => {
    const smtp = await startSmtpServer(t, { security: 'none' });
    const given = mailConfig(smtp);
    const here = await kindSite(t, {
      ...given,
      factors: { ...(given.factors as Yaml), pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'] } },
    });
    const made = await run(['factors', 'pass', 'agent1', '--config', here.file]);
    assert.equal(made.code, 0, made.stderr);
    smtp.freeze();
    const browser = here.visitor();
    const choice = await nextPage(browser);
    const failed = await submit(browser, choice, 'choose', { factor: 'email' });
    assert.equal(failed.status, 503);
    assert.deepEqual(
      here.audit('factor').map(({ factor, reason }) => [factor, reason]),
      [['email', 'timed-out']],
    );
    assert.match(here.lines.join('\n'), /mail server 127\.0\.0\.1:\d+|mail server localhost:\d+/);
    const page = await follow(browser, await submit(browser, failed, 'choose', { factor: 'pass' }));
    await assertInside(here, browser, await submit(browser, page, 'answer', { code: made.stdout.trim() }), 'agent1');
  },
);

test('what follows after wrong codes and too many sends is what the operator has said', needsSmtpServer, async (t) => {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const help = { text: 'Ask the front desk.' };
  const given = mailConfig(smtp, { tries: 1, afterTries: 'help', sends: 1, afterSends: 'restart' });
  const here = await kindSite(t, { ...given, factorRules: { ...(given.factorRules as Yaml), help } });
  const browser = here.visitor();
  const page = await nextPage(browser);
  assert.doesNotMatch(page.text, /value="resend"/, 'no more are sent, so none is offered');
  const over = await submit(browser, page, 'answer', { code: 'wrong!' });
  assert.equal(over.status, 403);
  assert.match(over.text, /Ask the front desk\./);
  assert.match(over.text, /href="\/_gate\/login/);
  assert.equal((await browser.open('/desk')).status, 302);
});

/** A key that is touched on the page. */
async function touch(browser: Visitor, page: Answer, key: SoftwareKey, how: 'register' | 'answer'): Promise<Answer> {
  const given = /data-options="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&quot;', '"') ?? '{}';
  const options = JSON.parse(given);
  return submit(browser, page, 'answer', { answer: key[how](options) });
}

test('a key: set up at the first login with recovery codes beside it, touched at the next, and each code once', async (t) => {
  const here = await keySite(t, {
    factors: { key: { type: 'webauthn' }, codes: { type: 'recovery' } },
  });
  const key = new SoftwareKey(here.origin);
  const browser = here.visitor();
  const setup = await nextPage(browser);
  assert.match(setup.text, /<script src="\/_gate\/assets\/keys\.js/);
  assert.doesNotMatch(setup.text, /style="/);
  const printed = await follow(browser, await touch(browser, setup, key, 'register'));
  const codes = [...printed.text.matchAll(/<li><code translate="no">([^<]+)</g)].map(([, code = '']) => code);
  assert.equal(codes.length, 10);
  assert.equal((await browser.open('/desk')).status, 302, 'not before the codes are kept');
  assert.equal((await submit(browser, printed, 'answer')).status, 401);
  await assertInside(here, browser, await submit(browser, printed, 'answer', { kept: 'yes' }), 'agent1');

  const again = here.visitor();
  const choice = await nextPage(again);
  const page = await follow(again, await submit(again, choice, 'choose', { factor: 'key' }));
  assert.match(page.text, /data-key-at-once/);
  const foreign = await touch(again, page, new SoftwareKey(here.origin), 'answer');
  assert.equal(foreign.status, 401);
  await assertInside(here, again, await touch(again, foreign, key, 'answer'), 'agent1');

  for (const [code = '', isRight] of [
    [codes[0], true],
    [codes[0], false],
  ] as const) {
    const other = here.visitor();
    const asked = await follow(other, await submit(other, await nextPage(other), 'choose', { factor: 'codes' }));
    const done = await submit(other, asked, 'answer', { code });
    assert.equal(done.headers.location === '/desk', isRight);
  }
  const listed = await run(['factors', 'list', 'agent1', '--config', here.file]);
  assert.match(listed.stdout, /key \(webauthn\)/);
  assert.match(listed.stdout, /codes \(recovery\).*9 left/);
  const secrets = [...codes, ...codes.map((code) => code.replace('-', ''))];
  for (const secret of secrets) assert.ok(!here.lines.join('\n').includes(secret));
});

test('2F22: the name and origin of a key are those of publicUrl, whatever Host or Origin say', async (t) => {
  const here = await keySite(t, {
    factors: { key: { type: 'webauthn' } },
  });
  const browser = here.visitor();
  const page = await nextPage(browser);
  const evil = await browser.open('/_gate/enrol', {
    headers: { 'x-forwarded-host': 'evil.example', host: 'evil.example', origin: 'https://evil.example' },
  });
  assert.doesNotMatch(evil.text, /evil\.example/);
  const failed = await touch(browser, page, new SoftwareKey('https://evil.example'), 'register');
  assert.equal(failed.status, 401);
  await assertInside(here, browser, await touch(browser, failed, new SoftwareKey(here.origin), 'register'), 'agent1');
});

test('the operator sees, releases and resets; a reset ends sessions, and the old app or key opens nothing', async (t) => {
  const here = await keySite(t, {
    factors: { key: { type: 'webauthn' }, pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'], uses: 2 } },
  });
  const key = new SoftwareKey(here.origin);
  const browser = here.visitor();
  const setup = await nextPage(browser);
  await assertInside(here, browser, await touch(browser, setup, key, 'register'), 'agent1');
  const factors = (...words: string[]) => run(['factors', ...words, '--config', here.file]);
  const code = (await factors('pass', 'AGENT1')).stdout.trim();
  assert.match(code, /^\d{8}$/);
  assert.match((await factors('list', 'agent1')).stdout, /a pass by local; 2 uses left/);

  const wrong = here.visitor();
  let page = await follow(wrong, await submit(wrong, await nextPage(wrong), 'choose', { factor: 'pass' }));
  for (let times = 0; times < 6; times += 1) page = await submit(wrong, page, 'answer', { code: '00000000' });
  assert.equal(page.status, 429);
  assert.match((await factors('list', 'agent1')).stdout, /codes are locked for \d+ s more/);
  const withKey = here.visitor();
  const keyPage = await follow(withKey, await submit(withKey, await nextPage(withKey), 'choose', { factor: 'key' }));
  await assertInside(here, withKey, await touch(withKey, keyPage, key, 'answer'), 'agent1');
  assert.equal((await factors('unlock', 'agent1')).stdout, 'agent1 is released\n');

  const { stdout } = await factors('reset', 'agent1');
  assert.equal(stdout, '1 enrolments of agent1 removed, 2 sessions ended\n');
  assert.equal((await browser.open('/desk')).status, 302);
  here.clock.advance(1);
  const fresh = here.visitor();
  const anew = await nextPage(fresh);
  assert.match(anew.text, /data-key="create"/);
  assert.equal((await touch(fresh, anew, key, 'register')).status, 303, 'the same key may be set up again');
  assert.match((await factors('list', 'supervisor1')).stdout, /has set up no second factor/);
  assert.deepEqual(
    here.audit('factor-reset').map(({ user, actor, detail }) => [user, actor, detail]),
    [['agent1', 'local', '1 enrolments, 2 sessions']],
  );
});

test(
  'mails tell the owner of what was set up, used in place of a factor, and taken off',
  needsSmtpServer,
  async (t) => {
    const smtp = await startSmtpServer(t, { security: 'none' });
    const { messages } = mailConfig(smtp);
    const here = await kindSite(t, { messages, factors: { app: { type: 'totp' }, codes: { type: 'recovery' } } });
    const browser = here.visitor();
    const setup = await nextPage(browser);
    const printed = await followed(browser, await takeStep(browser, setup, { code: scan(setup).at(here.clock.now()) }));
    const [, code = ''] = /<li><code translate="no">([^<]+)</.exec(printed.text) ?? [];
    await assertInside(here, browser, await takeStep(browser, printed, { kept: 'yes' }), 'agent1');
    await smtp.mailTo(agentMail, 2);
    const other = here.visitor();
    const asked = await follow(other, await submit(other, await nextPage(other), 'choose', { factor: 'codes' }));
    await assertInside(here, other, await submit(other, asked, 'answer', { code }), 'agent1');
    const { content } = await smtp.mailTo(agentMail, 3);
    assert.match(content, /recovery code of the account agent1 was used/);
    assert.ok(!content.includes(code));
    assert.equal((await run(['factors', 'reset', 'agent1', '--config', here.file])).code, 0);
    assert.match((await smtp.mailTo(agentMail, 4)).content, /All second factors of the account agent1 were removed/);
    assert.equal(smtp.mails.length, 4);
  },
);

/** Whose contact counts for a code: the directory's word, an operator's, or a code that came back; and what is left where there is none. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { needsSmtpServer, type SmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const agentMail = 'agent1@example.com';

interface World extends Site {
  readonly smtp: SmtpServer;
  readonly clock: ReturnType<typeof manualClock>;
}

async function world(t: TestContext, email: Yaml, more: Yaml = {}): Promise<World> {
  const clock = manualClock(Date.now());
  const smtp = await startSmtpServer(t, { security: 'none' });
  const config = {
    login: { level: 2 },
    messages: { mail: { url: smtp.url, from: 'no-reply@cc.example.com', timeout: '2s' } },
    factors: { email: { type: 'mail', ...email } },
    factorRules: { sends: { wait: '0s' }, enrol: { notify: false }, help: { text: 'Ask the floor desk.' } },
  };
  return { ...(await site(t, { clock, config: { ...config, ...more } })), smtp, clock };
}

/** Signs in by password, up to the page of the next step. */
async function nextPage(browser: Visitor, name: keyof typeof passwords): Promise<Answer> {
  return followed(browser, await browser.signIn(name, passwords[name], '/desk'));
}

const codeIn = (content: string): string => /^ {4}(\d+)/m.exec(content)?.[1] ?? '';

/** A code that is not the one. */
const other = (code: string): string => (code === '000000' ? '000001' : '000000');

test('contacts: one that is to be verified gets a code once, and counts from then on', needsSmtpServer, async (t) => {
  const here = await world(t, { trust: 'verify' });
  const browser = here.visitor();
  const page = await nextPage(browser, 'agent1');
  assert.match(page.text, /a•••1@example\.com/);
  assert.doesNotMatch(page.text, /id="contact"/, 'nobody types another address than the known one');
  // What is typed all the same goes nowhere, and showing the page sends nothing.
  assert.equal(here.smtp.mails.length, 0);
  const asked = await followed(browser, await takeStep(browser, page, { contact: 'mallory@evil.example' }));
  const code = codeIn((await here.smtp.mailTo(agentMail)).content);
  assert.deepEqual(
    here.smtp.mails.map(({ to }) => to),
    [[agentMail]],
  );
  const wrong = await takeStep(browser, asked, { code: other(code) });
  assert.equal(wrong.status, 401, wrong.text);
  assert.equal((await browser.open('/desk')).status, 302);
  const done = await takeStep(browser, wrong, { code });
  assert.equal(done.headers.location, '/desk', done.text);
  assert.equal((await browser.open('/desk')).status, 200);
  // The next login asks there at once, also when the directory has another address by then.
  const users = path.join(here.folder, 'users.yaml');
  await writeFile(users, (await readFile(users, 'utf8')).replace(agentMail, 'moved@example.com'));
  const later = here.visitor();
  const question = await nextPage(later, 'agent1');
  const second = codeIn((await here.smtp.mailTo(agentMail, 2)).content);
  const inside = await takeStep(later, question, { code: second });
  assert.equal(inside.headers.location, '/desk', inside.text);
  assert.doesNotMatch(here.lines.join('\n'), new RegExp(`${code}|${second}`));
});

test('contacts: guesses at a setup count like any others, and lock the account', needsSmtpServer, async (t) => {
  const here = await world(t, { trust: 'verify', tries: 20, sends: 20 });
  const browser = here.visitor();
  let page = await followed(browser, await takeStep(browser, await nextPage(browser, 'agent1'), {}));
  const code = codeIn((await here.smtp.mailTo(agentMail)).content);
  for (let turn = 0; turn < 5; turn += 1) page = await takeStep(browser, page, { code: other(code) });
  const right = await takeStep(browser, page, { code });
  assert.equal(right.status, 429, right.text);
  assert.equal((await browser.open('/desk')).status, 302);
  here.clock.advance(61_000);
  assert.equal((await takeStep(browser, right, { code })).headers.location, '/desk');
});

test('contacts: one that the operator knows to be the user’s needs no code before', needsSmtpServer, async (t) => {
  const here = await world(t, { trust: 'verify' });
  const users = path.join(here.folder, 'users.yaml');
  await writeFile(users, (await readFile(users, 'utf8')).replace(agentMail, `${agentMail}\n    verified: [email]`));
  const browser = here.visitor();
  const page = await nextPage(browser, 'agent1');
  const code = codeIn((await here.smtp.mailTo(agentMail)).content);
  assert.equal((await takeStep(browser, page, { code })).headers.location, '/desk');
});

test('contacts: whoever has none types one, which is exactly one, and proves it', needsSmtpServer, async (t) => {
  const here = await world(t, { noContact: 'enrol' });
  const browser = here.visitor();
  let page = await nextPage(browser, 'supervisor1');
  for (const contact of ['', 'x@example.com, y@example.com', 'nobody', 'x@example.com\r\nBcc: y@example.com']) {
    page = await takeStep(browser, page, { contact });
    assert.match(page.text, /Codes cannot be sent to that/, contact);
  }
  assert.equal(here.smtp.mails.length, 0);
  const asked = await followed(browser, await takeStep(browser, page, { contact: 'zoe@example.com' }));
  const first = codeIn((await here.smtp.mailTo('zoe@example.com')).content);
  // Another one, by its button.
  const forms = [...asked.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => hiddenFields(form));
  const again = await browser.post('/_gate/enrol', { ...forms.find((fields) => fields.again === 'yes') });
  const page2 = await followed(browser, again);
  await here.smtp.mailTo('zoe@example.com', 2);
  const done = await takeStep(browser, page2, { code: first });
  assert.equal(done.headers.location, '/desk', done.text);
  assert.deepEqual(
    here
      .audit('enrol')
      .map(({ outcome, factor }) => [outcome, factor])
      .at(-1),
    ['succeeded', 'email'],
  );
  // It is one of their factors, and can be taken off like any other.
  const account = await browser.open('/_gate/account');
  assert.match(account.text, /Code by e-mail/);
});

test(
  'contacts: who has none is refused, helped, or shown the other factors, as the operator says',
  needsSmtpServer,
  async (t) => {
    const refused = await world(t, { noContact: 'refuse' });
    const first = await refused.visitor().signIn('supervisor1', passwords.supervisor1, '/desk');
    assert.equal(first.status, 403);
    assert.match(first.text, /no address or number of yours/);
    assert.doesNotMatch(first.text, /floor desk/);
    assert.equal(refused.audit('login').at(-1)?.reason, 'contact-missing');
    const helped = await world(t, { noContact: 'help' });
    const second = await helped.visitor().signIn('supervisor1', passwords.supervisor1, '/desk');
    assert.equal(second.status, 403);
    assert.match(second.text, /Ask the floor desk/);
    const others = { email: { type: 'mail', noContact: 'refuse' }, app: { type: 'totp' } };
    const open = await world(t, {}, { factors: others });
    assert.match(
      (await nextPage(open.visitor(), 'supervisor1')).text,
      /<svg class="qr"/,
      'what can be set up goes first',
    );
  },
);

test(
  'contacts: who has none is let in at level 1 where the operator says so, is told of, and stays there',
  needsSmtpServer,
  async (t) => {
    const here = await world(
      t,
      { noContact: 'insecure-allow' },
      {
        routes: [
          { location: '/', upstream: 'http://127.0.0.1:9' },
          { location: '/vault/', upstream: 'http://127.0.0.1:9', access: { level: 2 } },
        ],
      },
    );
    const browser = here.visitor();
    const done = await browser.signIn('supervisor1', passwords.supervisor1, '/desk');
    assert.equal(done.headers.location, '/desk', done.text);
    const warned = () => here.audit('factor').filter(({ reason }) => reason === 'contact-missing').length;
    assert.equal(warned(), 1);
    await here.visitor().mustSignIn('supervisor1', passwords.supervisor1);
    assert.equal(warned(), 2);
    assert.ok(here.lines.some((line) => /"level":(?:40|"warn")/.test(line) && line.includes('insecure-allow')));
    // What a location asks for is asked for all the same.
    assert.equal((await browser.open('/desk')).status, 502);
    const asked = await browser.open('/vault/');
    assert.equal(asked.status, 302);
    const over = await browser.open(String(asked.headers.location));
    assert.equal(over.status, 403, over.text);
    // Whoever has an address is asked.
    const other = here.visitor();
    assert.match((await nextPage(other, 'agent1')).text, /a•••1@example\.com/);
    assert.equal(other.cookies.get('gatehouse'), undefined);
  },
);

test('contacts: a number that is typed is one of a country that is sent to, within the budget', async (t) => {
  const taken: string[] = [];
  const server = createServer(async (request, response) => {
    taken.push(JSON.parse(await text(request)).to);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const fields = { to: `\${to}`, text: `\${text}` };
  const sms = {
    ...{ type: 'sms', from: 'ACME', countries: ['+33'], defaultCountry: '+33', noContact: 'enrol' },
    ...{ gateway: { url: `http://127.0.0.1:${port}/v1`, fields }, budget: { count: 1 } },
  };
  const here = await site(t, {
    config: { login: { level: 2 }, factors: { text: sms }, factorRules: { sends: { wait: '0s' } } },
  });
  const browser = here.visitor();
  let page = await nextPage(browser, 'agent1');
  for (const contact of ['+1 900 123 4567', '0044 20 7946 0000', '12', 'one']) {
    page = await takeStep(browser, page, { contact });
    assert.match(page.text, /Codes cannot be sent to that/, contact);
  }
  const asked = await followed(browser, await takeStep(browser, page, { contact: '06 12-34 56 (78)' }));
  assert.deepEqual(taken, ['+33612345678']);
  assert.match(asked.text, /•••• 78/);
  // The budget is that of the site: nobody else has one sent.
  const other = here.visitor();
  const refused = await takeStep(other, await nextPage(other, 'supervisor1'), { contact: '+33611111111' });
  assert.match(refused.text, /No more codes are sent at the moment/);
  assert.equal(taken.length, 1);
  assert.deepEqual(
    here.audit('factor-send').map(({ outcome, reason, user }) => [outcome, reason, user]),
    [
      ['succeeded', undefined, 'agent1'],
      ['failed', 'budget-spent', 'supervisor1'],
    ],
  );
});

test('contacts: whoever is signed in proves themselves before another contact counts', needsSmtpServer, async (t) => {
  const here = await world(
    t,
    { trust: 'verify' },
    { login: {}, factors: { email: { type: 'mail', trust: 'verify' }, app: { type: 'totp' } } },
  );
  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const account = await browser.open('/_gate/account');
  const add = (page: Answer, factor: string) => {
    const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => hiddenFields(form));
    const fields = forms.find((one) => one.do === 'add' && one.factor === factor);
    return fields && browser.post('/_gate/account', fields);
  };
  const setup = await followed(browser, (await add(account, 'app')) ?? assert.fail(account.text));
  const phone = scan(setup);
  assert.equal(
    (await takeStep(browser, setup, { code: phone.at(here.clock.now()) })).headers.location,
    '/_gate/account',
  );
  here.clock.advance(11 * 60_000);
  const page = await followed(browser, (await add(await browser.open('/_gate/account'), 'email')) ?? assert.fail());
  assert.match(page.text, /authenticator app on your phone/, 'the app first');
  const contact = await followed(browser, await takeStep(browser, page, { code: phone.at(here.clock.now()) }));
  assert.match(contact.text, /a•••1@example\.com/);
  const asked = await followed(browser, await takeStep(browser, contact, {}));
  const code = codeIn((await here.smtp.mailTo(agentMail)).content);
  assert.equal((await takeStep(browser, asked, { code })).headers.location, '/_gate/account');
  // There is one, and no second is offered.
  assert.equal(add(await browser.open('/_gate/account'), 'email'), undefined);
});

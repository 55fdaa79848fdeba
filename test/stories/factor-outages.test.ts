/** Servers that second factors ask, closed and frozen: what users meet, what operators see, and that nothing counts against anybody. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { followed } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { needsSmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

/** The server of a factor: its address, and how it comes back; absent where nothing brings it back. */
interface Remote {
  readonly url: string;
  readonly comeBack?: () => Promise<void> | void;
}

type Start = (t: TestContext) => Promise<Remote>;

const closed: Start = async () => ({ url: `http://127.0.0.1:${await freePort()}` });

/** Takes connections and says nothing, until it does. */
async function frozen(t: TestContext): Promise<Remote> {
  let isFrozen = true;
  const server: Server = createServer((_request, response) => {
    if (isFrozen) return;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ methods: [{ id: 'app', label: 'App' }], result: 'valid' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    comeBack: () => {
      isFrozen = false;
    },
  };
}

const smtpClosed: Start = async () => ({ url: `insecure-smtp://127.0.0.1:${await freePort()}` });

async function smtpFrozen(t: TestContext): Promise<Remote> {
  const server = await startSmtpServer(t, { security: 'none' });
  server.freeze();
  return { url: server.url, comeBack: () => server.thaw() };
}

const timeout = 300;

/** By the kind of factor: its part of a configuration. */
const kinds = {
  mail: (_url: string): Yaml => ({ type: 'mail' }),
  sms: (url: string): Yaml => ({
    ...{ type: 'sms', from: 'ACME', countries: ['+33'] },
    gateway: { url: `${url}/v1`, timeout: `${timeout}ms`, fields: { to: `\${to}`, text: `\${text}` } },
  }),
  webservice: (url: string): Yaml => ({
    ...{ type: 'webservice', timeout, secret: 'secret-of-a-test-4471' },
    ...{ contacts: { production: `${url}/contacts` }, verify: { production: `${url}/verify` } },
  }),
};

const mailServer = (url: string): Yaml => ({
  messages: { mail: { url, from: 'no-reply@cc.example.com', timeout: `${timeout}ms` } },
});

/** The form of a page that asks for a factor. */
async function choose(browser: Visitor, page: Answer, factor: string): Promise<Answer> {
  const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => hiddenFields(form));
  const fields = forms.find((one) => one.do === 'choose' && one.factor === factor);
  assert.ok(fields, page.text);
  return browser.post('/_gate/factor', fields);
}

async function standing(here: Site): Promise<unknown> {
  const { body } = await request(new URL('/health/ready', here.admin));
  const { status, factors } = (await body.json()) as {
    status: string;
    factors?: { remote?: { state: string; reason?: string } };
  };
  return [status, factors?.remote?.state, factors?.remote?.reason];
}

async function metric(here: Site, line: string): Promise<string | undefined> {
  const { body } = await request(new URL('/metrics', here.admin));
  return (await body.text())
    .split('\n')
    .find((one) => one.startsWith(line))
    ?.slice(line.length + 1);
}

async function outage(t: TestContext, kind: keyof typeof kinds, start: Start): Promise<void> {
  const clock = manualClock(Date.now());
  const remote = await start(t);
  const pass = { type: 'pass', issuers: ['supervisor'], for: ['agent'] };
  const more = kind === 'mail' ? mailServer(remote.url) : {};
  const config = { login: { level: 2 }, factors: { remote: kinds[kind](remote.url), pass }, ...more };
  const here = await site(t, { clock, config });
  const users = path.join(here.folder, 'users.yaml');
  await writeFile(users, (await readFile(users, 'utf8')).replace(/(agent1:\n)/, `$1    phone: "+33612345678"\n`));
  const made = await run(['factors', 'pass', 'agent1', '--config', here.file]);
  assert.equal(made.code, 0, made.stderr);
  assert.deepEqual(await standing(here), ['ready', 'unknown', undefined]);

  const browser = here.visitor();
  let page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  for (let turn = 0; turn < 4; turn += 1) {
    const began = performance.now();
    page = await choose(browser, page, 'remote');
    assert.equal(page.status, 503, page.text);
    assert.match(page.text, /not possible at the moment/);
    // The deadline holds, with room for a busy machine.
    assert.ok(performance.now() - began < timeout + 5000, `turn ${turn}`);
  }
  const reasons = here.audit('factor').map(({ reason }) => reason);
  assert.match(String(reasons[0]), /^(?:timed-out|unreachable)$/);
  assert.equal(reasons[3], 'breaker-open');
  assert.deepEqual(await standing(here), ['degraded', 'down', reasons[2]]);
  assert.equal(await metric(here, 'gatehouse_factor_breaker_state{factor="remote"}'), '2');
  if (kind !== 'webservice') {
    assert.equal(await metric(here, 'gatehouse_code_sends_total{factor="remote",outcome="failed"}'), '3');
    const sends = here.audit('factor-send');
    assert.deepEqual(
      sends.map(({ outcome, user, factor }) => [outcome, user, factor]),
      Array.from({ length: 3 }, () => ['failed', 'agent1', 'remote']),
    );
  }
  const listed = await run(['factors', 'list', 'agent1', '--config', here.file]);
  assert.doesNotMatch(listed.stdout, /locked/);

  if (remote.comeBack) {
    await remote.comeBack();
    clock.advance(11_000);
    const back = await choose(browser, page, 'remote');
    const asked = await followed(browser, back);
    assert.match(asked.text, /autocomplete="one-time-code"/, 'nothing was counted as sent');
    assert.deepEqual(await standing(here), ['ready', 'ok', undefined]);
  }
  // Another factor goes on, whatever became of this one.
  const other = here.visitor();
  const choice = await followed(other, await other.signIn('agent1', passwords.agent1, '/desk'));
  const question = await followed(other, await choose(other, choice, 'pass'));
  const [form = ''] = /<form[\s\S]*?<\/form>/.exec(question.text) ?? [];
  const done = await other.post('/_gate/factor', { ...hiddenFields(form), code: made.stdout.trim() });
  assert.equal(done.headers.location, '/desk', done.text);
  assert.deepEqual(here.audit('factor').at(-1)?.outcome, 'succeeded');
}

for (const kind of ['sms', 'webservice'] as const) {
  test(`outage: ${kind}, closed`, (t) => outage(t, kind, closed));
  test(`outage: ${kind}, frozen, and back`, (t) => outage(t, kind, frozen));
}
test('outage: mail, closed', (t) => outage(t, 'mail', smtpClosed));
test('outage: mail, frozen, and back', needsSmtpServer, (t) => outage(t, 'mail', smtpFrozen));

test('check --connect tries each factor that asks a server, and sends nothing', needsSmtpServer, async (t) => {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const silent = await frozen(t);
  const text = kinds.sms(`http://127.0.0.1:${await freePort()}`);
  const factors = { email: kinds.mail(smtp.url), text, vendor: kinds.webservice(silent.url) };
  const here = await site(t, { config: { login: { level: 2 }, ...mailServer(smtp.url), factors } });
  const { code, stdout } = await run(['check', '--config', here.file, '--connect']);
  assert.equal(code, 1);
  const [, email = ''] = /email \(factor, mail\)\n((?: {2}.*\n)+)/.exec(stdout) ?? [];
  assert.doesNotMatch(email, /FAILED/, stdout);
  assert.match(email, /auth/);
  assert.match(stdout, /text \(factor, sms\)\n(?: {2}.*\n)*? {2}FAILED {3}connect/);
  assert.match(stdout, /vendor \(factor, webservice\)\n(?: {2}.*\n)*? {2}FAILED {3}contacts/);
  assert.match(stdout, /at least one second factor cannot be asked as it should/);
  assert.equal(smtp.mails.length, 0);
});

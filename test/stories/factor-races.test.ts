/**
 * Two gateways on one store, one of them a process of its own: what may be used once is used once, whichever of them is asked,
 * and what is counted stands when a process is killed.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { needsRedis, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { needsSmtpServer, type SmtpServer, startSmtpServer } from '../support/servers/smtp-server.ts';
import { type Program, run, start } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { freePort } from '../support/tools/free-port.ts';

interface Pair {
  readonly here: Site;
  readonly smtp: SmtpServer;
  /** A browser of the other gateway, with the cookies of one here. */
  there(browser?: Visitor): Visitor;
  /** Kills the other gateway as it is, and starts it anew. */
  killThere(): Promise<void>;
}

const period = 30_000;
const posts = 50;

async function pair(t: TestContext, store: Yaml, more: Yaml = {}): Promise<Pair> {
  const smtp = await startSmtpServer(t, { security: 'none' });
  const here = await site(t, {
    config: {
      session: { store },
      login: { level: 2, lockout: { address: 1000, user: 1000 } },
      messages: { mail: { url: smtp.url, from: 'no-reply@cc.example.com', timeout: '5s' } },
      factors: {
        ...{ email: { type: 'mail' }, app: { type: 'totp' }, codes: { type: 'recovery' } },
        pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'] },
      },
      factorRules: { sends: { wait: '0s' }, failures: { count: 100, hard: 1000 }, enrol: { notify: false } },
      ...more,
    },
  });
  const [port, adminPort] = [await freePort(), await freePort()];
  const document = parse(readFileSync(here.file, 'utf8'));
  document.server.listen = `http://127.0.0.1:${port}`;
  document.admin = { listen: `http://127.0.0.1:${adminPort}`, socket: 'there.sock' };
  const other = path.join(here.folder, 'there.yaml');
  writeFileSync(other, stringify(document));
  const startThere = async (): Promise<Program> => {
    const program = start(t, ['serve', '--config', other]);
    await program.said('the gateway is ready');
    return program;
  };
  let program = await startThere();
  const killThere = async (): Promise<void> => {
    program.child.kill('SIGKILL');
    await program.ended;
    program = await startThere();
  };
  const there = (browser?: Visitor) => {
    const visitor = new Browser(t, port).at(here.url.origin);
    for (const [name, value] of browser?.cookies ?? []) visitor.cookies.set(name, value);
    return visitor;
  };
  return { here, smtp, there, killThere };
}

/** The form of a page that asks for a factor, posted; the page as it is where there is nothing to choose. */
async function choose(browser: Visitor, page: Answer, factor: string): Promise<Answer> {
  const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => hiddenFields(form));
  const fields = forms.find((one) => one.do === 'choose' && one.factor === factor);
  return fields ? followed(browser, await browser.post('/_gate/factor', fields)) : page;
}

async function questionOf(browser: Visitor, name: keyof typeof passwords, factor: string): Promise<Answer> {
  const page = await followed(browser, await browser.signIn(name, passwords[name], '/desk'));
  return choose(browser, page, factor);
}

/** Posts one code from each of these browsers, at both gateways at once, and sees that one session came of all of it. */
async function race(at: Pair, what: string, code: string, asked: readonly { browser: Visitor; page: Answer }[]) {
  const answers = await Promise.all(
    Array.from({ length: posts }, async (_, index) => {
      const { browser, page } = asked[index % asked.length] ?? assert.fail();
      // Each post is a browser of its own to the test: what it is answered stays apart.
      const sender =
        index % 2 === 0 ? at.there(browser) : new Visitor(at.here.url, undefined, new Map(browser.cookies));
      return { sender, done: await takeStep(sender, page, { code }) };
    }),
  );
  const begun = answers.filter(({ done }) => done.headers.location === '/desk');
  assert.equal(begun.length, 1, `${what}: ${JSON.stringify(answers.map(({ done }) => done.status))}`);
  const live = await Promise.all(answers.map(({ sender }) => sender.open('/desk')));
  assert.equal(live.filter(({ status }) => status === 200).length, 1, what);
}

/** Three logins under way, begun at the two gateways in turn. */
async function underWay(at: Pair, name: keyof typeof passwords, factor: string) {
  const logins: { browser: Visitor; page: Answer }[] = [];
  for (let index = 0; index < 3; index += 1) {
    const browser = index % 2 === 0 ? at.here.visitor() : at.there();
    logins.push({ browser, page: await questionOf(browser, name, factor) });
  }
  return logins;
}

async function races(t: TestContext, store: Yaml): Promise<void> {
  const at = await pair(t, store);
  const { here, smtp } = at;
  // Who has no address sets the app up, and gets codes to print.
  const browser = here.visitor();
  let page = await followed(browser, await browser.signIn('supervisor1', passwords.supervisor1, '/desk'));
  if (!page.text.includes('class="qr"')) page = await choose(browser, page, 'app');
  const phone = scan(page);
  const printed = await followed(browser, await takeStep(browser, page, { code: phone.at(Date.now()) }));
  const [, recovery = ''] = /<li><code translate="no">([^<]+)</.exec(printed.text) ?? [];
  assert.equal((await takeStep(browser, printed, { kept: 'yes' })).headers.location, '/desk');
  // 2F1: the code of the next step, which the window takes.
  await race(at, 'totp', phone.at(Date.now() + period), await underWay(at, 'supervisor1', 'app'));
  // 2F3
  await race(at, 'recovery', recovery, await underWay(at, 'supervisor1', 'codes'));
  const made = await run(['factors', 'pass', 'agent1', '--config', here.file]);
  await race(at, 'pass', made.stdout.trim(), await underWay(at, 'agent1', 'pass'));
  // A code by mail is for the one login that asked for it.
  const mailed = here.visitor();
  const question = await questionOf(mailed, 'agent1', 'email');
  const code = /^ {4}(\d+)/m.exec((await smtp.mailTo('agent1@example.com')).content)?.[1] ?? '';
  await race(at, 'mail', code, [{ browser: mailed, page: question }]);
}

test('races: one code of each kind makes one session of two gateways on one embedded store', needsSmtpServer, (t) =>
  races(t, { type: 'embedded', path: 'data' }),
);

test('races: the same on one Redis', { skip: needsRedis.skip || needsSmtpServer.skip }, async (t) => {
  const redis = await startRedis(t, ['appendonly yes']);
  await races(t, { type: 'redis', url: redis.url, sealKey: { file: sealKeyFile(await temporaryFolder(t)) } });
});

test('kill -9 after a send and after an attempt: what was counted stands', needsSmtpServer, async (t) => {
  const rules = { sends: { wait: '60s' }, failures: { count: 2, delay: '10m' }, enrol: { notify: false } };
  const factors = { email: { type: 'mail' } };
  const { there, smtp, killThere } = await pair(t, { type: 'embedded', path: 'data' }, { factorRules: rules, factors });
  const browser = there();
  const page = await questionOf(browser, 'agent1', 'email');
  const code = /^ {4}(\d+)/m.exec((await smtp.mailTo('agent1@example.com')).content)?.[1] ?? '';
  await killThere();
  // The login goes on, and so does the wait for another code.
  const forms = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)].map(([form]) => hiddenFields(form));
  const again = await there(browser).post('/_gate/factor', { ...forms.find((fields) => fields.do === 'resend') });
  assert.equal(again.status, 401, again.text);
  assert.match(again.text, /No more codes are sent at the moment/);
  assert.equal(smtp.mails.length, 1);
  const wrong = code === '000000' ? '000001' : '000000';
  assert.equal((await takeStep(there(browser), page, { code: wrong })).status, 401);
  await killThere();
  assert.equal((await takeStep(there(browser), page, { code: wrong })).status, 401);
  // That was the second: the right one comes too late, also for a process that has not seen the first.
  const late = await takeStep(there(browser), page, { code });
  assert.equal(late.status, 429, late.text);
});

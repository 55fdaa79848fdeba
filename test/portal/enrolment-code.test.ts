/** Enrolment codes: whoever knows a password enrols nothing without one, and what else such a code can and cannot do. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askGateway } from '../../src/cli/gateway-socket.ts';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { gateway, type Yaml } from '../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const period = 30_000;
const hour = 3_600_000;

async function codeSite(t: TestContext, more: Yaml = {}) {
  const clock = manualClock(Date.now());
  const upstream = await startUpstream(t);
  const started = await gateway(t, {
    users: staff,
    clock,
    config: {
      ...siteConfig(upstream.origin),
      login: { level: 2 },
      log: { level: 'debug' },
      factors: {
        app: { type: 'totp' },
        codes: { type: 'recovery' },
        pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'] },
      },
      factorRules: { enrol: { first: 'code' } },
      ...more,
    },
  });
  return { ...started, clock, upstream, visitor: () => new Visitor(started.url) };
}

type Here = Awaited<ReturnType<typeof codeSite>>;

async function operate(here: Here, method: string, target: string, status = 200): Promise<Record<string, unknown>> {
  const reply = await askGateway(join(here.folder, 'admin.sock'), { method, target, timeout: 5000 });
  assert.ok(reply.kind === 'answered');
  assert.equal(reply.status, status, JSON.stringify(reply));
  return reply.body as Record<string, unknown>;
}

async function codeFor(here: Here, name: string): Promise<string> {
  return String((await operate(here, 'POST', `/factors/code?user=${name}`)).code);
}

/** Signs in by password, up to the page that asks for the code. */
async function codePage(here: Here, name: keyof typeof passwords = 'agent1') {
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn(name, passwords[name], '/desk'));
  assert.match(page.text, /Enter your enrolment code/);
  return { browser, page };
}

/** Gives a code, and sets the app up with the recovery codes beside it. */
async function enrol(here: Here, { browser, page }: { browser: Visitor; page: Answer }, code: string) {
  const setup = await followed(browser, await takeStep(browser, page, { code }));
  const phone = scan(setup);
  const printed = await followed(browser, await takeStep(browser, setup, { code: phone.at(here.clock.now()) }));
  const done = await takeStep(browser, printed, { kept: 'yes' });
  assert.equal(done.headers.location, '/desk', done.text);
  here.clock.advance(period);
  return phone;
}

const wrongFor = (code: string): string => (code === '00000000' ? '00000001' : '00000000');

test('enrolment code: without it nothing is shown that could be set up; with it once, and the audit says whose it was', async (t) => {
  const here = await codeSite(t);
  const { browser, page } = await codePage(here);
  assert.doesNotMatch(page.text, /<svg class="qr|otpauth|value="app"/);
  // Neither another address nor a choice leads past it.
  const id = hiddenFields(page.text).login ?? '';
  const chosen = await browser.post('/_gate/enrol', { ...hiddenFields(page.text), do: 'choose', factor: 'app' });
  assert.equal(chosen.headers.location, `/_gate/enrol?login=${id}`);
  assert.match((await browser.open(`/_gate/enrol?login=${id}`)).text, /Enter your enrolment code/);
  const none = await takeStep(browser, page, { code: '12345678' });
  assert.equal(none.status, 401);
  const code = await codeFor(here, 'agent1');
  assert.match(code, /^\d{8}$/);
  assert.equal((await takeStep(browser, page, { code: wrongFor(code) })).status, 401);
  const supervisor = await codePage(here, 'supervisor1');
  assert.equal((await takeStep(supervisor.browser, supervisor.page, { code })).status, 401, 'it is of one account');
  // As a person types it.
  await enrol(here, { browser, page }, ` ${code.slice(0, 4)}-${code.slice(4)}`);
  assert.equal((await browser.open('/desk')).status, 200);
  const [failed, , , done] = here.audit('enrol');
  assert.deepEqual([failed?.outcome, failed?.reason, failed?.user], ['failed', 'code-wrong', 'agent1']);
  assert.deepEqual([done?.outcome, done?.factor, done?.detail], ['succeeded', 'app', 'by a code of local']);
  const [made] = here.audit('pass');
  assert.deepEqual([made?.user, made?.actor, made?.detail], ['agent1', 'local', 'an enrolment code']);
  assert.ok(!here.lines.join('\n').includes(code));
  // After a reset it is spent, and of no use to who has a factor.
  assert.equal((await operate(here, 'POST', '/factors/code?user=agent1', 409)).error, 'has-factors');
  await operate(here, 'DELETE', '/factors?user=agent1');
  here.clock.advance(period);
  const again = await codePage(here);
  assert.equal((await takeStep(again.browser, again.page, { code })).status, 401);
});

test('enrolment code: its time, a new one, a reset and the first to use it end it, also on a page that is open', async (t) => {
  const here = await codeSite(t);
  const old = await codeFor(here, 'agent1');
  const entered = await codePage(here);
  const setup = await followed(entered.browser, await takeStep(entered.browser, entered.page, { code: old }));
  const code = await codeFor(here, 'agent1');
  const late = await takeStep(entered.browser, setup, { code: scan(setup).at(here.clock.now()) });
  assert.match((await followed(entered.browser, late).catch(() => late)).text, /Enter your enrolment code/);
  if (old !== code) assert.equal((await takeStep(entered.browser, entered.page, { code: old })).status, 401);
  const rivals = await Promise.all(Array.from({ length: 4 }, () => codePage(here)));
  const setups = await Promise.all(
    rivals.map(async ({ browser, page }) => followed(browser, await takeStep(browser, page, { code }))),
  );
  const done = await Promise.all(
    rivals.map(({ browser }, index) => {
      const shown = setups[index] as Answer;
      return takeStep(browser, shown, { code: scan(shown).at(here.clock.now()) });
    }),
  );
  const shown = (await operate(here, 'GET', '/factors?user=agent1')) as unknown as { enrolments: unknown[] };
  assert.equal(shown.enrolments.length, 1, done.map(({ headers }) => headers.location).join());
  assert.equal(here.audit('enrol').filter(({ outcome }) => outcome === 'succeeded').length, 1);

  const timely = await codePage(here, 'supervisor1');
  const slow = await codeFor(here, 'supervisor1');
  here.clock.advance(24 * hour);
  const after = await codePage(here, 'supervisor1');
  assert.equal((await takeStep(after.browser, after.page, { code: slow })).status, 401);
  assert.ok(timely);
});

test('enrolment code: guesses count for the account, lock it, and the right one is told like a wrong one then', async (t) => {
  const here = await codeSite(t);
  const code = await codeFor(here, 'agent1');
  const statuses: number[] = [];
  for (let guess = 0; guess < 5; guess++) {
    const { browser, page } = await codePage(here);
    statuses.push((await takeStep(browser, page, { code: wrongFor(code) })).status);
  }
  const { browser, page } = await codePage(here);
  const locked = await takeStep(browser, page, { code });
  assert.deepEqual([...statuses, locked.status], [401, 401, 401, 401, 401, 429]);
  here.clock.advance(60_000);
  assert.equal((await takeStep(browser, page, { code })).status, 303);
});

test('enrolment code: on the account page too, where a pass does as well, and a pass page makes both', async (t) => {
  const here = await codeSite(t, { login: { level: [{ level: 1 }, { level: 2, roles: ['supervisor'] }] } });
  const supervisor = await codePage(here, 'supervisor1');
  await enrol(here, supervisor, await codeFor(here, 'supervisor1'));
  const passPage = await supervisor.browser.open('/_gate/pass');
  assert.match(passPage.text, /Setting up the first key or phone/);
  const make = (what: string) => takeStep(supervisor.browser, passPage, { user: 'agent1', what });
  const made = await make('code');
  assert.match(made.text, /Enrolment code for agent1/);
  const code = /class="pass-code">(\d{4}) (\d{4})</.exec(made.text)?.slice(1).join('') ?? '';
  assert.deepEqual(here.audit('pass').at(-1)?.actor, 'supervisor1');
  const self = await takeStep(supervisor.browser, passPage, { user: 'supervisor1', what: 'code' });
  assert.equal(self.status, 403);

  const browser = here.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  const account = await browser.open('/_gate/account');
  const [form = ''] = account.text.split('<form').filter((part) => part.includes('value="app"'));
  const asked = await followed(browser, await browser.post('/_gate/account', hiddenFields(`<form${form}`)));
  assert.match(asked.text, /Enter your enrolment code/);
  const setup = await followed(browser, await takeStep(browser, asked, { code }));
  const phone = scan(setup);
  assert.equal((await takeStep(browser, setup, { code: phone.at(here.clock.now()) })).status, 303);
  assert.equal(here.audit('enrol').at(-1)?.detail, 'by a code of supervisor1');
  const late = await make('code');
  assert.equal(late.status, 409);
  assert.match(late.text, /Make a pass/);
});

test('enrolment code: who came in by a pass sets up without another code', async (t) => {
  const here = await codeSite(t);
  const made = await operate(here, 'POST', '/factors/pass?user=agent1');
  const browser = here.visitor();
  const page = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  assert.equal((await takeStep(browser, page, { code: String(made.code) })).headers.location, '/desk');
  const account = await browser.open('/_gate/account');
  const [form = ''] = account.text.split('<form').filter((part) => part.includes('value="app"'));
  const setup = await followed(browser, await browser.post('/_gate/account', hiddenFields(`<form${form}`)));
  assert.equal((await takeStep(browser, setup, { code: scan(setup).at(here.clock.now()) })).status, 303);
});

test('gatehouse factors code: the code alone on the standard output, and a sentence beside it', async (t) => {
  const here = await codeSite(t);
  const { code, stdout, stderr } = await run(['factors', 'code', 'agent1', '--config', here.file]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^\d{8}\n$/);
  assert.match(stderr, /for agent1, once within 24 h/);
});

test('lost enrolments are no reason to enrol: a store that was emptied asks for a code until an operator accepts the loss', async (t) => {
  const folder = await temporaryFolder(t);
  const store = { type: 'embedded', path: join(folder, 'store'), sealKey: { file: join(folder, 'keys', 'seal.key') } };
  const config = { session: { store }, factors: { app: { type: 'totp' } }, factorRules: {} };
  const first = await codeSite(t, config);
  const owner = first.visitor();
  const setup = await followed(owner, await owner.signIn('agent1', passwords.agent1, '/desk'));
  const done = await takeStep(owner, setup, { code: scan(setup).at(first.clock.now()) });
  assert.equal(done.headers.location, '/desk', 'at first whoever has the password enrols');
  await first.stop();
  await rm(store.path, { recursive: true });

  const here = await codeSite(t, config);
  const { browser, page } = await codePage(here);
  assert.equal((await takeStep(browser, page, { code: '12345678' })).status, 401);
  const ready = (await (await fetch(new URL('/health/ready', here.admin))).json()) as Record<string, unknown>;
  assert.deepEqual([ready.status, ready.enrolments], ['degraded', 'lost']);
  assert.match(await (await fetch(new URL('/metrics', here.admin))).text(), /gatehouse_enrolments_lost 1/);
  assert.match(here.lines.join('\n'), /the store is not the one in which second factors were set up/);
  const accepted = await run(['factors', 'accept-loss', '--config', here.file]);
  assert.equal(accepted.code, 0, accepted.stderr);
  assert.equal(here.audit('accept-loss').at(-1)?.outcome, 'succeeded');
  const late = here.visitor();
  const open = await followed(late, await late.signIn('agent1', passwords.agent1, '/desk'));
  assert.equal(scan(open).secret.length, 32);
  const again = await run(['factors', 'accept-loss', '--config', here.file]);
  assert.match(again.stdout, /nothing is to be accepted/);
});

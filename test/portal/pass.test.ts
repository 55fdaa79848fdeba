/** A supervisor's pass: made at one browser, used at another; for whom it may be made, and what it lets in. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { WebSocket } from 'ws';
import type { TestUser } from '../support/scenes/gateway.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const others: readonly TestUser[] = [
  { name: 'agent2', password: 'right-7711-river', groups: ['agents'] },
  { name: 'admin1', password: 'right-3302-lemon', groups: ['agents', 'admins'] },
  { name: 'guest1', password: 'right-8821-cloud', groups: [] },
];

async function passSite(t: TestContext, pass: object = {}) {
  const clock = manualClock(Date.now());
  const upstream = await startUpstream(t);
  const started = await gateway(t, {
    users: [...staff, ...others],
    clock,
    config: {
      ...siteConfig(upstream.origin),
      roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'] }, admin: { groups: ['admins'] } },
      login: { chain: ['local'], level: [{ level: 1 }, { level: 2, roles: ['agent'] }] },
      factors: {
        app: { type: 'totp' },
        pass: { type: 'pass', issuers: ['supervisor'], for: ['agent'], uses: 1, valid: '12h', ...pass },
      },
    },
  });
  return { ...started, clock, upstream, visitor: () => new Visitor(started.url) };
}

async function follow(browser: Visitor, answer: Answer): Promise<Answer> {
  assert.ok(answer.status === 302 || answer.status === 303, answer.text);
  return browser.open(String(answer.headers.location));
}

async function submit(browser: Visitor, page: Answer, fields: Readonly<Record<string, string>>, what?: string) {
  const form = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
    .map(([text]) => text)
    .find((text) => what === undefined || hiddenFields(text).do === what);
  assert.ok(form, page.text);
  return browser.post(/action="([^"]*)"/.exec(form)?.[1] ?? '', { ...hiddenFields(form), ...fields });
}

/** Signs somebody in for the first time, with an app. */
async function withApp(here: { visitor(): Visitor; clock: ManualClock }, name: string, password: string) {
  const browser = here.visitor();
  const page = await follow(browser, await browser.signIn(name, password, '/desk'));
  const secret = /<code translate="no">([^<]+)</.exec(page.text)?.[1]?.replaceAll(' ', '') ?? '';
  const code = () => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: here.clock.now() });
  const done = await submit(browser, page, { code: code() }, 'answer');
  assert.equal(done.headers.location, '/desk', done.text);
  here.clock.advance(30_000);
  return { browser, code };
}

const codeIn = (page: Answer): string => /class="pass-code">(\d{4}) (\d{4})</.exec(page.text)?.slice(1).join('') ?? '';

test('a pass: made by one browser, used once by another, audited with both names', async (t) => {
  const here = await passSite(t);
  const { browser: supervisor } = await withApp(here, 'supervisor1', passwords.supervisor1);
  await withApp(here, 'agent1', passwords.agent1);
  const made = await submit(supervisor, await supervisor.open('/_gate/pass'), { user: 'AGENT1' });
  assert.equal(made.status, 200);
  const code = codeIn(made);
  assert.match(code, /^\d{8}$/);
  assert.doesNotMatch((await supervisor.open('/_gate/pass')).text, new RegExp(`${code.slice(0, 4)} ${code.slice(4)}`));
  const [record] = here.audit('pass');
  assert.deepEqual([record?.outcome, record?.user, record?.actor], ['succeeded', 'agent1', 'supervisor1']);

  const agent = here.visitor();
  const choice = await follow(agent, await agent.signIn('agent1', passwords.agent1, '/desk'));
  const page = await follow(agent, await submit(agent, choice, { factor: 'pass' }, 'choose'));
  const done = await submit(agent, page, { code }, 'answer');
  assert.equal(done.headers.location, '/desk', done.text);
  assert.equal((await agent.open('/desk')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['agent1']);
  const again = here.visitor();
  const asked = await follow(again, await again.signIn('agent1', passwords.agent1, '/desk'));
  assert.doesNotMatch(asked.text, /value="pass"/, 'it is spent');
  assert.ok(!here.lines.join('\n').includes(code));
});

test('a pass: for nobody else, not for oneself, not into an account with more rights, and alike for who does not exist', async (t) => {
  const here = await passSite(t);
  const { browser: supervisor } = await withApp(here, 'supervisor1', passwords.supervisor1);
  const texts = new Set<string>();
  for (const user of ['supervisor1', 'admin1', 'guest1', 'nobody-of-that-name', '*', ' ']) {
    const refused = await submit(supervisor, await supervisor.open('/_gate/pass'), { user });
    assert.ok(refused.status === 403 || (user === ' ' && refused.status === 400), user);
    assert.equal(codeIn(refused), '');
    texts.add(/<div id="notice"[\s\S]*?<\/div>/.exec(refused.text)?.[0] ?? '');
  }
  assert.equal(texts.size, 1, 'the page does not say who there is');
  const { browser: agent } = await withApp(here, 'agent1', passwords.agent1);
  assert.equal((await agent.open('/_gate/pass')).status, 403);
  assert.equal((await agent.post('/_gate/pass', { user: 'agent2' })).status, 403);
  assert.equal((await here.visitor().open('/_gate/pass')).headers.location, '/_gate/login?return=%2F_gate%2Fpass');
  assert.ok(here.audit('pass').every(({ outcome, reason }) => outcome === 'failed' && reason === 'pass-not-allowed'));
});

test('a pass: only with a proof of a factor that is young, by no foreign form, and fifty an hour', async (t) => {
  const here = await passSite(t);
  const { browser: supervisor, code } = await withApp(here, 'supervisor1', passwords.supervisor1);
  here.clock.advance(11 * 60_000);
  const asked = await follow(supervisor, await supervisor.open('/_gate/pass'));
  assert.match(asked.text, /autocomplete="one-time-code"/);
  assert.equal((await submit(supervisor, asked, { code: code() }, 'answer')).headers.location, '/_gate/pass');
  const page = await supervisor.open('/_gate/pass');
  assert.equal((await supervisor.post('/_gate/pass', { user: 'agent1' })).status, 403);
  const forged = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  assert.equal(
    (await supervisor.post('/_gate/pass', { ...hiddenFields(page.text), user: 'agent1' }, forged)).status,
    403,
  );
  const statuses: number[] = [];
  for (let times = 0; times < 51; times += 1)
    statuses.push((await supervisor.post('/_gate/pass', { ...hiddenFields(page.text), user: 'agent2' })).status);
  assert.deepEqual([statuses.filter((status) => status === 200).length, statuses.at(-1)], [50, 429]);
});

test('a pass lets its user set up a factor where it may, and not where it may not', async (t) => {
  for (const enrols of [true, false]) {
    const here = await passSite(t, { enrols });
    const { browser: supervisor } = await withApp(here, 'supervisor1', passwords.supervisor1);
    await withApp(here, 'agent1', passwords.agent1);
    const code = codeIn(await submit(supervisor, await supervisor.open('/_gate/pass'), { user: 'agent1' }));
    const agent = here.visitor();
    const choice = await follow(agent, await agent.signIn('agent1', passwords.agent1, '/desk'));
    const page = await follow(agent, await submit(agent, choice, { factor: 'pass' }, 'choose'));
    assert.equal((await submit(agent, page, { code }, 'answer')).headers.location, '/desk');
    const added = await submit(agent, await agent.open('/_gate/account'), { factor: 'app' }, 'add').catch(
      () => undefined,
    );
    const next = added && (await follow(agent, added));
    assert.equal(/otpauth|class="qr"/.test(next?.text ?? ''), enrols);
  }
});

test('a pass: not into an account that has come to more rights than its maker since', async (t) => {
  const here = await passSite(t);
  const { browser: supervisor } = await withApp(here, 'supervisor1', passwords.supervisor1);
  await withApp(here, 'agent1', passwords.agent1);
  const code = codeIn(await submit(supervisor, await supervisor.open('/_gate/pass'), { user: 'agent1' }));
  const agent = here.visitor();
  const early = await follow(agent, await agent.signIn('agent1', passwords.agent1, '/desk'));
  const asked = await follow(agent, await submit(agent, early, { factor: 'pass' }, 'choose'));
  const grown = (await readFile(here.file, 'utf8')).replace('- admins', '- agents');
  await writeFile(here.file, grown);
  await here.running.reload({ actor: 'signal' });
  const late = here.visitor();
  const offered = await follow(late, await late.signIn('agent1', passwords.agent1, '/desk'));
  assert.doesNotMatch(offered.text, /value="pass"/);
  assert.notEqual((await submit(agent, asked, { code }, 'answer')).headers.location, '/desk');
  assert.equal((await agent.open('/desk')).status, 302);
});

test('a reset at the desk: what was set up is gone, and what is open on level 2 ends, a WebSocket within two seconds', async (t) => {
  const here = await passSite(t);
  const { browser: supervisor } = await withApp(here, 'supervisor1', passwords.supervisor1);
  const { browser: agent } = await withApp(here, 'agent1', passwords.agent1);
  const socket = new WebSocket(`ws://${here.url.host}/live`, {
    headers: { cookie: agent.cookieHeader, origin: here.url.origin },
  });
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const over = once(socket, 'close');
  const page = await supervisor.open('/_gate/pass');
  assert.match(page.text, /take everything off/);
  const refused = await submit(supervisor, page, { user: 'supervisor1', what: 'reset' });
  assert.equal(refused.status, 403);
  const [failed] = here.audit('factor-reset');
  assert.deepEqual([failed?.outcome, failed?.reason], ['failed', 'pass-not-allowed']);
  const done = await endsWithin(2000, 'the reset', submit(supervisor, page, { user: 'agent1', what: 'reset' }));
  assert.equal(done.status, 200);
  assert.match(done.text, /Everything that agent1 had set up is taken off/);
  assert.equal((await endsWithin(2000, 'the socket ends', over))[0], 1008);
  const record = here.audit('factor-reset').at(-1);
  assert.deepEqual(
    [record?.outcome, record?.user, record?.actor, record?.detail],
    ['succeeded', 'agent1', 'supervisor1', '1 enrolments, 1 sessions'],
  );
  assert.equal((await agent.open('/desk')).status, 302);
  here.clock.advance(1000);
  const anew = here.visitor();
  const setup = await follow(anew, await anew.signIn('agent1', passwords.agent1, '/desk'));
  assert.match(setup.text, /Set up your authenticator app/);
});

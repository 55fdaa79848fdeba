/** Second factors of users who are known otherwise from here on: a site that gets tenants, and somebody who gets another name. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { followed } from '../support/scenes/authenticator.ts';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { SoftwareKey } from '../support/tools/software-key.ts';

const account = '/_gate/account';

async function keySite(t: TestContext) {
  const clock = manualClock(Date.now());
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const config = {
    server: { listen: `http://127.0.0.1:${port}`, publicUrl: origin },
    factors: { key: { type: 'webauthn' }, codes: { type: 'recovery' } },
    factorRules: { remember: { for: '1d' } },
    login: { chain: ['local'] },
  };
  const here = await site(t, { clock, config });
  return { ...here, clock, config, origin, visitor: () => new Visitor(new URL(origin)) };
}

/** Fills in the form of a page that does something. */
async function submit(browser: Visitor, page: Answer, what: string, fields: Readonly<Record<string, string>>) {
  const form = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
    .map(([text]) => text)
    .find((text) => {
      const hidden = hiddenFields(text);
      return hidden.do === what && (fields.factor === undefined || hidden.factor === fields.factor);
    });
  assert.ok(form, `there is a form to ${what}: ${page.text}`);
  return browser.post(/action="([^"]*)"/.exec(form)?.[1] ?? '', { ...hiddenFields(form), ...fields });
}

function answerOf(page: Answer, key: SoftwareKey, how: 'register' | 'answer'): string {
  return key[how](JSON.parse(/data-options="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&quot;', '"') ?? '{}'));
}

async function withKey(here: Awaited<ReturnType<typeof keySite>>) {
  const browser = here.visitor();
  const key = new SoftwareKey(here.origin);
  await browser.mustSignIn('agent1', passwords.agent1);
  const added = await submit(browser, await browser.open(account), 'add', { factor: 'key' });
  const setup = await followed(browser, added);
  const answer = { answer: answerOf(setup, key, 'register'), name: 'blue key' };
  const printed = await followed(browser, await submit(browser, setup, 'answer', answer));
  const codes = [...printed.text.matchAll(/<code translate="no">([^<]+)</g)].map(([, code = '']) => code);
  assert.equal((await submit(browser, printed, 'answer', { kept: 'yes' })).headers.location, account);
  return { key, codes };
}

test('moved: a site that gets tenants takes keys and printed codes along, check says so before, and a rename is one more', async (t) => {
  const here = await keySite(t);
  const { key, codes } = await withKey(here);
  const command = (...words: string[]) => run([...words, '--config', here.file]);
  const tenants = { acme: { id: '101', company: 'ACME', match: { providers: ['local'] } } };
  await here.write({
    ...siteConfig(here.upstream.origin),
    ...here.config,
    tenants,
    login: { chain: ['local'], level: 2 },
  });
  const before = await command('check');
  assert.match(before.stderr, /what 1 account has set up .* is of the tenant default, which there is not/);
  assert.match(before.stderr, /gatehouse factors move --from-tenant default --to-tenant NAME/);
  assert.equal((await here.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const stranger = here.visitor();
  const open = await stranger.signIn('agent1', passwords.agent1, '/desk');
  assert.match(String(open.headers.location), /_gate\/enrol/, 'as if there were nothing');

  const done = await command('factors', 'move', '--from-tenant', 'default', '--to-tenant', 'acme');
  assert.deepEqual([done.code, done.stdout], [0, 'the second factors of 1 account were moved\n'], done.stderr);
  assert.doesNotMatch((await command('check')).stderr, /which there is not/);
  here.clock.advance(1000);

  const browser = here.visitor();
  const choice = await followed(browser, await browser.signIn('agent1', passwords.agent1, '/desk'));
  const asked = await followed(browser, await submit(browser, choice, 'choose', { factor: 'key' }));
  const touched = await submit(browser, asked, 'answer', { answer: answerOf(asked, key, 'answer') });
  assert.equal(touched.headers.location, '/desk', touched.text);
  assert.deepEqual((await browser.open('/desk')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-tenant'), ['acme']);
  const other = here.visitor();
  const again = await followed(other, await other.signIn('agent1', passwords.agent1, '/desk'));
  const page = await followed(other, await submit(other, again, 'choose', { factor: 'codes' }));
  const byCode = await submit(other, page, 'answer', { code: codes[0] ?? '' });
  assert.equal(byCode.headers.location, '/desk', byCode.text);

  for (const [from, to] of [
    ['agent1', 'agent9'],
    ['agent9', 'agent1'],
  ] as const) {
    const renamed = await command('factors', 'move', from, to, '--tenant', 'acme');
    assert.equal(renamed.code, 0, renamed.stderr);
    assert.match((await command('factors', 'list', to, '--tenant', 'acme')).stdout, /key \(webauthn\); blue key/);
    assert.match((await command('factors', 'list', to, '--tenant', 'acme')).stdout, /9 left/);
    assert.match((await command('factors', 'list', from, '--tenant', 'acme')).stdout, /no second factor/);
  }
  const last = here.visitor();
  const third = await followed(last, await last.signIn('agent1', passwords.agent1, '/desk'));
  const keyPage = await followed(last, await submit(last, third, 'choose', { factor: 'key' }));
  const end = await submit(last, keyPage, 'answer', { answer: answerOf(keyPage, key, 'answer') });
  assert.equal(end.headers.location, '/desk', 'the key that keeps the first name of all');
  assert.deepEqual(
    here.audit('factor-move').map(({ outcome, actor, tenant }) => [outcome, actor, tenant]),
    Array.from({ length: 3 }, () => ['succeeded', 'local', 'acme']),
  );
});

test('moved: nobody is written over, and what cannot be meant is said', async (t) => {
  const here = await keySite(t);
  await withKey(here);
  const command = (...words: string[]) => run(['factors', 'move', ...words, '--config', here.file]);
  assert.match((await command('nobody', 'agent1')).stderr, /nobody has set nothing up/);
  assert.match((await command('agent1', 'AGENT1')).stderr, /are one account/);
  assert.equal((await command('agent1')).code, 2);
  assert.equal((await command('--from-tenant', 'default')).code, 2);
  assert.equal((await command('agent1', 'agent2', '--from-tenant', 'a', '--to-tenant', 'b')).code, 2);
  const supervisor = here.visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  const added = await submit(supervisor, await supervisor.open(account), 'add', { factor: 'key' });
  const setup = await followed(supervisor, added);
  const answer = answerOf(setup, new SoftwareKey(here.origin), 'register');
  assert.equal((await submit(supervisor, setup, 'answer', { answer, name: '' })).status, 303);
  const occupied = await command('agent1', 'supervisor1');
  assert.equal(occupied.code, 1);
  assert.match(occupied.stderr, /supervisor1 has set something up already/);
});

test('moved: a publicUrl of another host is warned of with the number of keys that end with it', async (t) => {
  const here = await keySite(t);
  await withKey(here);
  const check = async () => (await run(['check', '--config', here.file])).stderr;
  assert.doesNotMatch(await check(), /made for/);
  const server = { ...here.config.server, publicUrl: 'https://cc.example.com' };
  await here.write({ ...siteConfig(here.upstream.origin), ...here.config, server });
  assert.match(
    await check(),
    /factors\.key: 1 key was made for localhost, and ends with a publicUrl or rpId of another host/,
  );
});

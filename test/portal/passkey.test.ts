/** Passkey first through a whole gateway, with a key made of software: who comes in, at which level, and what is no passkey. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';
import { type Lies, SoftwareKey } from '../support/tools/software-key.ts';

interface PasskeySite extends Site {
  readonly clock: ManualClock;
  readonly origin: string;
}

const address = '/_gate/passkey?return=%2Fdesk';
const verified: Lies = { isVerified: true };

async function passkeySite(t: TestContext, more: Yaml = {}): Promise<PasskeySite> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const clock = manualClock(Date.now());
  const server = { listen: `http://127.0.0.1:${port}`, publicUrl: origin };
  const config = { server, login: { level: 2 }, factors: { key: { type: 'webauthn', first: true } }, ...more };
  return { ...(await site(t, { clock, config })), clock, origin, visitor: () => new Visitor(new URL(origin)) };
}

/** Posts what a key says to the question of a page. */
async function touch(
  browser: Visitor,
  page: Answer,
  key: SoftwareKey,
  { how = 'answer', lies = verified, headers = {} }: { how?: 'register' | 'answer'; lies?: Lies; headers?: Yaml } = {},
): Promise<Answer> {
  const [form = ''] = /<form[\s\S]*?<\/form>/.exec(page.text) ?? [];
  const given = /data-options="([^"]*)"/.exec(form)?.[1]?.replaceAll('&quot;', '"') ?? '{}';
  const action = /action="([^"]*)"/.exec(form)?.[1] ?? '';
  const answer = key[how](JSON.parse(given), lies);
  return browser.post(action, { ...hiddenFields(form), answer }, headers as Record<string, string>);
}

/** Sets a key up by password, and is signed in. */
async function enrol(here: Site, user: keyof typeof passwords, key: SoftwareKey): Promise<Visitor> {
  const browser = here.visitor();
  const asked = await browser.signIn(user, passwords[user], '/desk');
  const page = await browser.open(String(asked.headers.location));
  const done = await touch(browser, page, key, { how: 'register' });
  assert.equal(done.headers.location, '/desk', done.text);
  return browser;
}

async function assertNobody(here: Site, browser: Visitor, answer: Answer, status: number): Promise<void> {
  assert.equal(answer.status, status, answer.text);
  assert.doesNotMatch(String(answer.headers['set-cookie']), /gatehouse=/);
  assert.match(answer.text, /role="alert"/);
  assert.match(answer.text, /href="\/_gate\/login\?[^"]*method=form/, 'there is a way on');
  const before = here.upstream.received.length;
  assert.equal((await browser.fetch('/desk')).status, 401);
  assert.equal(here.upstream.received.length, before);
}

test('passkey first: the login page offers it, and the upstream sees the user at level 3', async (t) => {
  const here = await passkeySite(t);
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);

  const browser = here.visitor();
  const login = await browser.open('/_gate/login?return=%2Fdesk');
  const href = /href="([^"]*)"[^>]*>Sign in with a passkey</.exec(login.text)?.[1]?.replaceAll('&amp;', '&');
  assert.equal(href, address);
  const page = await browser.open(address);
  assert.match(page.text, /data-key-at-once/);
  assert.match(page.text, /data-key-without>This browser cannot ask/);
  assert.match(page.text, /&quot;userVerification&quot;:&quot;required&quot;/);
  assert.doesNotMatch(page.text, /allowCredentials/);
  const done = await touch(browser, page, key);
  assert.deepEqual([done.status, done.headers.location], [303, '/desk']);
  assert.equal((await browser.open('/desk')).status, 200);
  const seen = here.upstream.received.at(-1);
  assert.deepEqual(seen?.values('x-remote-user'), ['agent1']);
  assert.deepEqual(seen?.values('x-remote-level'), ['3']);
  assert.deepEqual(
    here.audit('factor').map(({ outcome, factor, user }) => [outcome, factor, user]),
    [['succeeded', 'key', 'agent1']],
  );
  // Whoever is signed in is not asked again.
  assert.equal((await browser.open(address)).headers.location, '/desk');
  assert.doesNotMatch(here.lines.join('\n'), new RegExp(key.id.toString('base64url')));
});

test('2F6: without the user-verified flag, or without the handle of its account, a passkey is none', async (t) => {
  const here = await passkeySite(t);
  const [key, other] = [new SoftwareKey(here.origin), new SoftwareKey(here.origin)];
  await enrol(here, 'agent1', key);
  await enrol(here, 'supervisor1', other);
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const wrong: readonly (readonly [lies: Lies, reason: string, of?: SoftwareKey])[] = [
    [{}, 'user-not-verified'],
    [{ ...verified, userHandle: null }, 'key-foreign'],
    [{ ...verified, userHandle: Buffer.alloc(32).toString('base64url') }, 'key-foreign'],
    [{ ...verified, isPresent: false }, 'key-foreign'],
    [{ ...verified, origin: 'http://localhost' }, 'key-foreign'],
    [{ ...verified, origin: 'https://evil.example' }, 'key-foreign'],
    [{ ...verified, rpId: 'evil.example' }, 'key-foreign'],
    [{ ...verified, type: 'webauthn.create' }, 'key-foreign'],
    [{ ...verified, challenge: Buffer.alloc(32).toString('base64url') }, 'key-foreign'],
    [{ ...verified, breakSignature: true }, 'key-foreign'],
    [{ ...verified, privateKey: foreign }, 'key-foreign'],
    [{ ...verified, counter: 0 }, 'key-counter'],
    [verified, 'key-foreign', new SoftwareKey(here.origin)],
  ];
  const browser = here.visitor();
  let page = await browser.open(address);
  for (const [lies, reason, of = key] of wrong) {
    page = await touch(browser, page, of, { lies });
    await assertNobody(here, browser, page, 401);
    const { reason: told } = here.audit('factor').at(-1) ?? {};
    assert.equal(told, reason, JSON.stringify(lies));
    assert.equal(here.audit('login').at(-1)?.outcome, 'failed');
  }
  assert.equal(here.audit('factor').filter(({ outcome }) => outcome === 'failed').length, wrong.length, 'each counts');
  // The handle of another account is no key to it.
  const asked = JSON.parse(/data-options="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&quot;', '"') ?? '{}');
  const { userHandle } = JSON.parse(other.answer(asked, verified)).response;
  page = await touch(browser, page, key, { lies: { ...verified, userHandle } });
  await assertNobody(here, browser, page, 401);
  assert.equal((await touch(browser, page, key)).status, 303, 'what was on show is there for an honest answer');
});

test('passkey first: a question is of one browser, once, and not for ever', async (t) => {
  const here = await passkeySite(t);
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const browser = here.visitor();
  const page = await browser.open(address);
  const stolen = here.visitor();
  const theirs = hiddenFields((await stolen.open(address)).text);
  const options = JSON.parse(/data-options="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&quot;', '"') ?? '{}');
  const answer = key.answer(options, verified);
  const { question = '' } = hiddenFields(page.text);
  for (const fields of [{ ...theirs, question }, { ...hiddenFields(page.text) }, { ...theirs, question: 'AAAA' }])
    await assertNobody(here, stolen, await stolen.post('/_gate/passkey', { ...fields, answer }), 400);
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  await assertNobody(here, browser, await touch(browser, page, key, { headers: foreign }), 400);

  const all = await Promise.all(
    Array.from({ length: 20 }, () => browser.post('/_gate/passkey', { ...hiddenFields(page.text), answer })),
  );
  assert.equal(all.filter(({ status }) => status === 303).length, 1, 'twenty at once give one session');
  const away = here.visitor();
  const old = await away.open(address);
  here.clock.advance(11 * 60_000);
  const late = await touch(away, old, key);
  await assertNobody(here, away, late, 400);
  assert.equal((await touch(away, late, key)).status, 303, 'the page asks anew');
});

test('2F6b: the owner of a passkey is looked up anew: disabled, gone, with a password that must change, reset', async (t) => {
  const here = await passkeySite(t);
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const path = join(here.folder, 'users.yaml');
  const cases = [
    ['account-disabled', { disabled: true }],
    ['password-must-change', { disabled: false, mustChangePassword: true }],
    [undefined, { mustChangePassword: false }],
  ] as const;
  for (const [reason, change] of cases) {
    const { users } = parse(await readFile(path, 'utf8'));
    await writeFile(path, stringify({ users: { ...users, agent1: { ...users.agent1, ...change } } }));
    const browser = here.visitor();
    const answer = await touch(browser, await browser.open(address), key);
    if (reason === undefined) assert.equal(answer.status, 303, answer.text);
    else await assertNobody(here, browser, answer, 403);
    if (reason !== undefined) assert.equal(here.audit('login').at(-1)?.reason, reason);
  }
  // Who was vouched for elsewhere, or by a provider that has left the configuration, is asked about nowhere.
  const kept = parse(await readFile(here.file, 'utf8'));
  const { local, ...others } = kept.providers;
  await writeFile(
    here.file,
    stringify({ ...kept, providers: { ...others, staff: local }, login: { level: 2, chain: ['staff'] } }),
  );
  assert.equal((await here.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const stranger = here.visitor();
  await assertNobody(here, stranger, await touch(stranger, await stranger.open(address), key), 403);
  assert.equal(here.audit('login').at(-1)?.reason, 'provider-gone');
  await writeFile(here.file, stringify(kept));
  assert.equal((await here.running.reload({ actor: 'signal' })).kind, 'reloaded');
  assert.match((await run(['factors', 'reset', 'agent1', '--config', here.file])).stdout, /1 enrolments/);
  here.clock.advance(1);
  const browser = here.visitor();
  await assertNobody(here, browser, await touch(browser, await browser.open(address), key), 401);
});

test('passkey first: a form that was kept is sent after it, and somebody else takes over a desk', async (t) => {
  const here = await passkeySite(t);
  const [key, other] = [
    new SoftwareKey(here.origin, { isSynced: true }),
    new SoftwareKey(here.origin, { isSynced: true }),
  ];
  const browser = await enrol(here, 'agent1', key);
  await enrol(here, 'supervisor1', other);
  browser.cookies.delete('gatehouse');
  const lost = await browser.post('/desk/note', { text: 'kept' });
  const back = new URL(String(lost.headers.location), here.origin).searchParams.get('return') ?? '';
  assert.match(back, /^\/_gate\/replay/);
  const page = await browser.open(`/_gate/passkey?${new URLSearchParams({ return: back })}`);
  const done = await touch(browser, page, key);
  assert.equal(done.headers.location, back);
  assert.equal(hiddenFields((await browser.open(back)).text).text, 'kept');

  const login = await browser.open('/_gate/login?switch=1&return=%2Fdesk');
  assert.match(login.text, /\/_gate\/passkey\?return=%2Fdesk&amp;switch=1/);
  const taken = await touch(browser, await browser.open(`${address}&switch=1`), other);
  assert.equal(taken.status, 303, taken.text);
  await browser.open('/desk');
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['supervisor1']);
  const evil = await browser.open('/_gate/passkey?switch=1&return=https%3A%2F%2Fevil.example');
  assert.doesNotMatch(evil.text, /evil\.example/);
});

test('passkey first: who guesses is locked out by address, as with passwords; without it the address is not there', async (t) => {
  const here = await passkeySite(t, { login: { level: 2, lockout: { address: 3 } } });
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const browser = here.visitor();
  let page = await browser.open(address);
  for (let times = 0; times < 3; times += 1) page = await touch(browser, page, new SoftwareKey(here.origin));
  const locked = await touch(browser, page, key);
  await assertNobody(here, browser, locked, 429);
  assert.ok(Number(locked.headers['retry-after']) > 0);

  const plain = await passkeySite(t, { factors: { key: { type: 'webauthn' } } });
  assert.equal((await plain.visitor().open(address)).status, 404);
  assert.doesNotMatch((await plain.visitor().open('/_gate/login')).text, /passkey/);
});

test('2F11: a passkey is of one account of one tenant: another tenant, or another provider, ends it', async (t) => {
  const tenants = { acme: { match: { domains: ['example.com'] } }, globex: { match: { groups: ['globex'] } } };
  const here = await passkeySite(t, { tenants, tenantRules: { several: 'choose' } });
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const enter = async (): Promise<[Visitor, Answer]> => {
    const browser = here.visitor();
    return [browser, await touch(browser, await browser.open(address), key)];
  };
  const path = join(here.folder, 'users.yaml');
  const change = async (more: object): Promise<void> => {
    const { users } = parse(await readFile(path, 'utf8'));
    await writeFile(path, stringify({ users: { ...users, agent1: { ...users.agent1, ...more } } }));
  };
  // Of two tenants it is the one in which the key was set up; nobody is asked.
  await change({ groups: ['agents', 'globex'] });
  const [browser, inside] = await enter();
  assert.equal(inside.headers.location, '/desk', inside.text);
  await browser.open('/desk?tenant=globex');
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-tenant'), ['acme']);
  await change({ email: 'agent1@globex.example' });
  const [other, refused] = await enter();
  await assertNobody(here, other, refused, 403);
  assert.equal(here.audit('login').at(-1)?.reason, 'tenant-changed');
  const moved = await run(['factors', 'move', '--from-tenant', 'acme', '--to-tenant', 'globex', '--config', here.file]);
  assert.equal(moved.code, 0, moved.stderr);
  const [again, taken] = await enter();
  assert.equal(taken.headers.location, '/desk', 'the key went along, with the handle of before');
  await again.open('/desk');
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-tenant'), ['globex']);
  await change({ groups: ['agents'] });
  const [third, none] = await enter();
  assert.equal(none.status, 403);
  assert.equal(here.audit('login').at(-1)?.reason, 'tenant-missing');
  assert.equal((await third.fetch('/desk')).status, 401);
});

test('passkey first: a touch later on raises the session and takes nothing away, and one’s own factors can be changed', async (t) => {
  const upstream = (origin: string): Yaml => ({ location: '/vault/', name: 'vault', upstream: origin });
  const here = await passkeySite(t);
  const config = parse(await readFile(here.file, 'utf8'));
  const vault = { ...upstream(here.upstream.origin), access: { level: 3, maxAge: '10m', factors: ['key'] } };
  await writeFile(here.file, stringify({ ...config, routes: [...config.routes, vault] }));
  assert.equal((await here.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const browser = here.visitor();
  assert.equal((await touch(browser, await browser.open(address), key)).status, 303);
  assert.equal((await browser.open('/vault/')).status, 200);
  for (let times = 0; times < 2; times += 1) {
    here.clock.advance(11 * 60_000);
    const asked = await browser.open('/vault/');
    assert.equal(asked.status, 302, 'too old');
    const begun = await browser.open(String(asked.headers.location));
    const page = await browser.open(String(begun.headers.location));
    assert.match(page.text, /data-key="get"/, page.text);
    assert.equal((await touch(browser, page, key, { lies: {} })).headers.location, '/vault/');
    assert.equal((await browser.open('/vault/')).status, 200);
    const seen = here.upstream.received.at(-1);
    assert.deepEqual([seen?.values('x-remote-user'), seen?.values('x-remote-level')], [['agent1'], ['3']]);
  }
  here.clock.advance(11 * 60_000);
  const account = await browser.open('/_gate/account');
  const [form = ''] = /<form(?:(?!<\/form>)[\s\S])*value="remove"[\s\S]*?<\/form>/.exec(account.text) ?? [];
  const removing = await browser.post('/_gate/account', hiddenFields(form));
  const page = await browser.open(String(removing.headers.location));
  assert.match(page.text, /data-key="get"/);
  assert.equal((await touch(browser, page, key, { lies: {} })).headers.location, '/_gate/account');
});

test('passkey first: where a password would be enough, it is worth what it is all the same', async (t) => {
  const here = await passkeySite(t);
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const { login, ...config } = parse(await readFile(here.file, 'utf8'));
  const vault = {
    location: '/vault/',
    name: 'vault',
    upstream: here.upstream.origin,
    access: { level: 3, maxAge: '10m', factors: ['key'] },
  };
  await writeFile(
    here.file,
    stringify({ ...config, login: { ...login, level: 1 }, routes: [...config.routes, vault] }),
  );
  assert.equal((await here.running.reload({ actor: 'signal' })).kind, 'reloaded');
  const browser = here.visitor();
  assert.equal((await touch(browser, await browser.open(address), key)).headers.location, '/desk');
  assert.equal((await browser.open('/vault/')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-level'), ['3']);
  assert.equal(here.audit('login').at(-1)?.outcome, 'succeeded');
});

test('2F19: at debug level nothing of a passkey stands in the log or the audit, right or wrong', async (t) => {
  const here = await passkeySite(t, { log: { level: 'debug' } });
  const key = new SoftwareKey(here.origin, { isSynced: true });
  await enrol(here, 'agent1', key);
  const browser = here.visitor();
  const page = await browser.open(address);
  const wrong = await touch(browser, page, key, { lies: {} });
  assert.equal(wrong.status, 401);
  assert.equal((await touch(browser, wrong, key)).status, 303);
  const text = here.lines.join('\n');
  const { question = '', form = '' } = hiddenFields(page.text);
  const challenge = /&quot;challenge&quot;:&quot;([\w-]+)/.exec(page.text)?.[1] ?? '';
  for (const hidden of [question, form, challenge, key.id.toString('base64url'), ...browser.cookies.values()])
    assert.ok(hidden !== '' && !text.includes(hidden), hidden);
});

/** Two people at one browser: what the application of the first has set there is no good to the second, whatever carries the request. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import WebSocket from 'ws';
import { loadConfig } from '../../src/config/load.ts';
import { formatIssues } from '../../src/config/report.ts';
import { documentSchema } from '../../src/gateway/document.ts';
import { earlier, writeEarlierStore } from '../support/scenes/earlier-store.ts';
import type { Yaml } from '../support/scenes/gateway.ts';
import { ask, httpsSite } from '../support/scenes/https-site.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

/** A path at which the upstream sets cookies. */
function setting(...lines: readonly string[]): string {
  return `/headers?${new URLSearchParams(lines.map((line): [string, string] => ['set-cookie', line]))}`;
}

const sid = setting('sid=s3cret; Path=/; HttpOnly');

/** The cookies that the upstream has heard last. */
const heard = ({ upstream }: Pick<Site, 'upstream'>): string =>
  upstream.received.at(-1)?.values('cookie').join('; ') ?? '';

/** What an answer takes out of the browser. */
function deleted(header: string | string[] | undefined): string[] {
  return [header ?? []].flat().filter((line) => /^(?!gatehouse).*Max-Age=0/.test(line));
}

/** A site, and a browser in which the agent has a cookie of the application. */
async function agentAt(t: TestContext, config: Yaml = {}): Promise<{ started: Site; browser: Visitor }> {
  const started = await site(t, { config });
  const browser = started.visitor();
  await browser.mustSignIn('agent1', passwords.agent1);
  await browser.fetch(sid);
  assert.match(browser.cookies.get('sid') ?? '', /^s3cret~[\w-]{16}$/);
  return { started, browser };
}

/** The supervisor signs in where the agent is signed in still. */
async function takeOver(browser: Visitor): Promise<Answer> {
  const page = await browser.open('/_gate/login?switch=1');
  const fields = { ...hiddenFields(page.text), username: 'supervisor1', password: passwords.supervisor1 };
  const answer = await browser.post('/_gate/login', fields);
  assert.equal(answer.status, 303);
  return answer;
}

test('bound cookies: the application gets its own cookie from its owner, and never another’s (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t);
  await browser.fetch('/x');
  assert.equal(heard(started), 'sid=s3cret');
  const kept = browser.cookies.get('sid') ?? '';

  const answer = await takeOver(browser);
  assert.deepEqual(deleted(answer.headers['set-cookie']), ['sid=; Path=/; Max-Age=0'], 'by the login of another');
  assert.equal(browser.cookies.has('sid'), false);

  browser.cookies.set('sid', kept);
  const page = await browser.fetch('/x');
  assert.equal(heard(started), '');
  assert.equal(started.upstream.received.at(-1)?.values('x-remote-user')[0], 'supervisor1');
  assert.deepEqual(deleted(page.headers['set-cookie']), ['sid=; Path=/; Max-Age=0'], 'and where it comes all the same');

  browser.cookies.set('sid', 's3cret');
  await browser.fetch('/x');
  assert.equal(heard(started), '', 'taking the mark off opens nothing');
  assert.equal(browser.cookies.get('sid'), 's3cret', 'and deletes nothing');
  assert.doesNotMatch(started.lines.join('\n'), /s3cret/);
});

test('bound cookies: the answer that takes another’s cookie out keeps the one that the application sets in its place (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t);
  const kept = browser.cookies.get('sid') ?? '';
  await takeOver(browser);
  browser.cookies.set('sid', kept);
  const answer = await browser.fetch(setting('sid=mine; Path=/; HttpOnly'));
  assert.match(String(answer.headers['cache-control']), /no-store/);
  assert.match(browser.cookies.get('sid') ?? '', /^mine~/);
  await browser.fetch('/x');
  assert.equal(heard(started), 'sid=mine');
});

test('bound cookies: signing in again as the same user keeps them; signing out expires them, by the form and by a script (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t);
  browser.cookies.delete('gatehouse');
  const again = await browser.signIn('agent1', passwords.agent1);
  assert.deepEqual(deleted(again.headers['set-cookie']), []);
  await browser.fetch('/x');
  assert.equal(heard(started), 'sid=s3cret');
  const out = await browser.fetch('/_gate/logout', { method: 'POST', headers: { origin: started.url.origin } });
  assert.equal(out.status, 200);
  assert.deepEqual(deleted(out.headers['set-cookie']), ['sid=; Path=/; Max-Age=0']);
});

test('bound cookies: a location that asks nobody gets the cookie of whoever is signed in, and of nobody else (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t);
  const kept = browser.cookies.get('sid') ?? '';
  await browser.fetch('/public/x');
  assert.equal(heard(started), 'sid=s3cret');
  const stranger = started.visitor();
  stranger.cookies.set('sid', kept);
  stranger.cookies.set('theme', 'dark');
  await stranger.fetch('/public/x');
  assert.equal(heard(started), 'theme=dark');
  await takeOver(browser);
  browser.cookies.set('sid', kept);
  await browser.fetch('/public/x');
  assert.equal(heard(started), '');
});

test('bound cookies: a WebSocket is opened with the cookies of its user alone, and may bring some (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t);
  const open = async (cookie: string): Promise<void> => {
    const socket = new WebSocket(new URL('/live', started.url.href.replace('http', 'ws')), {
      headers: { cookie, origin: started.url.origin },
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.terminate();
  };
  await open(browser.cookieHeader);
  assert.equal(heard(started), 'sid=s3cret');
  const other = started.visitor();
  await other.mustSignIn('supervisor1', passwords.supervisor1);
  await open(`${other.cookieHeader}; sid=${browser.cookies.get('sid')}; a=1`);
  assert.equal(heard(started), 'a=1');
});

test('bound cookies: HTTP/2 carries them likewise, in as many crumbs as a browser likes (9 B17)', async (t) => {
  const started = await httpsSite(t);
  const browser = started.visitor('h2');
  await browser.mustSignIn('agent1', passwords.agent1);
  await browser.fetch(sid);
  const crumbs = [...browser.cookies].flatMap(([name, value]) => ['cookie', `${name}=${value}`]);
  const head = [':method', 'GET', ':path', '/x', ':scheme', 'https', ':authority', new URL(started.origin).host];
  await ask(started.http2(), [...head, ...crumbs, 'cookie', 'a=1']);
  assert.equal(heard(started), 'sid=s3cret; a=1');
  const other = started.visitor('h2');
  await other.mustSignIn('supervisor1', passwords.supervisor1);
  other.cookies.set('sid', browser.cookies.get('sid') ?? '');
  const answer = await other.fetch('/x');
  assert.equal(heard(started), '');
  assert.deepEqual(deleted(answer.headers['set-cookie']).at(-1), 'sid=; Path=/; Max-Age=0; Secure');
});

test('bound cookies: a front proxy that asks sends on what it is told, and unmarked ones that it has carried by itself (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t, {
    server: { trustedProxies: ['127.0.0.1'] },
  });
  const asked = async (who: Visitor) =>
    (await who.fetch('/_gate/auth', { headers: { 'x-original-uri': '/x', 'x-original-method': 'GET' } })).headers;
  assert.equal((await asked(browser)).cookie, 'sid=s3cret');
  const other = started.visitor();
  await other.mustSignIn('supervisor1', passwords.supervisor1);
  other.cookies.set('sid', browser.cookies.get('sid') ?? '');
  const told = await asked(other);
  assert.equal(told.cookie, undefined);
  assert.equal(told['x-remote-user'], 'supervisor1');
  other.cookies.set('sid', 'by-the-proxy');
  assert.equal((await asked(other)).cookie, 'sid=by-the-proxy');
});

test('bound cookies: they outlive a restart, and so does what is known of them (9 B17)', async (t) => {
  const folder = await temporaryFolder(t);
  const store = { session: { store: { type: 'embedded', path: folder } } };
  const { started, browser } = await agentAt(t, store);
  await started.stop();
  const again = await site(t, { config: store });
  const back = again.visitor();
  for (const [name, value] of browser.cookies) back.cookies.set(name, value);
  await back.fetch('/x');
  assert.equal(heard(again), 'sid=s3cret');
  back.cookies.set('sid', 's3cret');
  await back.fetch('/x');
  assert.equal(heard(again), '');
});

test('bound cookies: an upgrade signs nobody out of an application, and the next session is strict (9 B17)', async (t) => {
  const folder = await temporaryFolder(t);
  writeEarlierStore(folder).close();
  const clock = manualClock();
  clock.advance(60_000);
  const started = await site(t, { clock, config: { session: { store: { type: 'embedded', path: folder } } } });
  const browser = started.visitor();
  browser.cookies.set('gatehouse', earlier.agent);
  browser.cookies.set('sid', 'from-before');
  const other = started.visitor();
  await other.mustSignIn('supervisor1', passwords.supervisor1);
  await other.fetch(sid);
  await browser.fetch('/x');
  assert.equal(heard(started), 'sid=from-before');
  browser.cookies.delete('gatehouse');
  await browser.mustSignIn('agent1', passwords.agent1);
  browser.cookies.set('sid', 'from-before');
  await browser.fetch('/x');
  assert.equal(heard(started), '');
});

test('bound cookies: a reload keeps what is known, and off stops it at once (9 B17)', async (t) => {
  const { started, browser } = await agentAt(t);
  assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
  browser.cookies.set('sid', 's3cret');
  await browser.fetch('/x');
  assert.equal(heard(started), '');
  await started.write({
    ...siteConfig(started.upstream.origin),
    routes: [{ location: '/', upstream: started.upstream.origin, cookies: { bind: 'off' } }],
  });
  await started.running.reload({ actor: 'signal' });
  assert.equal((await browser.fetch(sid)).headers['set-cookie'], 'sid=s3cret; Path=/; HttpOnly');
  await browser.fetch('/x');
  assert.equal(heard(started), 'sid=s3cret');
});

test('bound cookies: at a further host the hand-over of another user deletes them, and its sign-out its own (9 B17)', async (t) => {
  const upstream = await startUpstream(t);
  const [sso, desk] = ['http://sso.test', 'http://desk.example'];
  const started = await site(t, {
    config: {
      server: { publicUrl: sso },
      routes: ['desk.example', 'sso.test'].map((host) => ({ host, location: '/', upstream: upstream.origin })),
    },
  });
  const browser = new Browser(t, Number(started.url.port));
  await browser.signIn(`${desk}/x`, 'agent1', passwords.agent1);
  await browser.open(desk + sid);
  const kept = browser.at(desk).cookies.get('sid') ?? '';
  assert.match(kept, /^s3cret~/);
  await browser.open(`${desk}/x`);
  assert.equal(heard({ upstream }), 'sid=s3cret');
  await fetch(new URL('/sessions?user=agent1', started.admin), { method: 'DELETE' });
  await browser.signIn(`${desk}/x`, 'supervisor1', passwords.supervisor1);
  assert.equal(browser.at(desk).cookies.has('sid'), false, 'by the hand-over');
  browser.at(desk).cookies.set('sid', kept);
  await browser.open(`${desk}/x`);
  assert.equal(heard({ upstream }), '');
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['supervisor1']);
  browser.at(sso).cookies.set('sid', kept);
  await browser.open(`${sso}/x`);
  assert.doesNotMatch(heard({ upstream }), /^sid=s3cret$/, 'nor at another host');
});

const written: readonly (readonly [cookies: string, said: RegExp])[] = [
  ['cookies: off', /cookies: must be a mapping/],
  ['cookies: { bind: true }', /cookies\.bind: must be httpOnly, all, off, or a list of cookies by name/],
  ['cookies: { bind: [] }', /cookies\.bind: must not be empty/],
  ['cookies: { bind: ["a b"] }', /cookies\.bind\[0\]: must be the name of a cookie, such as JSESSIONID/],
  ['cookies: { bound: all }', /cookies\.bound: is not a known key/],
  [
    'access: public, cookies: { bind: all }',
    /cookies\.bind: binds cookies to whoever is signed in.*public asks nobody/,
  ],
  ['access: deny, cookies: { bind: [sid] }', /cookies\.bind: binds cookies to whoever is signed in.*deny asks nobody/],
];

for (const [cookies, said] of written)
  test(`bound cookies: { ${cookies} } is an error at its place (9 B17)`, () => {
    const route = `{ location: /, upstream: "http://a", ${cookies} }`;
    const text = `login: { chain: [local] }\nproviders: { local: { type: local, users: users.yaml } }\nroutes:\n  - ${route}\n`;
    const result = loadConfig({ schema: documentSchema, file: 'gatehouse.yaml', text, env: {} });
    const issues = result.kind === 'invalid' ? result.issues : [];
    assert.match(formatIssues(issues), said);
    assert.match(formatIssues(issues), /gatehouse\.yaml:4/);
  });

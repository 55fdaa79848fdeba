/** The start page: the applications that somebody may open, by the same rules as their requests, and nobody else's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { type Site, site, siteConfig } from '../support/scenes/site.ts';
import type { Visitor } from '../support/scenes/visitor.ts';
import { type ManualClock, manualClock } from '../support/tools/manual-clock.ts';

const passwords = { agent1: 'right-4417-horse', supervisor1: 'right-9920-battery' } as const;

async function world(t: TestContext, clock?: ManualClock): Promise<Site> {
  const started = await site(t, clock && { clock });
  const upstream = started.upstream.origin;
  const { roles } = siteConfig(upstream);
  const networks = ['127.0.0.4/30'];
  await started.write({
    roles,
    routes: [
      { location: '= /', redirect: { to: '/_gate/' } },
      {
        location: '/desk/',
        upstream,
        access: { roles: ['agent'] },
        label: { en: 'Desk', fr: 'Bureau' },
        icon: 'headset',
      },
      { location: '/board/', upstream, access: { roles: ['supervisor'] }, label: 'Board', group: 'Reports' },
      {
        location: '/fresh/',
        upstream,
        access: { maxAge: '5m' },
        label: 'Payroll',
        group: 'Reports',
        start: '/fresh/list?all=1&b',
      },
      { location: '/shut/', upstream, access: 'deny', label: 'Shut' },
      { location: '/hidden/', upstream, label: 'Hidden', start: false },
      { location: '/plain/', upstream },
      { location: '/help/', upstream, access: 'public', label: '<Help>' },
      { location: '/lan/', upstream, access: { public: true, networks }, label: 'Network' },
      { location: '/either/', upstream, access: { roles: ['supervisor'], networks, satisfy: 'any' }, label: 'Either' },
      { location: '~ ^/pattern/', upstream, access: { roles: ['supervisor'] } },
      { location: '/lead/', upstream, label: 'Led', start: '/pattern/x' },
      { location: '/', host: 'other.example:8445', upstream, label: 'Elsewhere', start: '/caf\u00e9' },
    ],
  });
  await started.running.reload({ actor: 'signal' });
  return started;
}

const listed = async (browser: Visitor) => {
  const { status, text } = await browser.fetch('/_gate/');
  return { status, ...JSON.parse(text) };
};

async function from(address: string, { url }: Site, browser: Visitor): Promise<string[]> {
  const headers = { cookie: browser.cookieHeader };
  const request = http.get(new URL('/_gate/', url), { localAddress: address, agent: false, headers });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const text = Buffer.concat(await response.toArray()).toString();
  return JSON.parse(text).applications.map(({ label }: { label: unknown }) => label);
}

test('start: it shows what the visitor may open, and where that is', async (t) => {
  const started = await world(t);
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const { status, user, name, applications } = await listed(agent);
  assert.deepEqual([status, user, name], [200, 'agent1', 'Agent One']);
  const elsewhere = `http://other.example:8445/caf%C3%A9`;
  assert.deepEqual(applications, [
    { label: { en: 'Desk', fr: 'Bureau' }, icon: 'headset', href: '/desk/' },
    { label: 'Payroll', group: 'Reports', href: '/fresh/list?all=1&b' },
    { label: '<Help>', href: '/help/' },
    { label: 'Elsewhere', href: elsewhere },
  ]);
  const boss = started.visitor();
  await boss.mustSignIn('supervisor1', passwords.supervisor1);
  const labels = (await listed(boss)).applications.map(({ label }: { label: unknown }) => label);
  assert.deepEqual(labels.slice(1), ['Board', 'Payroll', '<Help>', 'Either', 'Led', 'Elsewhere']);
  assert.deepEqual((await from('127.0.0.6', started, agent)).slice(1), [
    'Payroll',
    '<Help>',
    'Network',
    'Either',
    'Elsewhere',
  ]);
  assert.equal(started.upstream.received.length, 0, 'no application is asked');
});

test('start: what a tile leads to opens, and what is not shown does not', async (t) => {
  const started = await world(t);
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const shown = (await listed(agent)).applications.map(({ href }: { href: string }) => href);
  for (const href of shown.filter((one: string) => one.startsWith('/')))
    assert.equal((await agent.fetch(href)).status, 200, href);
  for (const href of ['/board/', '/shut/', '/lan/', '/either/', '/pattern/x'])
    assert.equal((await agent.fetch(href)).status, 403, href);
});

test('start: a page in the language of the browser, by groups, with who it is and the ways out', async (t) => {
  const started = await world(t);
  const agent = started.visitor();
  const nobody = await agent.open('/_gate/');
  assert.deepEqual([nobody.status, nobody.headers.location], [302, '/_gate/login?return=%2F_gate%2Fhome']);
  assert.equal((await agent.fetch('/_gate/')).status, 401);
  await agent.mustSignIn('agent1', passwords.agent1, '/_gate/home');
  assert.equal((await agent.open('/_gate/home')).headers.location, '/_gate/');
  const home = await agent.open('/');
  assert.deepEqual([home.status, home.headers.location], [302, '/_gate/']);
  const bare = await agent.open('/_gate');
  assert.deepEqual([bare.status, bare.headers.location], [302, '/_gate/']);
  const { status, text, headers } = await agent.open('/_gate/', { headers: { 'accept-language': 'fr' } });
  assert.deepEqual([status, headers['cache-control'], headers.vary], [200, 'no-store', 'Accept-Language']);
  assert.match(text, /<html lang="fr">.*<h1>Vos applications<\/h1>/s);
  assert.match(text, /<a class="tile" href="\/desk\/">.*<span class="tile-label">Bureau<\/span>/);
  assert.match(text, /<h2>Reports<\/h2>\s*<ul class="tiles">\s*<li><a class="tile" href="\/fresh\/list\?all=1&amp;b">/);
  assert.match(text, /<bdi>Agent One<\/bdi> <bdi class="login-name">agent1<\/bdi>/);
  assert.match(text, /href="\/_gate\/session".*href="\/_gate\/logout"/s);
  assert.match(text, /&lt;Help&gt;/);
  assert.doesNotMatch(text, /Board|Shut|Hidden|Network/);
  const sessions = await agent.open('/_gate/session');
  assert.match(sessions.text, /<a href="\/_gate\/">Back<\/a>/);
  const denied = await agent.open('/board/');
  assert.match(denied.text, /<a class="button primary" href="\/_gate\/">Go to the start page<\/a>/);
  const posted = await agent.fetch('/_gate/', { method: 'POST' });
  assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET, HEAD, OPTIONS']);
});

test('session: it says when it ends by idleness, which moves with activity and never passes its end', async (t) => {
  const clock = manualClock(Date.parse('2026-12-01T08:00:00Z'));
  const started = await world(t, clock);
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const ends = async () => {
    const { session, sessions } = JSON.parse((await agent.fetch('/_gate/session')).text);
    assert.equal(sessions[0].idleAt, session.idleAt);
    return [session.idleAt, session.expiresAt];
  };
  assert.deepEqual(await ends(), ['2026-12-01T08:30:00.000Z', '2026-12-01T20:00:00.000Z']);
  clock.advance(10 * 60_000);
  assert.deepEqual((await ends())[0], '2026-12-01T08:30:00.000Z', 'to ask is no activity');
  assert.equal((await agent.fetch('/_gate/')).status, 200);
  assert.deepEqual((await ends())[0], '2026-12-01T08:30:00.000Z');
  await agent.fetch('/desk/x');
  assert.deepEqual((await ends())[0], '2026-12-01T08:40:00.000Z');
  for (let turn = 0; turn < 24 * 2 - 2; turn += 1) {
    clock.advance(15 * 60_000);
    await agent.fetch('/desk/x');
  }
  assert.deepEqual(await ends(), ['2026-12-01T20:00:00.000Z', '2026-12-01T20:00:00.000Z']);
});

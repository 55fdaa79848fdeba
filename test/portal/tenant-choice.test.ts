/** Whoever belongs to several companies picks one at the login: before that there is no session, and no other one can be picked. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Yaml } from '../support/scenes/gateway.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, type Site, site, siteConfig } from '../support/scenes/site.ts';
import { type Answer, hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { run } from '../support/tools/command.ts';

const tenants = {
  acme: { id: '101', company: 'ACME Calls', match: { groups: ['agents'] } },
  globex: { match: { domains: ['example.com'] } },
  initech: { match: { groups: ['none'] } },
};
const choosing: Yaml = { tenants, tenantRules: { several: 'choose' } };

/** The page of the choice, after the password. */
async function atChoice(visitor: Visitor): Promise<{ address: string; page: Answer }> {
  const sent = await visitor.signIn('agent1', passwords.agent1);
  assert.equal(sent.status, 303);
  const address = String(sent.headers.location);
  assert.match(address, /^\/_gate\/factor\?login=/);
  return { address, page: await visitor.open(address) };
}

function choose(visitor: Visitor, page: Answer, tenant: string): Promise<Answer> {
  return visitor.post('/_gate/factor', { ...hiddenFields(page.text), do: 'tenant', tenant });
}

const received = ({ upstream }: Site, name: string) => upstream.received.at(-1)?.values(name);

test('tenant choice: the session begins with the company that was picked, and is no one’s before', async (t: TestContext) => {
  const started = await site(t, { config: choosing });
  const agent = started.visitor();
  const { address, page } = await atChoice(agent);
  assert.equal(page.status, 200);
  assert.match(page.text, /ACME Calls/);
  assert.match(page.text, />\s*globex\s*</, 'one without a company goes by its name');
  assert.doesNotMatch(page.text, /initech/);
  for (const path of ['/', '/_gate/session', '/_gate/account'])
    assert.notEqual((await agent.fetch(path)).status, 200, `${path} before the choice`);
  assert.equal((await agent.open(address)).status, 200, 'loaded again');
  for (const other of ['initech', 'default', '', 'constructor', 'acme,globex']) {
    const refused = await choose(agent, page, other);
    assert.equal(refused.headers.location, address, `no way to ${other}`);
  }
  assert.equal(started.upstream.received.length, 0);
  const chosen = await choose(agent, page, 'globex');
  assert.deepEqual([chosen.status, chosen.headers.location], [303, '/']);
  await agent.open('/');
  assert.deepEqual(received(started, 'x-remote-tenant'), ['globex']);
  assert.deepEqual(received(started, 'x-remote-company'), []);
  assert.equal((await choose(agent, page, 'acme')).status, 410, 'it is over');
  await agent.open('/');
  assert.deepEqual(received(started, 'x-remote-tenant'), ['globex']);
  assert.partialDeepStrictEqual(started.audit('login').at(-1), { outcome: 'succeeded', tenant: 'globex' });
});

test('tenant choice: the session goes on with what was picked, and ends where it is no more to be had', async (t) => {
  const { write, running, upstream, audit, ...started } = await site(t, { config: choosing });
  const agent = started.visitor();
  await choose(agent, (await atChoice(agent)).page, 'acme');
  await running.reload({ actor: 'signal' });
  assert.equal((await agent.open('/')).status, 200);
  await write({ ...siteConfig(upstream.origin), tenants, tenantRules: { several: 'refuse' } });
  await running.reload({ actor: 'signal' });
  assert.equal((await agent.open('/')).status, 302);
  assert.partialDeepStrictEqual(audit('session-end').at(-1), { reason: 'tenant-changed', tenant: 'acme' });
});

test('tenant choice: what an account has to prove is asked once it is known which one it is', async (t) => {
  const { visitor } = await site(t, {
    config: {
      ...choosing,
      factors: { app: { type: 'totp' } },
      roles: { agent: { groups: ['agents'], tenants: ['acme'] }, supervisor: { groups: ['supervisors'] } },
      login: { chain: ['local'], level: [{ level: 1 }, { level: 2, roles: ['agent'] }] },
    },
  });
  const one = visitor();
  const strict = await choose(one, (await atChoice(one)).page, 'acme');
  assert.match(String(strict.headers.location), /^\/_gate\/enrol\?login=/);
  assert.notEqual((await one.fetch('/')).status, 200);
  const other = visitor();
  const open = await choose(other, (await atChoice(other)).page, 'globex');
  assert.equal(open.headers.location, '/');
});

test('tenant choice: programs pick none, and are refused', async (t) => {
  const { upstream, write, running, file, audit, ...started } = await site(t, { config: choosing });
  const access = { basic: true, apiTokens: true };
  await write({
    ...siteConfig(upstream.origin),
    ...choosing,
    routes: [{ location: '/', upstream: upstream.origin, access }],
  });
  await running.reload({ actor: 'signal' });
  const basic = Buffer.from(`agent1:${passwords.agent1}`).toString('base64');
  const program = started.visitor();
  assert.equal((await program.fetch('/', { headers: { authorization: `Basic ${basic}` } })).status, 403);
  const made = await run(['api-tokens', 'add', 'report', '--user', 'agent1', '--config', file]);
  const token = /gha_\S+/.exec(made.stdout)?.[0] ?? '';
  assert.equal((await program.fetch('/', { headers: { authorization: `Bearer ${token}` } })).status, 403);
  assert.equal(upstream.received.length, 0);
  const reasons = audit('request')
    .slice(-2)
    .map(({ reason }) => reason);
  assert.deepEqual(reasons, ['tenant-ambiguous', 'tenant-ambiguous']);
  const said = await run(['explain', '--config', file, '--user', 'agent1', '--url', '/']);
  assert.match(
    said.stdout,
    /^tenant {5}- chosen at the login: acme by group agents, globex by mail domain example\.com$/m,
  );
});

test('tenant choice: the company whose host it leads to comes first', async (t) => {
  const { url, upstream, write, running } = await site(t);
  const host = (name: string): string => `http://${name}.test:${url.port}`;
  await write({
    ...siteConfig(upstream.origin),
    ...choosing,
    server: { publicUrl: host('cc') },
    tenants: { ...tenants, globex: { ...tenants.globex, hosts: ['globex.test'] } },
    routes: [
      { location: '/', upstream: upstream.origin },
      { location: '/', host: 'globex.test', upstream: upstream.origin },
    ],
  });
  await running.reload({ actor: 'signal' });
  const browser = new Browser(t, Number(url.port));
  const { trail, answer } = await browser.follow(`${host('globex')}/`);
  const login = new URL(trail.at(-1) ?? '');
  const visitor = browser.at(login.origin);
  const sent = await visitor.post('/_gate/login', {
    ...hiddenFields(answer.text),
    ...{ username: 'agent1', password: passwords.agent1 },
  });
  const page = await visitor.open(String(sent.headers.location));
  const offered = [...page.text.matchAll(/name="tenant" value="([^"]*)"/g)].map(([, name]) => name);
  assert.deepEqual(offered, ['globex', 'acme']);
  const chosen = await choose(visitor, page, 'globex');
  const end = await browser.follow(new URL(String(chosen.headers.location), login).href);
  assert.equal(end.answer.status, 200);
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-tenant'), ['globex']);
});

test('tenant choice: who has one tenant is asked nothing', async (t) => {
  const { folder, visitor, ...started } = await site(t, { config: choosing });
  const users = join(folder, 'users.yaml');
  await writeFile(users, (await readFile(users, 'utf8')).replace('agent1@example.com', 'agent1@other.example'));
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  await agent.open('/');
  assert.deepEqual(received({ ...started, folder, visitor }, 'x-remote-tenant'), ['acme']);
});

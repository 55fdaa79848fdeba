/** Tenants at the gateway: what the upstream received, whose session it is, and what ends it. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Yaml } from '../support/scenes/gateway.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields } from '../support/scenes/visitor.ts';
import { run } from '../support/tools/command.ts';

const tenants = {
  acme: { id: '101', company: 'ACME Calls', match: { domains: ['example.com'] } },
  globex: { id: '102', company: 'Globex', match: { groups: ['globex-staff'] } },
};

/** A site whose agent is of acme, and whose supervisor has no tenant unless a default says one. */
async function tenantSite(t: TestContext, config: Yaml = {}) {
  const started = await site(t, { config: { tenants, ...config } });
  const received = (name: string) => started.upstream.received.at(-1)?.values(name);
  return { ...started, received };
}

test('tenants: the upstream is told tenant and company, and whatever a client says of another changes nothing', async (t) => {
  const { visitor, upstream, received } = await tenantSite(t);
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  await agent.open('/?tenant=globex', {
    headers: {
      'x-remote-tenant': 'globex',
      'X-Remote_Tenant': 'globex',
      'x-remote-company': 'Globex',
      'x-remote-privileges': 'all',
    },
  });
  assert.deepEqual(received('x-remote-tenant'), ['acme']);
  assert.deepEqual(received('x-remote-company'), ['ACME Calls']);
  assert.deepEqual([received('x-remote-privileges'), received('x-remote_tenant')], [[], []]);
  const [, payload = ''] = received('x-gatehouse-assertion')?.[0]?.split('.') ?? [];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  assert.partialDeepStrictEqual(claims, { tenant: 'acme', tenant_id: '101', company: 'ACME Calls' });
  const before = upstream.received.length;
  await visitor().fetch('/public/', { headers: { 'x-remote-tenant': 'globex', 'x-remote-company': 'Globex' } });
  assert.equal(upstream.received.length, before + 1);
  assert.deepEqual([received('x-remote-tenant'), received('x-remote-company')], [[], []]);
});

test('tenants: a field of the login form, a query and a header of it give no tenant', async (t) => {
  const { visitor, received } = await tenantSite(t);
  const agent = visitor();
  const page = await agent.open('/_gate/login?return=%2F&tenant=globex');
  const sent = await agent.post(
    '/_gate/login?tenant=globex',
    { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1, tenant: 'globex' },
    { 'x-tenant': 'globex', 'x-remote-tenant': 'globex' },
  );
  assert.equal(sent.status, 303);
  await agent.open('/');
  assert.deepEqual(received('x-remote-tenant'), ['acme']);
});

test('tenants: who has none, or several, gets a page that says whom to ask, and no session', async (t) => {
  const { visitor, upstream, audit, folder } = await tenantSite(t, { pages: { helpContact: 'the front desk' } });
  const supervisor = visitor();
  const refused = await supervisor.signIn('supervisor1', passwords.supervisor1);
  assert.equal(refused.status, 403);
  assert.match(refused.text, /belongs to no company/);
  assert.match(refused.text, /the front desk/);
  assert.match(refused.text, /href="\/_gate\/login\?switch=1/);
  assert.equal(
    [...supervisor.cookies.keys()].some((name) => /session/.test(name)),
    false,
  );
  assert.equal((await supervisor.open('/')).status, 302);
  const file = join(folder, 'users.yaml');
  await writeFile(
    file,
    (await readFile(file, 'utf8')).replace(/groups: \[ ?agents ?\]/, 'groups: [agents, globex-staff]'),
  );
  const agent = await visitor().signIn('agent1', passwords.agent1);
  assert.equal(agent.status, 403);
  assert.match(agent.text, /belongs to several companies/);
  assert.equal(upstream.received.length, 0);
  assert.deepEqual(
    audit('login').map(({ outcome, reason }) => [outcome, reason]),
    [
      ['failed', 'tenant-missing'],
      ['failed', 'tenant-ambiguous'],
    ],
  );
});

test('tenants: the users file and the default say it too; a role of a tenant, and a location for one, hold there alone', async (t) => {
  const { upstream, visitor, folder, received, audit } = await tenantSite(t, {
    tenantRules: { default: 'globex' },
    roles: { agent: { groups: ['agents'], tenants: ['acme'] }, supervisor: { groups: ['none'] } },
  });
  const supervisor = visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  await supervisor.open('/');
  assert.deepEqual([received('x-remote-tenant'), received('x-remote-roles')], [['globex'], []]);
  const file = join(folder, 'users.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('supervisor1:', 'supervisor1:\n    tenant: acme'));
  const again = visitor();
  await again.mustSignIn('supervisor1', passwords.supervisor1);
  await again.open('/');
  assert.deepEqual([received('x-remote-tenant'), received('x-remote-roles')], [['acme'], ['agent']]);
  assert.equal(upstream.received.length, 2);
  assert.deepEqual(
    audit('login').map(({ tenant }) => tenant),
    ['globex', 'acme'],
  );
});

test('tenants: a reload that gives another ends the session, and one that gives the same does not', async (t) => {
  const { visitor, upstream, write, running, audit } = await tenantSite(t);
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const config = siteConfig(upstream.origin);
  await write({ ...config, tenants: { ...tenants, acme: { ...tenants.acme, company: 'ACME' } } });
  await running.reload({ actor: 'signal' });
  assert.equal((await agent.open('/')).status, 200);
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-company'), ['ACME']);
  await write({ ...config, tenants: { initech: { match: { groups: ['agents'] } } } });
  await running.reload({ actor: 'signal' });
  assert.equal((await agent.open('/')).status, 302);
  assert.partialDeepStrictEqual(audit('session-end').at(-1), { reason: 'tenant-changed', tenant: 'acme' });
  assert.equal(upstream.received.length, 1);
});

test('tenants: a host of one is closed to users of others, whatever the location asks', async (t) => {
  const started = await site(t);
  const { port } = started.url;
  const host = (name: string): string => `http://${name}.test:${port}`;
  const { upstream, write, running } = started;
  await write({
    ...siteConfig(upstream.origin),
    server: { publicUrl: host('cc') },
    tenants: {
      acme: { ...tenants.acme, hosts: [`acme.test`] },
      globex: { ...tenants.globex, hosts: ['globex.test'] },
    },
    routes: [
      { location: '/', upstream: upstream.origin },
      { location: '/', host: 'acme.test', upstream: upstream.origin },
      { location: '/', host: 'globex.test', upstream: upstream.origin },
      { location: '/free/', host: 'globex.test', upstream: upstream.origin, access: 'optional' },
      { location: '/only/', upstream: upstream.origin, access: { tenants: ['globex'] } },
    ],
  });
  await running.reload({ actor: 'signal' });
  const browser = new Browser(t, Number(port));
  await browser.signIn(`${host('cc')}/`, 'agent1', passwords.agent1);
  const own = await browser.follow(`${host('acme')}/`);
  assert.equal(own.answer.status, 200);
  assert.deepEqual(upstream.received.at(-1)?.values('x-remote-tenant'), ['acme']);
  const heard = upstream.received.length;
  const other = await browser.follow(`${host('globex')}/`);
  assert.equal(other.answer.status, 403);
  assert.match(other.answer.text, /another company/);
  assert.equal((await browser.open(`${host('globex')}/free/`)).status, 403);
  const session = await browser.at(host('globex')).fetch('/_gate/session');
  assert.deepEqual([session.status, session.text.includes('agent1')], [403, false]);
  const location = await browser.open(`${host('cc')}/only/`);
  assert.equal(location.status, 403);
  assert.equal(upstream.received.length, heard, 'nothing reached the application');
  const reasons = started.audit('request').filter(({ status }) => status === 403);
  assert.deepEqual([...new Set(reasons.map(({ reason }) => reason))], ['tenant-mismatch']);
});

test('tenants: one name in two companies is two accounts to the lock-out', async (t) => {
  const { visitor, folder, write, running, upstream } = await tenantSite(t);
  const other = join(folder, 'globex.yaml');
  await writeFile(other, await readFile(join(folder, 'users.yaml'), 'utf8'));
  await write({
    ...siteConfig(upstream.origin),
    login: { chain: ['local', 'second'], lockout: { user: 2, delay: '1m' } },
    providers: { second: { type: 'local', users: 'globex.yaml' }, local: { type: 'local', users: 'users.yaml' } },
    tenants: { acme: { match: { providers: ['local'] } }, globex: { match: { providers: ['second'] } } },
  });
  await running.reload({ actor: 'signal' });
  const lockouts = async () =>
    (await lockoutsAt(`${String(running.adminAddress)}lockouts`)).filter(({ kind }) => kind === 'account');
  for (let turn = 0; turn < 2; turn++) await visitor().signIn('agent1', 'wrong');
  assert.deepEqual(
    (await lockouts()).map(({ user, tenant }) => `${user} of ${tenant}`),
    ['agent1 of acme'],
  );
});

async function lockoutsAt(address: string): Promise<{ kind: string; user: string; tenant: string }[]> {
  const answer = await fetch(address);
  return ((await answer.json()) as { lockouts: { kind: string; user: string; tenant: string }[] }).lockouts;
}

test('tenants: forward-auth answers with them, and clears what a client has set', async (t) => {
  const { visitor } = await tenantSite(t, { server: { trustedProxies: ['127.0.0.1'] } });
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const asked = (headers: Record<string, string>) =>
    agent.fetch('/_gate/auth', { headers: { 'x-original-uri': '/', 'x-original-method': 'GET', ...headers } });
  const { status, headers } = await asked({ 'x-remote-tenant': 'globex' });
  assert.equal(status, 200);
  assert.deepEqual([headers['x-remote-tenant'], headers['x-remote-company']], ['acme', 'ACME Calls']);
  assert.equal((await asked({ 'X-Remote_Tenant': 'globex' })).status, 400);
});

test('explain: it says the tenant and why', async (t) => {
  const { file } = await tenantSite(t);
  const said = await run(['explain', '--config', file, '--user', 'agent1', '--url', '/']);
  assert.match(said.stdout, /^tenant {5}acme: mail domain example\.com$/m);
  assert.match(said.stdout, /^header {5}x-remote-tenant: acme$/m);
  const refused = await run(['explain', '--config', file, '--user', 'supervisor1', '--url', '/']);
  assert.match(refused.stdout, /^tenant {5}- tenant-missing: no tenant takes the user$/m);
  assert.match(refused.stdout, /^decision {3}403: tenant-missing$/m);
});

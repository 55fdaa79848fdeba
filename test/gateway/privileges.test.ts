/** Privileges at the gateway: whom a location lets in by them, and where they are told. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: header templates write variables so.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startApp } from '../support/scenes/app.ts';
import { gateway } from '../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const file = `format: gatehouse-roles/1
application: automation
privileges: { reports.read: {}, users.read: {}, users.write: { needs: [users.read] } }
roles:
  supervisor: { privileges: [users.write] }
  Viewer: { privileges: [reports.read], from: { groups: [agents] } }
`;

async function desk(t: TestContext, roles = file) {
  const upstream = await startUpstream(t);
  const folder = await temporaryFolder(t);
  const path = join(folder, 'ia-roles.yaml');
  await writeFile(path, roles);
  const at = (location: string, more: object = {}) => ({ location, upstream: upstream.origin, ...more });
  const config = {
    ...siteConfig(upstream.origin),
    applications: { automation: { roles: path } },
    headers: { 'X-Own': '${privileges}' },
    routes: [
      at('/'),
      at('/ia/', { application: 'automation', websocket: true }),
      at('/ia/users/', { application: 'automation', access: { privileges: ['users.read'] } }),
      at('/ia/viewers/', { application: 'automation', access: { roles: ['Viewer'] } }),
    ],
  };
  const started = await gateway(t, { users: staff, config });
  const last = () => upstream.received.at(-1);
  return { ...started, upstream, path, last, visitor: () => new Visitor(started.url) };
}

function claimsIn(token: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString());
}

test('privileges: they are told on the routes of their application alone, whatever a client sends', async (t) => {
  const { visitor, last } = await desk(t);
  const supervisor = visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  const forged = { headers: { 'x-remote-privileges': 'everything', 'X-Remote_Privileges': 'everything' } };
  await supervisor.open('/ia/', forged);
  assert.deepEqual(last()?.values('x-remote-privileges'), ['reports.read,users.read,users.write']);
  assert.deepEqual(last()?.values('x-own'), ['reports.read,users.read,users.write']);
  assert.deepEqual(claimsIn(last()?.values('x-gatehouse-assertion')[0]).privileges, [
    'reports.read',
    'users.read',
    'users.write',
  ]);
  assert.deepEqual(last()?.values('x-remote-roles'), ['Viewer,agent,supervisor']);
  await supervisor.open('/', forged);
  assert.deepEqual(last()?.values('x-remote-privileges'), []);
  assert.deepEqual(last()?.values('x-own'), []);
  assert.equal('privileges' in claimsIn(last()?.values('x-gatehouse-assertion')[0]), false);
});

test('privileges: a location lets in who has one of them, and the others get 403; no role is no privilege', async (t) => {
  const { visitor, last, upstream, audit } = await desk(t, file.replace('groups: [agents]', 'groups: [nobody]'));
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  assert.equal((await agent.open('/ia/')).status, 200);
  assert.deepEqual(last()?.values('x-remote-privileges'), []);
  const heard = upstream.received.length;
  assert.equal((await agent.open('/ia/users/')).status, 403);
  assert.equal((await agent.open('/ia/viewers/')).status, 403);
  assert.equal(upstream.received.length, heard);
  assert.deepEqual(
    audit('request')
      .slice(-2)
      .map(({ reason }) => reason),
    ['privilege-missing', 'role-missing'],
  );
  const supervisor = visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  assert.equal((await supervisor.open('/ia/users/')).status, 200);
});

test('privileges: the file is read again on reload, at once for live sessions, and a broken one leaves the old in force', async (t) => {
  const { visitor, path, running, last } = await desk(t);
  const supervisor = visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  assert.equal((await supervisor.open('/ia/users/')).status, 200);
  await writeFile(
    path,
    file.replace('supervisor: { privileges: [users.write] }', 'supervisor: { privileges: [gone] }'),
  );
  const refused = await running.reload({ actor: 'signal' });
  assert.match(JSON.stringify(refused), /ia-roles\.yaml:5:30/);
  assert.equal((await supervisor.open('/ia/users/')).status, 200);
  assert.deepEqual(last()?.values('x-remote-privileges'), ['reports.read,users.read,users.write']);
  await writeFile(path, file.replace('supervisor: { privileges: [users.write] }', 'supervisor: {}'));
  await running.reload({ actor: 'signal' });
  assert.equal((await supervisor.open('/ia/users/')).status, 403);
  await supervisor.open('/ia/');
  assert.deepEqual(last()?.values('x-remote-privileges'), ['reports.read']);
});

test('privileges: an API token with fewer roles has fewer of them', async (t) => {
  const { file: config, visitor, last, write, running, upstream, path } = await desk(t);
  await write({
    ...siteConfig(upstream.origin),
    applications: { automation: { roles: path } },
    routes: [{ location: '/ia/', upstream: upstream.origin, application: 'automation', access: { apiTokens: true } }],
  });
  await running.reload({ actor: 'signal' });
  const made = await run([
    'api-tokens',
    'add',
    'report',
    '--user',
    'supervisor1',
    '--roles',
    'Viewer',
    '--config',
    config,
  ]);
  const token = /gha_\S+/.exec(made.stdout)?.[0];
  assert.ok(token, made.stdout + made.stderr);
  assert.equal((await visitor().fetch('/ia/', { headers: { authorization: `Bearer ${token}` } })).status, 200);
  assert.deepEqual(last()?.values('x-remote-privileges'), ['reports.read']);
});

test('privileges: a list that is too long for a claim is named in truncated', async (t) => {
  const many = Array.from({ length: 120 }, (_, index) => `privilege.of.some.length.${index}`);
  const { visitor, last } = await desk(
    t,
    `format: gatehouse-roles/1\nprivileges: { ${['users.read', ...many].map((one) => `${one}: {}`).join(', ')} }\nroles: { supervisor: { privileges: [${many.join(', ')}] }, Viewer: {} }\n`,
  );
  const supervisor = visitor();
  await supervisor.mustSignIn('supervisor1', passwords.supervisor1);
  await supervisor.open('/ia/');
  const claims = claimsIn(last()?.values('x-gatehouse-assertion')[0]);
  assert.deepEqual([claims.truncated, 'privileges' in claims], [['privileges'], false]);
  assert.equal(last()?.values('x-remote-privileges')[0]?.split(',').length, 120);
});

test('privileges: an application with the gateway inside sees them', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'ia-roles.yaml');
  await writeFile(path, file);
  const app = await startApp(t, {
    config: {
      applications: { automation: { roles: path } },
      routes: [
        { location: '/', application: 'automation' },
        { location: '/users/', application: 'automation', access: { privileges: ['users.write'] } },
      ],
    },
  });
  const agent = app.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const seen = JSON.parse((await agent.open('/')).text) as { headers: Record<string, string> };
  assert.equal(seen.headers['x-remote-privileges'], 'reports.read');
  assert.equal((await agent.open('/users/')).status, 403);
});

test('check, explain: faults of the file and of routes have their place; explain says what somebody may do', async (t) => {
  const { file: config, path } = await desk(t);
  const said = await run(['explain', '--config', config, '--user', 'agent1', '--url', '/ia/users/']);
  assert.match(said.stdout, /^privilege {2}automation: reports\.read$/m);
  assert.match(said.stdout, /^decision {3}403: privilege-missing$/m);
  const check = async (from: string, to: string): Promise<string> => {
    const before = await readFile(config, 'utf8');
    await writeFile(config, before.replace(from, to));
    const { stderr } = await run(['check', '--config', config]);
    await writeFile(config, before);
    return stderr;
  };
  assert.match(
    await check('- users.read', '- users.raed'),
    /privileges\[0\]: names no privilege of automation: "users\.raed" — did you mean "users\.read"\?/,
  );
  assert.match(
    await check('application: automation\n    access:\n      privileges', 'access:\n      privileges'),
    /access\.privileges: asks for privileges, and the route says of no application whose/,
  );
  await writeFile(path, file.replace('application: automation', 'application: ivr'));
  assert.match(
    await check('', ''),
    /applications\.automation\.roles: is broken: \S+ia-roles\.yaml:2:14 {2}application: is of ivr/,
  );
  await writeFile(path, file.replace('users.write] }\n  Viewer', 'users.write], from: { groups: [all] } }\n  Viewer'));
  assert.match(await check('', ''), /automation\.roles: says with from: who has supervisor, which roles: gives too/);
  await writeFile(path, file.replace('groups: [agents]', 'groups: [agents], only: [loco]'));
  assert.match(
    await check('', ''),
    /ia-roles\.yaml:6:\d+ {2}roles\.Viewer\.from\.only\[0\]: names no provider: "loco"/,
  );
});

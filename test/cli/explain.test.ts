/** `gatehouse explain` beside a gateway that runs: it knows who is signed in and who is locked out, and changes neither. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gateway, type Yaml } from '../support/scenes/gateway.ts';
import { passwords, siteConfig, staff } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

async function world(t: TestContext, config: Yaml = {}) {
  const path = join(await temporaryFolder(t), 'store');
  const gate = await gateway(t, {
    users: staff,
    config: { ...siteConfig('http://127.0.0.1:1'), session: { store: { type: 'embedded', path } }, ...config },
  });
  const explain = (url: string, ...more: string[]) =>
    run(['explain', '--user', 'Agent1', '--url', url, '--config', gate.file, ...more]);
  return { gate, explain, visitor: new Visitor(gate.url) };
}

const decision = (text: string) => /^decision +(.*)/m.exec(text)?.[1];

test('explain: a user whom the gateway answers with 429 is not permitted, and neither is the address', async (t) => {
  const login = { chain: ['local'], lockout: { user: 2, address: 3, delay: '1m' } };
  const { explain, visitor } = await world(t, { login });
  assert.equal(decision((await explain('/desk')).stdout), 'permit');
  for (const password of ['wrong-1', 'wrong-2', 'wrong-3']) await visitor.signIn('agent1', password);
  assert.equal((await visitor.signIn('agent1', passwords.agent1)).status, 429);
  const locked = await explain('/desk');
  assert.equal(locked.code, 1);
  assert.match(decision(locked.stdout) ?? '', /^429: too-many-failures, for \d+ s$/);
  assert.match(locked.stdout, /^lock +the name is locked for \d+ s/m);
  assert.equal(decision((await explain('/public/x')).stdout), 'permit', 'what is public asks nobody');
  for (const name of ['carl', 'dora', 'emil']) await visitor.signIn(name, 'wrong-4');
  const near = await explain('/desk', '--address', '127.0.0.1');
  assert.match(near.stdout, /^lock +the address is locked for \d+ s/m);
  assert.doesNotMatch((await explain('/desk', '--address', '192.0.2.1')).stdout, /the address is locked/);
  assert.equal((await explain('/desk', '--address', 'home')).code, 2);
  assert.equal((await visitor.signIn('agent1', passwords.agent1)).status, 429, 'nothing was unlocked or counted');
});

test('explain: the decision is that of the live session, with what a login would change', async (t) => {
  const { gate, explain, visitor } = await world(t);
  assert.match((await explain('/desk')).stdout, /^session +none is live$/m);
  await visitor.mustSignIn('agent1', passwords.agent1);
  const [{ session } = {}] = gate.audit('login');
  const { code, stdout } = await explain('/desk');
  assert.equal(code, 0);
  assert.match(
    stdout,
    new RegExp(`^session +${String(session)} of local, proved .*, from 127\\.0\\.0\\.1: permit$`, 'm'),
  );
  assert.match(stdout, /^ +by the session seen last; after a login: permit$/m);
  assert.match(stdout, /^header +x-remote-user: agent1$/m);
  assert.equal(decision((await explain('/admin')).stdout), '403: role-missing');
  const proved = await run(['explain', '--user', 'agent1', '--url', '/desk', '--password', '--config', gate.file], {
    stdin: 'wrong-password\n',
  });
  assert.equal(decision(proved.stdout), '401: nobody is signed in', 'a password asks for a login');
  assert.equal((await visitor.fetch('/_gate/session')).status, 200, 'the session is as live as before');
});

test('explain: of a provider that nobody can ask about a name it says that, and why', async (t) => {
  const { explain } = await world(t, {
    login: { chain: ['local', 'sso', 'cas'] },
    providers: {
      local: { type: 'local', users: 'users.yaml' },
      sso: { type: 'oidc', issuer: 'https://127.0.0.1:1', clientId: 'gate', clientSecret: 'none-of-import' },
      cas: { type: 'cas', url: 'https://127.0.0.1:1/cas' },
    },
  });
  const known = await explain('/desk');
  assert.match(known.stdout, /^login +sso: cannot be asked about a name \(oidc\): it tells who somebody is when/m);
  assert.match(known.stdout, /^login +cas: cannot be asked about a name \(cas\): /m);
  assert.equal(known.code, 0);
  const { stdout, code } = await explain('/desk', '--user', 'nobody');
  assert.equal(decision(stdout), 'not known: sso, cas may know the user, and cannot be asked');
  assert.equal(code, 1);
});

test('explain: without a file of the store it says that sessions and lock-outs are not known', async (t) => {
  const { explain } = await world(t, { session: { store: { type: 'memory' } } });
  const { stdout, code } = await explain('/desk');
  assert.match(
    stdout,
    /^session +sessions and lock-outs are not known: they are in the memory of the gateway that runs$/m,
  );
  assert.equal(code, 0);
});

test('explain: what a network means is said of the address, and without one of this machine', async (t) => {
  const networks = ['10.0.0.0/8', '192.0.2.1'];
  const upstream = 'http://127.0.0.1:1';
  const { explain } = await world(t, {
    routes: [
      { location: '/lan/', upstream, access: { public: true, networks } },
      { location: '/either/', upstream, access: { roles: ['supervisor'], networks, satisfy: 'any' } },
      { location: '/anybody/', upstream, access: 'optional' },
    ],
  });
  const line = (text: string) => /^network +(.*)/m.exec(text)?.[1];
  const list = '10.0.0.0/8, 192.0.2.1/32';
  const within = await explain('/lan/', '--address', '10.1.2.3');
  assert.equal(line(within.stdout), `+ 10.1.2.3 is in one of ${list}: the location is for it`);
  const outside = await explain('/lan/');
  assert.equal(
    line(outside.stdout),
    `- 127.0.0.1 is in none of ${list}: nobody passes (this machine: --address says where the user is)`,
  );
  assert.deepEqual([outside.code, decision(outside.stdout)], [1, '403: network-not-admitted']);
  const free = await explain('/either/', '--address', '192.0.2.1');
  assert.equal(line(free.stdout), `+ 192.0.2.1 is in one of ${list}: nobody has to sign in`);
  assert.deepEqual([free.code, decision(free.stdout)], [0, 'permit'], 'the role does not count');
  const asked = await explain('/either/', '--address', '192.0.2.2');
  assert.equal(decision(asked.stdout), '403: role-missing');
  const anonymous = await explain('/anybody/', '--user', 'nobody');
  assert.deepEqual([anonymous.code, decision(anonymous.stdout)], [0, 'permit, without an identity']);
});

test('explain: says whether the lane takes the request', async (t) => {
  const lane = ({ stdout }: { stdout: string }) => /^lane +(.).*/m.exec(stdout)?.[1];
  const { explain } = await world(t);
  assert.equal(lane(await explain('/desk')), '+');
  assert.equal(lane(await explain('/admin')), undefined, 'nothing is forwarded');
  const off = await world(t, { server: { lane: false } });
  assert.match((await off.explain('/desk')).stdout, /^lane +- server\.lane is false$/m);
  const tls = await world(t, siteConfig('https://127.0.0.1:1'));
  assert.equal(lane(await tls.explain('/desk')), '-');
});

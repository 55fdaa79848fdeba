/** Users of other systems switched off at once: nobody of theirs signs in or stays, and local ones are as before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passwords, site, siteConfig } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';

const others = {
  directory: {
    ...{ type: 'ldap', url: 'ldaps://127.0.0.1:1', searchBase: 'dc=example,dc=com', userSearchFilter: '(uid=%s)' },
    domains: { 'corp.example': 'strip' },
  },
  sso: { type: 'cas', url: 'https://127.0.0.1:1/cas' },
  second: { type: 'local', users: 'users.yaml' },
};
const login = { chain: ['sso', 'directory', 'second'], default: 'sso', external: false };

test('external: false: the page has its form alone, and other systems are neither asked nor led to', async (t) => {
  const { visitor, audit } = await site(t, { config: { login, providers: others } });
  const agent = visitor();
  const page = await agent.open('/_gate/login');
  assert.equal(page.status, 200, 'login.default leads nowhere');
  assert.doesNotMatch(page.text, /_gate\/start/);
  assert.equal((await agent.open('/_gate/start/sso')).status, 404);
  assert.equal((await agent.signIn('alice@corp.example', 'right')).status, 401);
  assert.partialDeepStrictEqual(audit('login').at(-1), { outcome: 'failed', reason: 'external-off' });
  assert.equal(
    audit('login').some((record) => JSON.stringify(record).includes('unavailable')),
    false,
  );
  await agent.mustSignIn('agent1', passwords.agent1);
});

test('external: false: a reload ends the sessions of the others, and says so', async (t) => {
  const desk = (options: object) => ({ providers: { desk: options, second: others.second } });
  const { visitor, audit, write, running, upstream } = await site(t, {
    config: { login: { chain: ['desk'] }, ...desk(others.second) },
  });
  const agent = visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  await write({
    ...siteConfig(upstream.origin),
    login: { chain: ['desk', 'second'], external: false },
    ...desk(others.sso),
  });
  await running.reload({ actor: 'signal' });
  assert.equal((await agent.open('/')).status, 302);
  assert.partialDeepStrictEqual(audit('session-end').at(-1), { reason: 'external-off' });
  await agent.mustSignIn('agent1', passwords.agent1);
});

test('check, explain: they say who is not asked; a chain of nobody else is an error', async (t) => {
  const { file, write, upstream } = await site(t, { config: { login, providers: others } });
  const { stderr } = await run(['check', '--config', file]);
  assert.match(stderr, /login\.external: is false: sso, directory are not asked/);
  const said = await run(['explain', '--config', file, '--user', 'alice', '--url', '/']);
  assert.match(said.stdout, /^login {6}directory: not asked, external-off/m);
  await write({ ...siteConfig(upstream.origin), login: { chain: ['directory'], external: false }, providers: others });
  const wrong = await run(['check', '--config', file]);
  assert.match(wrong.stderr, /login\.external: is false, and the chain has no provider of type local/);
});

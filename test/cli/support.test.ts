/** `gatehouse support FILE`: what helps is in it, what is secret is not, and nobody else can read it. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const secrets = {
  manager: 'the-managers-password-44',
  admin: 'the-token-of-the-monitor-55',
  header: 'the-basic-of-kibana-66',
};

const config = {
  login: { chain: ['directory', 'local'] },
  providers: {
    local: { type: 'local', users: 'users.yaml' },
    directory: {
      type: 'ldap',
      url: 'ldap://127.0.0.1:1',
      searchBase: 'dc=example',
      userSearchFilter: 'uid=%s',
      managerDn: 'cn=reader',
      managerPassword: secrets.manager,
    },
  },
  admin: { tokens: { prometheus: { token: secrets.admin, role: 'monitor' } } },
};

test('support: versions, outline, check and the last warnings of the gateway, for the owner only and without secrets', async (t) => {
  const started = await site(t, { config });
  const answer = await started.visitor().signIn('agent1', 'not-the-password-77');
  assert.equal(answer.status, 503);
  const file = path.join(await temporaryFolder(t), 'support.json');
  const result = await run(['support', file, '--config', started.file]);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, 'utf8');
  const report = JSON.parse(text);
  assert.partialDeepStrictEqual(report, {
    versions: { node: process.versions.node },
    configuration: { chain: ['ldap', 'local'], store: 'memory', audit: 'stdout' },
    check: { code: 0 },
    gateway: { '/health/ready': { store: 'ok' } },
  });
  assert.match(report.check.said.join('\n'), /plain text|secret/i, 'the warning of a secret in clear');
  const { warnings } = report.gateway['/warnings'];
  assert.ok(warnings.some(({ message }: { message: string }) => message === 'a provider is unavailable'));
  assert.ok(report.gateway['/providers'].providers.some(({ name }: { name: string }) => name === 'directory'));
  for (const secret of [...Object.values(secrets), 'not-the-password-77'])
    assert.equal(text.includes(secret), false, secret);
});

test('support: without a gateway, with a configuration that is wrong, and over no file that is there', async (t) => {
  const started = await site(t);
  const folder = await temporaryFolder(t);
  await started.stop();
  const file = path.join(folder, 'support.json');
  writeFileSync(started.file, 'routes: 7\n');
  assert.equal((await run(['support', file, '--config', started.file])).code, 0);
  const report = JSON.parse(readFileSync(file, 'utf8'));
  assert.equal(report.check.code, 1);
  assert.ok(report.configuration.errors > 0);
  assert.match(report.gateway.unreachable, /\w/);
  const again = await run(['support', file, '--config', started.file]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is there already/);
  assert.equal((await run(['support', path.join(folder, 'no', 'support.json')])).code, 1);
  for (const words of [[], ['a', 'b']]) assert.equal((await run(['support', ...words])).code, 2);
});

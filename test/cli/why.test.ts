/** `gatehouse why CODE`, and the listener's `/logins` and `/providers`: from what a user tells to what was decided and why. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';

const codeOn = (page: string): string => /<code>([0-9A-Z]{4}-[0-9A-Z]{4})<\/code>/.exec(page)?.[1] ?? 'none';

interface Listed {
  readonly logins: readonly Readonly<Record<string, unknown>>[];
  readonly more: boolean;
}

async function loginsAt(started: Site, query: string): Promise<Listed> {
  const response = await fetch(new URL(`/logins${query}`, started.admin));
  assert.equal(response.status, 200, query);
  return (await response.json()) as Listed;
}

async function failedLogin(started: Site, name = 'agent1'): Promise<string> {
  const answer = await started.visitor().signIn(name, 'not-the-password');
  assert.equal(answer.status, 401);
  return codeOn(answer.text);
}

test('why: the code on the login page leads to the chain, the words on the page and the remedy', async (t) => {
  const started = await site(t);
  const code = await failedLogin(started);
  for (const told of [code, code.toLowerCase(), code.replace('-', '')]) {
    const { code: exit, stdout, stderr } = await run(['why', told, '--config', started.file]);
    assert.equal(exit, 0, stderr);
    assert.ok(stdout.startsWith(`${code}\n`));
    assert.match(stdout, /^login +failed$/m);
    assert.match(stdout, /^reason +bad-password$/m);
    assert.match(stdout, /^who +agent1 \(as typed\), by local, from 127\.0\.0\.1$/m);
    assert.match(stdout, /^chain +local: rejected \(bad-password\), [\d.]+ ms$/m);
    assert.match(stdout, /^told +“Signing in did not work\. The user name or the password is wrong\.”$/m);
    assert.match(stdout, /^remedy +the user types it again/m);
    assert.match(stdout, /The log has more under the request [\da-f-]{36}/);
    assert.equal(stdout.includes('not-the-password'), false);
  }
});

test('why: a denial and an application that is away, as pages and as JSON', async (t) => {
  const started = await site(t);
  const agent = started.visitor();
  await agent.mustSignIn('agent1', passwords.agent1);
  const denied = codeOn((await agent.open('/admin')).text);
  const told = await run(['why', denied, '--config', started.file]);
  assert.match(told.stdout, /^request +GET \/admin → 403 \(refuse, route admin\)$/m);
  assert.match(told.stdout, /^reason +role-missing$/m);
  assert.match(told.stdout, /^remedy +explain; group or roles:$/m);
  await started.upstream.close();
  const answer = await agent.fetch('/x');
  assert.equal(answer.status, 502);
  const { code } = JSON.parse(answer.text);
  const away = await run(['why', code, '--config', started.file]);
  assert.match(away.stdout, /^told +“The application does not answer/m);
  assert.match(away.stdout, /^reason +upstream-unreachable$/m);
});

test('why: an audit in a file is read without a gateway, one of before a rotation by its name', async (t) => {
  const folder = await temporaryFolder(t);
  const to = path.join(folder, 'audit.jsonl');
  const started = await site(t, { config: { audit: { to } } });
  const code = await failedLogin(started);
  await until('it is written', () => readFileSync(to, 'utf8').includes(code));
  assert.partialDeepStrictEqual((await loginsAt(started, `?code=${code}`)).logins, [{ code, reason: 'bad-password' }]);
  await started.stop();
  assert.match((await run(['why', code, '--config', started.file])).stdout, /bad-password/);
  renameSync(to, `${to}.1`);
  assert.equal((await run(['why', code, '--config', started.file])).code, 69, 'nobody is there to ask');
  assert.match((await run(['why', code, '--audit', `${to}.1`])).stdout, /bad-password/);
  const gone = await run(['why', code, '--audit', to]);
  assert.deepEqual([gone.code, /cannot be read/.test(gone.stderr)], [1, true]);
});

test('why: what is no code, and one that nobody has', async (t) => {
  const started = await site(t);
  for (const words of [[], ['7K3M'], ['7K3M-9QXD', 'more'], ['../../etc/passwd']])
    assert.equal((await run(['why', ...words, '--config', started.file])).code, 2, words.join(' '));
  const unknown = await run(['why', '7K3M-9QXD', '--config', started.file]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no record of the gateway at .* has the code 7K3M-9QXD/);
});

test('logins: by user, code and time, each with its code; what cannot be meant is 400', async (t) => {
  const started = await site(t, { config: { audit: { to: 'off' } } });
  const code = await failedLogin(started);
  await failedLogin(started, 'supervisor1');
  await started.visitor().mustSignIn('agent1', passwords.agent1);
  const all = await loginsAt(started, '');
  assert.deepEqual(
    all.logins.map(({ user, outcome }) => [user, outcome]),
    [
      ['agent1', 'succeeded'],
      ['supervisor1', 'failed'],
      ['agent1', 'failed'],
    ],
  );
  assert.ok(all.logins.every((login) => /^\w{4}-\w{4}$/.test(String(login.code))));
  assert.equal((await loginsAt(started, '?user=AGENT1')).logins.length, 2);
  assert.equal((await loginsAt(started, `?code=${code.toLowerCase()}`)).logins.length, 1);
  assert.equal((await loginsAt(started, '?since=15m')).logins.length, 3);
  assert.equal((await loginsAt(started, `?since=${new Date(Date.now() + 60_000).toISOString()}`)).logins.length, 0);
  assert.deepEqual((await loginsAt(started, '?limit=1')).more, true);
  for (const query of ['?code=x', '?since=yesterday', '?limit=0', '?user=a&user=b', '?since=1m&since=2m'])
    assert.equal((await fetch(new URL(`/logins${query}`, started.admin))).status, 400, query);
});

test('providers: each with its type, state and times, and what failed last', async (t) => {
  const local = { type: 'local', users: 'users.yaml' };
  const directory = { type: 'ldap', url: 'ldap://127.0.0.1:1', searchBase: 'dc=x', userSearchFilter: 'uid=%s' };
  const config = { login: { chain: ['directory', 'local'] }, providers: { local, directory } };
  const started = await site(t, { config });
  interface Provider {
    readonly name: string;
    readonly [field: string]: unknown;
  }
  const ask = async (): Promise<readonly Provider[]> =>
    ((await (await fetch(new URL('/providers', started.admin))).json()) as { providers: Provider[] }).providers;
  assert.partialDeepStrictEqual(
    (await ask()).find(({ name }) => name === 'directory'),
    { type: 'ldap', state: 'unknown', p50: null, p95: null, lastError: null },
  );
  await started.visitor().mustSignIn('agent1', passwords.agent1);
  const found = await ask();
  const away = found.find(({ name }) => name === 'directory');
  assert.partialDeepStrictEqual(away, { state: 'degraded', lastError: { reason: 'unreachable' } });
  const well = found.find(({ name }) => name === 'local');
  assert.equal(well?.state, 'ok');
  assert.ok(Number(well?.p50) > 0 && Number(well?.p95) >= Number(well?.p50));
  assert.ok(!Number.isNaN(Date.parse(String(well?.since))));
});

/** `gatehouse check`, `explain`, `users`: what they print and how they exit. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { stringify } from 'yaml';
import type { Yaml } from '../../support/scenes/gateway.ts';
import { passwords, siteConfig } from '../../support/scenes/site.ts';
import { issueCertificate, testCertificates } from '../../support/tools/certificates.ts';
import { run, start } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

/** A configuration in a folder of its own. */
async function configured(t: TestContext, over: Yaml = {}): Promise<{ file: string; folder: string }> {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'gatehouse.yaml');
  const config = {
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    ...siteConfig('http://127.0.0.1:1'),
    ...over,
  };
  await writeFile(file, stringify(config));
  return { file, folder };
}

async function withUsers(t: TestContext, over: Yaml = {}): Promise<{ file: string; folder: string }> {
  const made = await configured(t, over);
  const add = [
    'users',
    'add',
    'agent1',
    '--name',
    'Agent One',
    '--email',
    'a@example.com',
    '--groups',
    'agents',
    '--config',
    made.file,
  ];
  assert.equal((await run(add, { stdin: `${passwords.agent1}\n` })).code, 0);
  return made;
}

test('check: a good configuration exits with 0', async (t) => {
  const { file } = await configured(t);
  const { code, stdout } = await run(['check', '--config', file]);
  assert.equal(code, 0);
  assert.match(stdout, /gatehouse\.yaml: good/);
});

test('check: every error comes at once, with its place, the key and a hint for a misspelt one', async (t) => {
  const { file } = await configured(t, {
    sesion: { idle: '30m' },
    login: { chain: ['directory'], timeout: '5 seconds' },
  });
  const { code, stderr } = await run(['check', '--config', file]);
  assert.equal(code, 1);
  assert.match(stderr, /gatehouse\.yaml:\d+:\d+ {2}sesion: .*session/);
  assert.match(stderr, /gatehouse\.yaml:\d+:\d+ {2}login\.timeout: /);
  assert.match(stderr, /3 errors/);
});

test('check: names that lead nowhere are errors where they stand', async (t) => {
  const { routes } = siteConfig('http://127.0.0.1:1') as { routes: Yaml[] };
  const { file } = await configured(t, {
    login: { chain: ['local', 'nowhere'] },
    routes: [
      ...routes,
      {
        location: '/x/',
        upstream: 'http://127.0.0.1:1',
        access: { roles: ['boss'] },
        headers: { 'X-Who': '$' + '{whoever}' },
      },
    ],
  });
  const { stderr } = await run(['check', '--config', file]);
  assert.match(stderr, /login\.chain\[1\]: names no provider/);
  assert.match(stderr, /routes\[7\]\.access\.roles\[0\]: names no role/);
  assert.match(stderr, /routes\[7\]\.headers\.X-Who: /);
});

test('check: a users file or a keytab that would keep the gateway from starting is an error at its provider', async (t) => {
  const keytab = { type: 'kerberos', principal: 'HTTP/cc.example.com@EXAMPLE.COM', keytab: 'cc.keytab' };
  const { file, folder } = await configured(t, {
    providers: { tickets: keytab, local: { type: 'local', users: 'users.yaml' } },
    login: { chain: ['tickets', 'local'] },
  });
  const early = await run(['check', '--config', file]);
  assert.equal(early.code, 0, early.stderr);
  assert.match(early.stderr, /gatehouse\.yaml:\d+:\d+[^\n]*cc\.keytab is not here/);
  assert.ok(!early.stderr.includes('users.yaml'), 'a users file is made by the first of them');

  await writeFile(path.join(folder, 'users.yaml'), 'users:\n  bob: { password: plain }\n');
  await writeFile(path.join(folder, 'cc.keytab'), 'no keytab');
  const late = await run(['check', '--config', file]);
  assert.equal(late.code, 1);
  assert.match(late.stderr, /gatehouse\.yaml:\d+:\d+[^\n]*users\.yaml:2/);
  assert.match(late.stderr, /gatehouse\.yaml:\d+:\d+[^\n]*cc\.keytab/);
  assert.ok(!late.stderr.includes('plain'));
});

test('check: a prefix that admits its siblings is a warning with the way out, and good', async (t) => {
  const { file } = await configured(t);
  const { code, stderr } = await run(['check', '--config', file]);
  assert.equal(code, 0);
  assert.match(stderr, /location: .*\/adminx/);
});

test('check: text of a header that reads like a variable of another program is a warning, with the one of ours', async (t) => {
  const { file } = await configured(t, { headers: { 'X-WEBAUTH-USER': '$remote_user' } });
  const { code, stderr } = await run(['check', '--config', file]);
  assert.equal(code, 0);
  assert.match(stderr, /headers\.X-WEBAUTH-USER: \$remote_user is no variable here.* — write \$\{subject\}/);
});

test('check --connect: of an https upstream the certificate is tried, and what is odd is a warning', async (t) => {
  const { certificate, key } = issueCertificate('localhost', '');
  const server = createTlsServer({ cert: await readFile(certificate), key: await readFile(key) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const upstream = {
    servers: `https://localhost:${(server.address() as AddressInfo).port}`,
    ca: testCertificates().ca,
  };
  const { file } = await withUsers(t, {
    routes: [
      { location: '/', upstream },
      { location: '/b', upstream },
    ],
  });
  const { code, stdout } = await run(['check', '--connect', '--config', file]);
  assert.equal(code, 0, stdout);
  assert.equal(stdout.match(/\(upstream\)/g)?.length, 1, 'each server once');
  assert.match(
    stdout,
    /warning {2}tls .*stands in the certificate as Common Name only, which does not count: localhost/,
  );
});

test('check --connect: a provider without a network says what it found', async (t) => {
  const { file } = await withUsers(t);
  const { code, stdout } = await run(['check', '--connect', '--config', file]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /local \(local\)/);
  assert.match(stdout, /every provider answers/);
});

test('environment: LOGIN_TIMEOUT_MS and AUTH_PREVENT_XUC_LOGIN stand over the file; what they hold is checked', async (t) => {
  const { file } = await configured(t);
  assert.equal(
    (
      await run(['check'], {
        env: { GATEHOUSE_CONFIG: file, LOGIN_TIMEOUT_MS: '7000', AUTH_PREVENT_XUC_LOGIN: 'false' },
      })
    ).code,
    0,
  );
  const odd = await run(['check'], { env: { GATEHOUSE_CONFIG: file, LOGIN_TIMEOUT_MS: 'soon' } });
  assert.equal(odd.code, 1);
  assert.match(odd.stderr, /LOGIN_TIMEOUT_MS/);
});

test('explain: a route, the user’s entry, roles, the decision and the headers', async (t) => {
  const { file } = await withUsers(t);
  const { code, stdout } = await run(['explain', '--user', 'agent1', '--url', '/desk?q=1', '--config', file]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /route {6}home: /);
  assert.match(stdout, /upstream {3}http:\/\/127\.0\.0\.1:1\/desk\?q=1/);
  assert.match(stdout, /role {7}\+ agent: /);
  assert.match(stdout, /role {7}- supervisor: /);
  assert.match(stdout, /decision {3}permit/);
  assert.match(stdout, /header {5}x-remote-user: agent1/i);
  assert.match(stdout, /header {5}x-gatehouse-assertion: a token for http:\/\/127\.0\.0\.1:1,/i);
});

test('explain: what the gateway refuses or answers by itself is told as it would be', async (t) => {
  const { file } = await withUsers(t, { login: { chain: ['local'], reservedUsers: ['Agent1'] } });
  const explain = (url: string) => run(['explain', '--user', 'agent1', '--url', url, '--config', file]);
  const reserved = await explain('/desk');
  assert.equal(reserved.code, 1);
  assert.match(reserved.stdout, /user +nobody: rejected \(user-reserved\)/);
  const own = await explain('/_gate/login');
  assert.equal(own.code, 1);
  assert.match(own.stdout, /route +none: one of the gateway's own addresses/);
  assert.match((await explain('/fresh?a=1')).stdout, /route +none: sent on to \/fresh\/\?a=1/);
  const trace = await run(['explain', '--user', 'agent1', '--url', '/public', '--method', 'TRACE', '--config', file]);
  assert.deepEqual([trace.code, /^decision .*/m.exec(trace.stdout)?.[0]], [1, 'decision   refused with 405']);
  const odd = await explain('desk');
  assert.equal(odd.code, 1);
  assert.match(odd.stdout, /refused with 400: the target is neither a path nor an http or https address/);
  assert.match((await explain('http://127.0.0.1')).stdout, /path +\/ /);
});

test('explain: a refusal exits with 1 and says why', async (t) => {
  const { file } = await withUsers(t);
  const denied = await run(['explain', '--user', 'agent1', '--url', '/public/../admin', '--config', file]);
  assert.equal(denied.code, 1);
  assert.match(denied.stdout, /403: role-missing/);
  const stranger = await run(['explain', '--user', 'nobody', '--url', '/desk', '--config', file]);
  assert.match(stranger.stdout, /nobody: unknown-user/);
  const odd = await run(['explain', '--user', 'agent1', '--url', '/admin%2f..', '--config', file]);
  assert.match(odd.stdout, /refused with 400/);
});

test('users add: a reserved name is added, and said to be of no use at the login page', async (t) => {
  const { file } = await configured(t, { login: { chain: ['local'], reservedUsers: ['XUC'] } });
  const add = (name: string) => run(['users', 'add', name, '--config', file], { stdin: 'another-long-one-7\n' });
  const reserved = await add('xuc');
  assert.equal(reserved.code, 0);
  assert.match(reserved.stderr, /xuc stands in login\.reservedUsers and cannot sign in/);
  assert.equal((await add('carl')).stderr, '');
});

test('users: a password of fewer than eight characters is taken, with a warning', async (t) => {
  const { file } = await configured(t);
  const users = (verb: string, name: string, password: string) =>
    run(['users', verb, name, '--config', file], { stdin: `${password}\n` });
  const short = /the password of carl has fewer than 8 characters/;
  const added = await users('add', 'carl', 'sieben7');
  assert.deepEqual([added.code, added.stdout.startsWith('carl is added')], [0, true]);
  assert.match(added.stderr, short);
  assert.match((await users('passwd', 'carl', '\u{1f511}'.repeat(7))).stderr, short);
  assert.equal((await users('passwd', 'carl', 'q7w-zebu')).stderr, '');
});

test('explain --password: runs the chain for real, and prints no password', async (t) => {
  const { file } = await withUsers(t);
  const ask = ['explain', '--user', 'agent1', '--url', '/desk', '--password', '--config', file];
  const right = await run(ask, { stdin: `${passwords.agent1}\n` });
  assert.equal(right.code, 0);
  assert.match(right.stdout, /local: authenticated in [\d.]+ ms/);
  const wrong = await run(ask, { stdin: 'wrong-one-33\n' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout, /local: rejected \(bad-password\)/);
  assert.ok(
    ![right, wrong].some(
      ({ stdout, stderr }) => (stdout + stderr).includes(passwords.agent1) || stdout.includes('wrong-one-33'),
    ),
  );
});

test('users: added, listed, disabled, enabled and given a new password; the file is for its owner alone', async (t) => {
  const { file, folder } = await withUsers(t);
  const users = (...argv: string[]) => run(['users', ...argv, '--config', file], { stdin: 'another-long-one-7\n' });
  assert.match((await users('list')).stdout, /agent1 +enabled +Agent One +a@example\.com +agents/);
  assert.equal((await users('disable', 'agent1')).code, 0);
  assert.match((await users('list')).stdout, /agent1 +disabled/);
  assert.equal((await users('enable', 'agent1')).code, 0);
  assert.equal((await users('passwd', 'agent1')).code, 0);
  const text = await readFile(path.join(folder, 'users.yaml'), 'utf8');
  assert.match(text, /\$argon2id\$/);
  assert.ok(!text.includes('another-long-one-7'));
  assert.equal((await stat(path.join(folder, 'users.yaml'))).mode & 0o777, 0o600);
});

const mistakes = {
  'a user who is there': [['users', 'add', 'AGENT1'], 1, /has a user/],
  'a user who is not': [['users', 'passwd', 'nobody'], 1, /has no user nobody/],
  'an address with two @': [['users', 'add', 'carl', '--email', 'a@b.example@c.example'], 1, /is no e-mail address/],
  'a name without end': [['users', 'add', 'x'.repeat(3000)], 1, /^.{0,120} is longer than 256 characters/],
  'a method with a blank': [['explain', '--user', 'a', '--url', '/', '--method', 'GE T'], 2, /is no method/],
  'no name': [['users', 'add'], 2, /usage/],
  'an unknown verb': [['users', 'frobnicate', 'x'], 2, /usage/],
  'an unknown command': [['frobnicate'], 2, /unknown command/],
  'an unknown option': [['check', '--frobnicate'], 2, /there is no option --frobnicate\n {2}gatehouse check/],
  'a slip in an option': [['check', '--conect'], 2, /did you mean --connect\?/],
  'a file without its option': [
    ['check', 'site.yaml'],
    2,
    /site\.yaml is one word too many\n {2}gatehouse check \[--config FILE\]/,
  ],
  'an explanation of nobody': [['explain', '--url', '/'], 2, /--user and --url are needed/],
  'an export for no proxy': [['export'], 2, /one kind of proxy/],
} as const;
for (const [name, [argv, code, message]] of Object.entries(mistakes))
  test(`commands: ${name} is told, with exit code ${code}`, async (t) => {
    const { file } = await withUsers(t);
    const result = await run([...argv, ...(argv[0] === 'frobnicate' ? [] : ['--config', file])], {
      stdin: 'whatever-long-12\n',
    });
    assert.equal(result.code, code);
    assert.match(result.stderr, message);
  });

test('commands: --version prints the version of the package', async () => {
  const { version } = JSON.parse(await readFile(path.join(import.meta.dirname, '../../../package.json'), 'utf8'));
  assert.deepEqual(await run(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('commands: a slip in a command and an option without its value are told in a line', async () => {
  const slip = await run(['serv']);
  assert.deepEqual([slip.code, slip.stderr], [2, 'gatehouse: unknown command: serv\n  did you mean serve?\n']);
  const { code, stderr } = await run(['serve', '--config']);
  assert.deepEqual([code, stderr.split('\n')[0]], [2, 'gatehouse: --config needs a value']);
});

test('commands: a port that another program has is told in words, and nothing else is said', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const address = `http://127.0.0.1:${(taken.address() as AddressInfo).port}`;
  const { file } = await configured(t, {
    server: { listen: address, publicUrl: address },
    admin: { listen: 'http://127.0.0.1:0' },
    session: { store: { type: 'memory' } },
  });
  const { ended, lines } = start(t, ['serve', '--config', file]);
  assert.equal(await ended, 1);
  const said = lines.filter((line) => !line.includes('users file'));
  assert.equal(said[0], `gatehouse: cannot listen on ${address}: the port is in use`);
  assert.equal(said.length, 2, said.join('\n'));
});

test('commands: a configuration that is not there is named with what to do', async () => {
  const { code, stderr } = await run(['serve', '--config', '/nonexistent/gatehouse.yaml']);
  assert.equal(code, 1);
  assert.match(stderr, /\/nonexistent\/gatehouse\.yaml.*does not exist/s);
  assert.match(stderr, /--config FILE/);
});

test('check: options of a provider that contradict one another are errors, all at once and at their lines', async (t) => {
  const ldap = { type: 'ldap', url: 'ldap://127.0.0.1', searchBase: 'dc=example,dc=com' };
  const { file } = await configured(t, {
    providers: {
      local: { type: 'local', users: 'users.yaml' },
      one: { ...ldap, userSearchFilter: 'uid=alice' },
      two: { ...ldap, managerDn: 'cn=reader,dc=example,dc=com' },
      three: { ...ldap, groups: { searchBase: 'dc=example,dc=com', filter: 'objectClass=groupOfNames' } },
      four: { type: 'cas', url: 'https://cas.example.org/cas', renew: true, gateway: true },
      five: { type: 'oidc', issuer: 'https://idp.example.com', clientId: 'gate', clientAuth: 'client_secret_basic' },
    },
  });
  const { code, stderr } = await run(['check', '--config', file]);
  assert.equal(code, 1);
  const places = stderr.split('\n').map((line) => /:(\d+):\d+ +(providers\.[\w.]+): /.exec(line)?.slice(1) ?? []);
  const text = (await readFile(file, 'utf8')).split('\n');
  const found = places
    .filter(([line]) => line !== undefined)
    .map(([line, key]) => [key, text[Number(line) - 1]?.trim()]);
  assert.deepEqual(found, [
    ['providers.one.userSearchFilter', 'userSearchFilter: uid=alice'],
    ['providers.two.managerDn', 'managerDn: cn=reader,dc=example,dc=com'],
    ['providers.three.groups.filter', 'filter: objectClass=groupOfNames'],
    ['providers.four.gateway', 'gateway: true'],
    ['providers.five.clientSecret', 'five:'],
  ]);
  assert.match(stderr, /5 errors/);
});

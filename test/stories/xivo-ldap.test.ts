/**
 * A site of XiVO's, moved: the gateway as a process of its own, with nothing but XiVO's environment and its `xuc.conf`, before a
 * real OpenLDAP.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { testCertificates } from '../support/certificates.ts';
import { temporaryFolder } from '../support/folder.ts';
import { until } from '../support/poll.ts';
import { freePort, needsSlapd, type Slapd, startSlapd } from '../support/slapd.ts';
import { startUpstream, type TestUpstream } from '../support/upstream.ts';
import { Visitor } from '../support/visitor.ts';

const program = path.resolve(import.meta.dirname, '../../src/cli/main.ts');
const people = [
  { uid: 'alice', password: 'right', name: 'Alice Adams', email: 'alice@example.com' },
  { uid: 'bob', password: 'in the directory' },
  { uid: 'xuc', password: 'right' },
];

interface Site {
  readonly env: Record<string, string>;
  readonly folder: string;
  readonly upstream: TestUpstream;
  /** Runs another command in the same environment. */
  command(words: readonly string[], input?: string): { status: number | null; stdout: string; stderr: string };
}

/** The settings of a site, as XiVO's manual has them. */
async function site(
  t: TestContext,
  slapd: Slapd,
  more: { url?: string; conf?: string; env?: Record<string, string> } = {},
): Promise<Site> {
  const folder = await temporaryFolder(t);
  const upstream = await startUpstream(t);
  const conf = [
    'include "application.conf"',
    'authentication {',
    '  ldap {',
    `    managerDN = "${slapd.managerDn}"`,
    `    managerPassword = "${slapd.managerPassword}"`,
    `    url = "${more.url ?? slapd.url}"`,
    `    searchBase = "${slapd.searchBase}"`,
    '    userSearchFilter = "uid=%s"',
    '  }',
    more.conf ?? '',
    '}',
  ];
  writeFileSync(path.join(folder, 'xuc.conf'), conf.join('\n'));
  const port = await freePort();
  const env = {
    CONFIG_FILE: path.join(folder, 'xuc.conf'),
    XUC_HOST: '127.0.0.1',
    JAVA_OPTS: '-Xms512m -Xmx2048m',
    LOGIN_TIMEOUT_MS: '7000',
    GATEHOUSE_XUC_HOST: `127.0.0.1:${upstream.port}`,
    GATEHOUSE_LISTEN: `http://127.0.0.1:${port}`,
    GATEHOUSE_PUBLIC_URL: `http://127.0.0.1:${port}`,
    GATEHOUSE_ADMIN_LISTEN: 'http://127.0.0.1:0',
    GATEHOUSE_DATA: path.join(folder, 'data'),
    ...more.env,
  };
  const command: Site['command'] = (words, input = '') =>
    spawnSync(process.execPath, [program, ...words], { cwd: folder, env, input, encoding: 'utf8' });
  return { env, folder, upstream, command };
}

interface Served {
  readonly visitor: () => Visitor;
  readonly child: ChildProcess;
  readonly log: () => string;
}

/** Starts the gateway of a site; it ends with the test. */
async function serve(t: TestContext, { env, folder }: Site): Promise<Served> {
  const child = spawn(process.execPath, [program, 'serve'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => lines.push(String(text)));
  await until(
    'the gateway is ready',
    () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended: ${lines.join('')}`);
      return lines.some((line) => line.includes('the gateway is ready'));
    },
    20_000,
  );
  return { visitor: () => new Visitor(new URL(env.GATEHOUSE_LISTEN ?? '')), child, log: () => lines.join('') };
}

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`xivo: ${name}`, needsSlapd, run);

story('a user of the directory signs in, and each application receives who it is', async (t) => {
  const slapd = await startSlapd(t, { people });
  const { upstream, ...rest } = await site(t, slapd);
  const { visitor } = await serve(t, { upstream, ...rest });
  const alice = visitor();
  await alice.mustSignIn('alice', 'right', '/fingerboard/start');
  await alice.open('/fingerboard/start');
  await alice.open('/kibana/app');
  await alice.open('/any');
  assert.deepEqual(
    upstream.received.map(({ url, values }) => [
      url,
      values('x-remote-user'),
      values('x-remote-email'),
      values('x-remote-provider'),
    ]),
    [
      ['/start', ['alice'], ['alice@example.com'], ['ldap']],
      ['/kibana/app', ['alice'], ['alice@example.com'], ['ldap']],
      ['/any', ['alice'], ['alice@example.com'], ['ldap']],
    ],
  );
  assert.equal((await visitor().signIn('alice', 'wrong')).status, 401);
  assert.equal((await visitor().signIn('xuc', 'right')).status, 401, 'xuc is for programs');
  assert.equal((await visitor().fetch('/any')).status, 401);
});

story('the local accounts are asked after any failure of LDAP, and xivo = "" switches them off', async (t) => {
  const slapd = await startSlapd(t, { people });
  const on = await site(t, slapd);
  for (const name of ['bob', 'carol']) {
    const added = on.command(['users', 'add', name], 'a local password\n');
    assert.equal(added.status, 0, added.stderr);
  }
  const { visitor } = await serve(t, on);
  await visitor().mustSignIn('bob', 'in the directory');
  await visitor().mustSignIn('bob', 'a local password');
  await visitor().mustSignIn('carol', 'a local password');
  await slapd.stop();
  await visitor().mustSignIn('carol', 'a local password');

  await slapd.restart();
  const off = await site(t, slapd, { conf: 'xivo = ""' });
  const closed = await serve(t, off);
  assert.equal((await closed.visitor().signIn('bob', 'a local password')).status, 401);
  await closed.visitor().mustSignIn('bob', 'in the directory');
});

story('AUTH_PREVENT_XUC_LOGIN=false lets xuc in', async (t) => {
  const slapd = await startSlapd(t, { people });
  const { visitor } = await serve(t, await site(t, slapd, { env: { AUTH_PREVENT_XUC_LOGIN: 'false' } }));
  await visitor().mustSignIn('xuc', 'right');
});

story(
  'ldaps works with a trust store that holds the server’s own certificate, as the manual makes it, and not without',
  async (t) => {
    const slapd = await startSlapd(t, { people });
    const folder = await temporaryFolder(t);
    const store = path.join(folder, 'ldapCertTrustStore');
    const words = [
      'pkcs12',
      '-export',
      '-nokeys',
      '-in',
      testCertificates().good.certificate,
      '-out',
      store,
      '-passout',
      'pass:changeit',
    ];
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
    const JAVA_OPTS = `-Xms512m -Xmx2048m -Djavax.net.ssl.trustStore=${store} -Djavax.net.ssl.trustStorePassword=changeit`;
    const trusting = await site(t, slapd, { url: slapd.ldapsUrl, env: { JAVA_OPTS } });
    const probe = trusting.command(['check', '--connect']);
    assert.equal(probe.status, 0, probe.stdout + probe.stderr);
    const { visitor } = await serve(t, trusting);
    await visitor().mustSignIn('alice', 'right');

    const without = await site(t, slapd, { url: slapd.ldapsUrl });
    const failed = without.command(['check', '--connect']);
    assert.equal(failed.status, 1);
    assert.match(failed.stdout, /FAILED +tls/);
    const wrong = await site(t, slapd, {
      url: slapd.ldapsUrl,
      env: { JAVA_OPTS: JAVA_OPTS.replace('changeit', 'wrong') },
    });
    const refused = wrong.command(['serve']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /JAVA_OPTS.*password of .*ldapCertTrustStore is wrong/);
  },
);

story('check and explain work on the environment too, and say no password', async (t) => {
  const slapd = await startSlapd(t, { people });
  const settings = await site(t, slapd);
  const explained = settings.command(['explain', '--user', 'alice', '--url', '/ccagent']);
  assert.equal(explained.status, 0, explained.stderr);
  assert.match(explained.stdout, /upstream +http:\/\/127\.0\.0\.1:8070\/ccagent/);
  assert.match(explained.stdout, /user +alice of ldap/);
  const checked = settings.command(['check', '--connect']);
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /providers\.ldap\.url: .* +.*xuc\.conf:6:\d+/);
  assert.doesNotMatch(checked.stdout + checked.stderr, new RegExp(slapd.managerPassword));
});

story('a reload reads xuc.conf again, and a broken one is reported and not taken', async (t) => {
  const slapd = await startSlapd(t, { people });
  const settings = await site(t, slapd);
  const { visitor, child, log } = await serve(t, settings);
  writeFileSync(settings.env.CONFIG_FILE ?? '', 'authentication { ldap { url = ldap://x } }');
  child.kill('SIGHUP');
  await until('the reload is refused', () => log().includes('was not reloaded') && log().includes('xuc.conf:1:'));
  await visitor().mustSignIn('alice', 'right');
});

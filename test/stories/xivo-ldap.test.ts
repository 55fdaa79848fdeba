/**
 * A site of XiVO's, moved: the gateway as a process of its own, with nothing but XiVO's environment and its `xuc.conf`, before a
 * real OpenLDAP.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { serveSite, trustStoreOptions, type XivoSite, xivoSite } from '../support/scenes/xivo-site.ts';
import { needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';

const people = [
  { uid: 'alice', password: 'right', name: 'Alice Adams', email: 'alice@example.com' },
  { uid: 'bob', password: 'in the directory' },
  { uid: 'xuc', password: 'right' },
];

/** A site whose `xuc.conf` names the directory, as XiVO's manual has it. */
async function site(
  t: TestContext,
  slapd: Directory,
  more: { url?: string; conf?: string; env?: Record<string, string> } = {},
): Promise<XivoSite> {
  const file = path.join(await temporaryFolder(t), 'xuc.conf');
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
  writeFileSync(file, conf.join('\n'));
  return xivoSite(t, { CONFIG_FILE: file, JAVA_OPTS: '-Xms512m -Xmx2048m', ...more.env });
}

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`xivo: ${name}`, needsSlapd, run);

story('a user of the directory signs in, and each application receives who it is', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const settings = await site(t, slapd);
  const { visitor } = await serveSite(t, settings);
  const alice = visitor();
  await alice.mustSignIn('alice', 'right', '/fingerboard/start');
  await alice.open('/fingerboard/start');
  await alice.open('/kibana/app');
  await alice.open('/any');
  assert.deepEqual(
    settings.upstream.received.map(({ url, values }) => [
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

test('xivo: a ticket of somebody whom the directory does not know lets nobody in', needsKdc, async (t) => {
  const slapd = await shareSlapd(t, { people: people.filter(({ uid }) => uid === 'alice') });
  const kdc = await shareKdc(t);
  const java = [
    '-Dsecured.krb5.principal=HTTP/localhost',
    `-Dsecured.krb5.keyTab=${await kdc.keytab(['HTTP/localhost'])} -Djava.security.krb5.conf=${kdc.krb5Config}`,
  ];
  const settings = await site(t, slapd, { env: { USE_SSO: 'true', JAVA_OPTS: java.join(' ') } });
  const { visitor, log } = await serveSite(t, settings);
  const open = async (user: string): Promise<number> => {
    const headers = { authorization: `Negotiate ${await kdc.token(user)}` };
    return (await visitor().open('/fingerboard/', { headers })).status;
  };
  assert.equal(await open('alice'), 200, log());
  assert.deepEqual(settings.upstream.received.at(-1)?.values('x-remote-email'), ['alice@example.com']);
  const before = settings.upstream.received.length;
  assert.notEqual(await open('bob'), 200);
  assert.equal(settings.upstream.received.length, before, 'bob has a ticket and is in no directory');
});

story('the local accounts are asked after any failure of LDAP, and xivo = "" switches them off', async (t) => {
  const slapd = await startSlapd(t, { people });
  const on = await site(t, slapd);
  for (const name of ['bob', 'carol']) {
    const added = on.command(['users', 'add', name], 'a local password\n');
    assert.equal(added.status, 0, added.stderr);
  }
  const { visitor } = await serveSite(t, on);
  await visitor().mustSignIn('bob', 'in the directory');
  await visitor().mustSignIn('bob', 'a local password');
  await visitor().mustSignIn('carol', 'a local password');
  await slapd.stop();
  await visitor().mustSignIn('carol', 'a local password');

  await slapd.restart();
  const off = await site(t, slapd, { conf: 'xivo = ""' });
  const closed = await serveSite(t, off);
  assert.equal((await closed.visitor().signIn('bob', 'a local password')).status, 401);
  await closed.visitor().mustSignIn('bob', 'in the directory');
});

story('AUTH_PREVENT_XUC_LOGIN=false lets xuc in', async (t) => {
  const slapd = await shareSlapd(t, { people });
  const { visitor } = await serveSite(t, await site(t, slapd, { env: { AUTH_PREVENT_XUC_LOGIN: 'false' } }));
  await visitor().mustSignIn('xuc', 'right');
});

story(
  'ldaps works with a trust store that holds the server’s own certificate, as the manual makes it, and not without',
  async (t) => {
    const slapd = await shareSlapd(t, { people });
    const folder = await temporaryFolder(t);
    const JAVA_OPTS = `-Xms512m -Xmx2048m ${trustStoreOptions(folder, testCertificates().good.certificate)}`;
    const trusting = await site(t, slapd, { url: slapd.ldapsUrl, env: { JAVA_OPTS } });
    const probe = trusting.command(['check', '--connect']);
    assert.equal(probe.status, 0, probe.stdout + probe.stderr);
    const { visitor } = await serveSite(t, trusting);
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
  const slapd = await shareSlapd(t, { people });
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
  const slapd = await shareSlapd(t, { people });
  const settings = await site(t, slapd);
  const { visitor, child, log } = await serveSite(t, settings);
  writeFileSync(settings.env.CONFIG_FILE ?? '', 'authentication { ldap { url = ldap://x } }');
  child.kill('SIGHUP');
  await until('the reload is refused', () => log().includes('was not reloaded') && log().includes('xuc.conf:1:'));
  await visitor().mustSignIn('alice', 'right');
});

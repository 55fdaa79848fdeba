/**
 * A site of XiVO's, moved, whose users need type nothing: Kerberos, CAS and OpenID Connect as XiVO's variables say it, against a
 * real KDC, CAS server and OpenID provider.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { serveSite, trustStoreOptions, xivoSite } from '../support/scenes/xivo-site.ts';
import { needsCas, shareCas } from '../support/servers/cas-server.ts';
import { needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { startIdp } from '../support/servers/oidc-provider.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const pathOf = (url: URL): string => url.pathname + url.search;

/** JAVA_OPTS with a trust store of the certificate that the servers of these stories show. */
async function trusting(t: TestContext): Promise<string> {
  return `-Xms512m ${trustStoreOptions(await temporaryFolder(t), testCertificates().good.certificate)}`;
}

test(
  'xivo: USE_SSO with the principal and the keytab of JAVA_OPTS lets a ticket in; the realm is that of krb5.conf',
  needsKdc,
  async (t) => {
    const kdc = await shareKdc(t);
    const keytab = await kdc.keytab(['HTTP/localhost']);
    const words = [
      '-Dsecured.krb5.principal=HTTP/localhost -Dsecured.krb5.password=xuc',
      `-Dsecured.krb5.keyTab=${keytab} -Djava.security.krb5.conf=${kdc.krb5Config}`,
    ];
    const site = await xivoSite(t, { USE_SSO: 'true', JAVA_OPTS: words.join(' ') });
    const { visitor } = await serveSite(t, site);
    const first = await visitor().open('/fingerboard/');
    assert.deepEqual([first.status, [first.headers['www-authenticate']].flat()], [401, ['Negotiate']]);
    const alice = visitor();
    const answer = await alice.open('/fingerboard/', {
      headers: { authorization: `Negotiate ${await kdc.token('alice')}` },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(site.upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
    assert.deepEqual(site.upstream.received.at(-1)?.values('authorization'), []);

    const off = await xivoSite(t, { USE_SSO: 'false', JAVA_OPTS: words.join(' ') });
    const closed = await serveSite(t, off);
    assert.equal((await closed.visitor().open('/fingerboard/')).headers['www-authenticate'], undefined);
  },
);

test(
  'xivo: CAS_SERVER_URL leads the browser to CAS at once, whose certificate the trust store vouches for',
  needsCas,
  async (t) => {
    const cas = await shareCas(t, { users: [{ name: 'alice', password: 'alices-4c81' }], tls: true });
    const env = { CAS_SERVER_URL: cas.url, CAS_LOGOUT_ENABLE: 'false', JAVA_OPTS: await trusting(t) };
    const site = await xivoSite(t, env);
    const { visitor, log } = await serveSite(t, site);
    const alice = visitor();
    const login = await alice.open('/_gate/login?return=%2Fapp');
    assert.match(String(login.headers.location), /^\/_gate\/start\/cas\?/);
    const leave = await alice.open(String(login.headers.location));
    const browser = cas.browser();
    await browser.signIn('alice', 'alices-4c81');
    const back = await browser.visit(String(leave.headers.location));
    assert.ok(back);
    assert.equal((await alice.open(pathOf(back))).headers.location, '/app', log());
    await alice.open('/app');
    assert.deepEqual(site.upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
  },
);

test('xivo: ENABLE_OIDC leads the browser to the issuer at once; clients, audience and user name field are as XiVO has them', async (t) => {
  const people = { alice: { preferred_username: 'wrong', upn: 'wrong too' } };
  const tokenClaims = (login: string) => ({ preferred_username: `${login}-by-default`, upn: login });
  const idp = await startIdp(t, { people, https: true, clientAuth: 'none', audience: 'xuc-api', tokenClaims });
  const env = {
    ENABLE_OIDC: 'true',
    OIDC_SERVER_URL: idp.issuer,
    OIDC_CLIENT_ID: `${idp.clientId},myClientId2`,
    OIDC_AUDIENCE: 'xuc-api',
    OIDC_USERNAME_FIELD: 'upn',
    JAVA_OPTS: await trusting(t),
  };
  const signIn = async (more: Record<string, string>) => {
    const site = await xivoSite(t, { ...env, ...more });
    idp.register(site.url, 'oidc');
    const { visitor, log } = await serveSite(t, site);
    const alice = visitor();
    const login = await alice.open('/_gate/login?return=%2Fapp');
    assert.match(String(login.headers.location), /^\/_gate\/start\/oidc\?/);
    const leave = await alice.open(String(login.headers.location));
    const back = await idp.person().signIn(String(leave.headers.location), 'alice');
    const answer = await alice.open(pathOf(back));
    return { site, alice, answer, log };
  };
  const { site, alice, answer, log } = await signIn({});
  assert.equal(answer.headers.location, '/app', log());
  await alice.open('/app');
  assert.deepEqual(site.upstream.received.at(-1)?.values('x-remote-user'), ['alice']);

  const usual = await signIn({ OIDC_USERNAME_FIELD: '' });
  await usual.alice.open('/app');
  assert.deepEqual(usual.site.upstream.received.at(-1)?.values('x-remote-user'), ['alice-by-default']);

  const refused = await signIn({ OIDC_AUDIENCE: 'another-api' });
  assert.notEqual(refused.answer.headers.location, '/app');
  await refused.alice.open('/app');
  assert.equal(refused.site.upstream.received.length, 0);
});

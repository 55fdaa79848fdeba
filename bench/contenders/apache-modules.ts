/** Apache's modules for logins, each with live sessions of real users at a real server of its kind. */
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { startCas } from '../../test/support/servers/cas-server.ts';
import { startKdc } from '../../test/support/servers/kdc.ts';
import { startIdp } from '../../test/support/servers/oidc-provider.ts';
import { startSlapd } from '../../test/support/servers/slapd.ts';
import { freePort } from '../../test/support/tools/free-port.ts';
import { startApache } from './apache.ts';
import { Browser } from './browser.ts';
import { type Contender, type Ground, ownFolder, type User } from './contender.ts';
import { Scope } from './scope.ts';

/** Logins take seconds each at some servers: more users than this change nothing for Apache. */
const mostUsers = 200;

/** Whoever signs in, by number. */
function names(ground: Ground, most = mostUsers): string[] {
  return Array.from({ length: Math.min(ground.users, most) }, (_, index) => `user${index}`);
}

/** Runs what may fail half-way, and ends what has been started by then. */
async function within(scope: Scope, work: () => Promise<Contender>): Promise<Contender> {
  try {
    const contender = await work();
    scope.after(contender.end);
    return { ...contender, end: () => scope.end() };
  } catch (error) {
    await scope.end();
    throw error;
  }
}

/** mod_auth_openidc: sessions begun at an OpenID provider, kept in its shared memory. */
export function apacheOpenidc(ground: Ground): Promise<Contender> {
  const scope = new Scope();
  return within(scope, async () => {
    const idp = await startIdp(scope.context);
    const port = await freePort();
    const gateway = new URL(`http://127.0.0.1:${port}`);
    idp.register(gateway, 'bench');
    const apache = await startApache(ground, {
      name: 'apache-openidc',
      title: 'Apache, mod_auth_openidc, live session',
      port,
      modules: ['auth_openidc'],
      server: [
        `OIDCProviderMetadataURL ${idp.issuer}/.well-known/openid-configuration`,
        ...[`OIDCClientID ${idp.clientId}`, `OIDCClientSecret ${idp.clientSecret}`, 'OIDCPKCEMethod S256'],
        ...[`OIDCRedirectURI ${new URL('/_gate/callback/bench', gateway).href}`, 'OIDCRemoteUserClaim sub'],
        ...[`OIDCCryptoPassphrase ${randomBytes(24).toString('hex')}`, 'OIDCSSLValidateServer Off'],
        ...['OIDCSessionInactivityTimeout 7200', 'OIDCPassClaimsAs none', 'OIDCCacheShmMax 4000'],
      ],
      location: ['AuthType openid-connect', 'Require valid-user'],
    });
    scope.after(apache.end);
    const users: User[] = [];
    for (const name of names(ground)) {
      const browser = new Browser();
      const { location } = await browser.open(`${apache.url}/page`);
      if (!location) throw new Error('mod_auth_openidc sends nobody to the provider');
      const back = await idp.person().signIn(location, name);
      await browser.open(back);
      users.push({ name, line: browser.cookieLine((cookie) => cookie === 'mod_auth_openidc_session') });
    }
    return { ...apache, users, hears: ({ name }) => name, end: async () => {} };
  });
}

/** mod_auth_gssapi: one ticket each, then its session in a cookie. */
export function apacheGssapi(ground: Ground): Promise<Contender> {
  const scope = new Scope();
  return within(scope, async () => {
    const people = names(ground);
    const kdc = await startKdc(scope.context, { users: people });
    const folder = ownFolder(ground, 'apache-gssapi');
    const [keytab, krb5Config] = [path.join(folder, 'service.keytab'), path.join(folder, 'krb5.conf')];
    copyFileSync(await kdc.keytab(['HTTP/localhost']), keytab);
    copyFileSync(kdc.krb5Config, krb5Config);
    const apache = await startApache(ground, {
      name: 'apache-gssapi',
      title: 'Apache, mod_auth_gssapi, session',
      modules: ['session', 'session_cookie', 'auth_gssapi'],
      server: [],
      env: { KRB5_CONFIG: krb5Config },
      location: [
        ...['AuthType GSSAPI', 'AuthName bench', `GssapiCredStore keytab:${keytab}`, 'Require valid-user'],
        ...['GssapiUseSessions On', 'Session On', 'SessionCookieName gssapi_session path=/;httponly'],
        `GssapiSessionKey key:${randomBytes(32).toString('base64')}`,
      ],
    });
    scope.after(apache.end);
    const users: User[] = [];
    for (const name of people) {
      const browser = new Browser();
      const { status } = await browser.open(`${apache.url}/page`, {
        authorization: `Negotiate ${await kdc.token(name)}`,
      });
      if (status !== 200) throw new Error(`mod_auth_gssapi answers a ticket with ${status}`);
      users.push({ name, line: browser.cookieLine((cookie) => cookie === 'gssapi_session') });
    }
    return { ...apache, users, hears: ({ name }) => `${name}@EXAMPLE.TEST`, end: async () => {} };
  });
}

/** mod_authnz_ldap: the password comes with each request and is compared with what the module has cached. */
export function apacheLdap(ground: Ground): Promise<Contender> {
  const scope = new Scope();
  return within(scope, async () => {
    const people = names(ground).map((uid) => ({ uid, password: `pass-${uid}` }));
    const slapd = await startSlapd(scope.context, { people });
    const apache = await startApache(ground, {
      name: 'apache-ldap',
      title: 'Apache, mod_authnz_ldap, cached',
      modules: ['auth_basic', 'ldap', 'authnz_ldap'],
      server: ['LDAPSharedCacheSize 4000000', 'LDAPCacheEntries 4096', 'LDAPOpCacheEntries 4096', 'LDAPCacheTTL 7200'],
      location: [
        ...['AuthType Basic', 'AuthName bench', 'AuthBasicProvider ldap', 'Require valid-user'],
        `AuthLDAPURL "${slapd.url}/${slapd.searchBase}?uid?one"`,
        `AuthLDAPBindDN "${slapd.managerDn}"`,
        `AuthLDAPBindPassword "${slapd.managerPassword}"`,
      ],
    });
    const users = people.map(({ uid, password }) => ({
      name: uid,
      line: `Authorization: Basic ${Buffer.from(`${uid}:${password}`).toString('base64')}`,
    }));
    return { ...apache, users, hears: ({ name }) => name };
  });
}

/** mod_auth_cas: sessions begun by a ticket, kept in files. */
export function apacheCas(ground: Ground): Promise<Contender> {
  const scope = new Scope();
  return within(scope, async () => {
    const people = names(ground, 50);
    const cas = await startCas(scope.context, { users: people.map((name) => ({ name, password: `pass-${name}` })) });
    const cookies = path.join(ownFolder(ground, 'apache-cas'), 'cookies');
    mkdirSync(cookies);
    const apache = await startApache(ground, {
      name: 'apache-cas',
      title: 'Apache, mod_auth_cas, live session',
      modules: ['auth_cas'],
      server: [
        ...['CASVersion 2', `CASCookiePath ${cookies}/`, `CASLoginURL ${cas.url}/login`],
        ...[`CASValidateURL ${cas.url}/serviceValidate`, 'CASTimeout 7200', 'CASIdleTimeout 7200'],
      ],
      location: ['AuthType CAS', 'Require valid-user'],
    });
    scope.after(apache.end);
    const users: User[] = [];
    for (const name of people) {
      const [browser, atCas] = [new Browser(), cas.browser()];
      const { location } = await browser.open(`${apache.url}/page`);
      await atCas.signIn(name, `pass-${name}`);
      const back = location && (await atCas.visit(location.href));
      if (!back) throw new Error('CAS gives no ticket for mod_auth_cas');
      await browser.open(back);
      users.push({ name, line: browser.cookieLine((cookie) => cookie.startsWith('MOD_AUTH_CAS')) });
    }
    return { ...apache, users, hears: ({ name }) => name, end: async () => {} };
  });
}

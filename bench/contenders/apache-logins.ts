/** Apache's modules where each request is a login of its own: without a cache, and without a session. */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { Agent, request } from 'undici';
import type { Kdc } from '../../test/support/servers/kdc.ts';
import type { Directory } from '../../test/support/servers/slapd.ts';
import { type RunningApache, startApache } from './apache.ts';
import { type Ground, ownFolder } from './contender.ts';
import type { Scope } from './scope.ts';

/** mod_authnz_ldap that asks the directory each time. */
export async function ldapUncached(
  scope: Scope,
  ground: Ground,
  directory: Directory,
): Promise<RunningApache & { logIn(person: { name: string; password: string }): Promise<void> }> {
  const apache = await startApache(ground, {
    name: 'apache-ldap-uncached',
    title: 'Apache, mod_authnz_ldap',
    modules: ['auth_basic', 'ldap', 'authnz_ldap'],
    server: ['LDAPCacheEntries 0', 'LDAPOpCacheEntries 0'],
    location: [
      ...['AuthType Basic', 'AuthName bench', 'AuthBasicProvider ldap', 'Require valid-user'],
      `AuthLDAPURL "${directory.url}/${directory.searchBase}?uid?one"`,
      `AuthLDAPBindDN "${directory.managerDn}"`,
      `AuthLDAPBindPassword "${directory.managerPassword}"`,
    ],
  });
  scope.after(apache.end);
  const dispatcher = new Agent({ connections: 16 });
  scope.after(() => dispatcher.destroy());
  return {
    ...apache,
    logIn: async ({ name, password }) => {
      const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
      const answer = await request(`${apache.url}/page`, { dispatcher, headers: { authorization } });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`Apache answers ${name} with ${answer.statusCode}`);
    },
  };
}

/** mod_auth_gssapi that takes a ticket with each request. */
export async function gssapiEachTime(scope: Scope, ground: Ground, kdc: Kdc): Promise<RunningApache> {
  const folder = ownFolder(ground, 'apache-gssapi-each');
  const [keytab, krb5Config] = [path.join(folder, 'service.keytab'), path.join(folder, 'krb5.conf')];
  copyFileSync(await kdc.keytab(['HTTP/localhost']), keytab);
  copyFileSync(kdc.krb5Config, krb5Config);
  const apache = await startApache(ground, {
    name: 'apache-gssapi-each',
    title: 'Apache, mod_auth_gssapi',
    modules: ['auth_gssapi'],
    server: [],
    env: { KRB5_CONFIG: krb5Config },
    location: ['AuthType GSSAPI', 'AuthName bench', `GssapiCredStore keytab:${keytab}`, 'Require valid-user'],
  });
  scope.after(apache.end);
  return apache;
}

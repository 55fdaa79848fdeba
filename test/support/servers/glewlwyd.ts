/** A real glewlwyd with a client of ours and a user, in a folder of its own; Debian's package, which no test run installs. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { CookieClient } from '../tools/cookie-client.ts';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import type { ForeignClient, ForeignIssuer } from './foreign-issuer.ts';
import { startFront } from './front-server.ts';

const program = '/usr/bin/glewlwyd';
const schema = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3';

/** Options for a test that needs it. */
export const needsGlewlwyd = {
  skip: existsSync(program) && existsSync(schema) ? false : 'glewlwyd is not installed: apt-get install glewlwyd',
};

/** Starts one. */
export async function startGlewlwyd(t: TestContext, client: ForeignClient): Promise<ForeignIssuer> {
  const [folder, port] = [await temporaryFolder(t), await freePort()];
  const origin = `http://127.0.0.1:${port}`;
  const database = new DatabaseSync(join(folder, 'glewlwyd.db'));
  database.exec(readFileSync(schema, 'utf8'));
  database.close();
  writeFileSync(join(folder, 'glewlwyd.conf'), configuration(origin, port, folder));
  await startFront(t, { program, parameters: ['-c', 'glewlwyd.conf'], folder, port });
  await setUp(`${origin}/api`, client);
  const issuer = `${origin}/api/oidc`;
  return {
    issuer,
    options: { issuer, insecureIssuer: true, scopes: ['openid'] },
    signIn: (address) => signIn(origin, address, client),
  };
}

function configuration(origin: string, port: number, folder: string): string {
  const lines = Object.entries({
    port,
    ...{ bind_address: '127.0.0.1', external_url: origin, login_url: 'login.html', api_prefix: 'api' },
    ...{ log_mode: 'console', log_level: 'WARNING', cookie_domain: '127.0.0.1', cookie_secure: 0 },
    ...{ session_key: 'SESSION', session_expiration: 3600, admin_scope: 'g_admin', profile_scope: 'g_profile' },
    ...{ user_module_path: '/usr/lib/glewlwyd/user', client_module_path: '/usr/lib/glewlwyd/client' },
    user_middleware_module_path: '/usr/lib/glewlwyd/user_middleware',
    ...{ user_auth_scheme_module_path: '/usr/lib/glewlwyd/scheme', plugin_module_path: '/usr/lib/glewlwyd/plugin' },
    ...{ static_files_path: '/usr/share/glewlwyd/webapp/', hash_algorithm: 'SHA512' },
  }).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const database = `database = { type = "sqlite3", path = "${join(folder, 'glewlwyd.db')}" };`;
  return [...lines, database, ''].join('\n');
}

/** What an administrator sets on its pages: the plugin, our client, a user. */
async function setUp(api: string, client: ForeignClient): Promise<void> {
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const admin = new CookieClient();
  const tell = async (place: string, body: object) => {
    const { status, text } = await admin.ask(`${api}/${place}/`, body);
    assert.equal(status, 200, `${place}: ${text}`);
  };
  await tell('auth', { username: 'admin', password: 'password' });
  const parameters = {
    ...{ iss: `${api}/oidc`, 'jwt-type': 'rsa', 'jwt-key-size': '256' },
    ...{ key: privateKey.export(pem), cert: publicKey.export({ type: 'spki', format: 'pem' }) },
    ...{ 'access-token-duration': 3600, 'refresh-token-duration': 3600, 'code-duration': 600 },
    ...{ 'refresh-token-rolling': true, 'allow-non-oidc': false, 'subject-type': 'public' },
    ...{ 'auth-type-code-enabled': true, 'auth-type-token-enabled': false, 'auth-type-id-token-enabled': true },
    ...{ 'auth-type-password-enabled': false, 'auth-type-client-enabled': false, 'auth-type-refresh-enabled': true },
    ...{ 'jwks-show': true, 'pkce-allowed': true, 'pkce-method-plain-allowed': false },
    ...{ 'session-management-allowed': true, 'session-cookie-name': 'SID', 'session-cookie-expiration': 3600 },
    ...{ 'name-claim': 'no', 'email-claim': 'no', 'scope-claim': 'no', 'allowed-scope': ['openid'] },
    ...{ 'oauth-par-allowed': true, 'oauth-par-request_uri-prefix': 'urn:par:', 'oauth-par-duration': 90 },
    claims: [{ name: 'preferred_username', 'user-property': 'username', type: 'string', mandatory: true }],
    'address-claim': { type: 'no' },
  };
  await tell('mod/plugin', { module: 'oidc', name: 'oidc', display_name: 'OpenID', parameters });
  await tell('client', {
    ...{ client_id: client.id, client_secret: client.secret, name: 'gateway', confidential: true, enabled: true },
    ...{ authorization_type: ['code', 'refresh_token'], redirect_uri: [client.redirectUri], scope: ['openid'] },
    token_endpoint_auth_method: [client.method],
  });
  await tell('user', { username: 'dwho', password: 'dwho', enabled: true, scope: ['openid', 'g_profile'] });
}

/** What its page does, which is a program: the password, and the user's consent. */
async function signIn(origin: string, address: URL, client: ForeignClient): Promise<URL> {
  const user = new CookieClient();
  const page = (await user.ask(address)).location;
  await user.ask(`${origin}/api/auth/`, { username: 'dwho', password: 'dwho' });
  await user.ask(`${origin}/api/auth/grant/${encodeURIComponent(client.id)}`, { scope: 'openid' }, 'PUT');
  const back = (await user.ask(`${page?.searchParams.get('callback_url')}&g_continue`)).location;
  assert.ok(back, 'glewlwyd sends the browser back');
  return back;
}

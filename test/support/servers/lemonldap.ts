/** A real LemonLDAP::NG as OpenID provider with its demo users, in a folder of its own; Debian's package, which no test run installs. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CookieClient, formOn } from '../tools/cookie-client.ts';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import type { ForeignClient, ForeignIssuer } from './foreign-issuer.ts';
import { startFront } from './front-server.ts';

const portal = '/usr/share/lemonldap-ng/portal/htdocs/index.psgi';
const delivered = '/var/lib/lemonldap-ng/conf/lmConf-1.json';

/** Options for a test that needs it. */
export const needsLemonldap = {
  skip:
    existsSync(portal) && existsSync(delivered)
      ? false
      : 'LemonLDAP::NG is not installed: apt-get install lemonldap-ng',
};

/** Starts one. */
export async function startLemonldap(t: TestContext, client: ForeignClient): Promise<ForeignIssuer> {
  const [folder, port] = [await temporaryFolder(t), await freePort()];
  const issuer = `http://127.0.0.1:${port}`;
  for (const name of ['conf', 'cache', 'sessions', 'sessions/lock']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'conf', 'lmConf-1.json'), JSON.stringify(configuration(issuer, folder, client)));
  writeFileSync(join(folder, 'lemonldap.ini'), settings(folder));
  const listen = ['-s', 'HTTP::Server::PSGI', '--host', '127.0.0.1', '-p', String(port)];
  const env = { LLNG_DEFAULTCONFFILE: join(folder, 'lemonldap.ini') };
  await startFront(t, { program: 'plackup', parameters: [...listen, portal], folder, port, env });
  return { issuer, options: { issuer, insecureIssuer: true }, signIn };
}

function settings(folder: string): string {
  const cache = `{ 'namespace' => 'c', 'default_expires_in' => 600, 'cache_root' => '${join(folder, 'cache')}' }`;
  return [
    ...['[all]', 'logLevel = error', '[configuration]', 'type = File', `dirName = ${join(folder, 'conf')}`],
    ...['localStorage = Cache::FileCache', `localStorageOptions = ${cache}`],
    ...['[portal]', 'staticPrefix = /static', 'templateDir = /usr/share/lemonldap-ng/portal/templates', ''],
  ].join('\n');
}

function configuration(issuer: string, folder: string, client: ForeignClient): object {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kept = { Directory: join(folder, 'sessions'), LockDirectory: join(folder, 'sessions', 'lock') };
  const generateModule = 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256';
  return {
    ...(JSON.parse(readFileSync(delivered, 'utf8')) as object),
    ...{ domain: '127.0.0.1', portal: `${issuer}/`, notification: 0, loginHistoryEnabled: 0 },
    ...{ portalDisplayResetPassword: 0, portalDisplayRegister: 0 },
    ...{ captcha_mail_enabled: 0, captcha_register_enabled: 0, captcha_login_enabled: 0 },
    globalStorageOptions: { ...kept, generateModule },
    persistentStorageOptions: kept,
    localSessionStorageOptions: { namespace: 's', default_expires_in: 600, cache_root: join(folder, 'cache') },
    ...{ issuerDBOpenIDConnectActivation: 1, issuerDBOpenIDConnectPath: '^/oauth2/', issuerDBOpenIDConnectRule: 1 },
    ...{ oidcServiceMetaDataIssuer: issuer, oidcServiceKeyIdSig: 'k1', oidcServiceAllowAuthorizationCodeFlow: 1 },
    oidcServicePrivateKeySig: privateKey.export({ type: 'pkcs1', format: 'pem' }),
    oidcServicePublicKeySig: publicKey.export({ type: 'spki', format: 'pem' }),
    oidcRPMetaDataExportedVars: { gate: { email: 'mail', name: 'cn', preferred_username: 'uid' } },
    ...{ oidcRPMetaDataMacros: {}, oidcRPMetaDataScopeRules: {} },
    oidcRPMetaDataOptions: {
      gate: {
        oidcRPMetaDataOptionsClientID: client.id,
        oidcRPMetaDataOptionsClientSecret: client.secret,
        oidcRPMetaDataOptionsAuthMethod: client.method,
        oidcRPMetaDataOptionsRedirectUris: client.redirectUri,
        oidcRPMetaDataOptionsBypassConsent: 1,
        oidcRPMetaDataOptionsIDTokenSignAlg: 'RS256',
        oidcRPMetaDataOptionsIDTokenForceClaims: 1,
        oidcRPMetaDataOptionsUserIDAttr: 'uid',
      },
    },
  };
}

async function signIn(address: URL): Promise<URL> {
  const user = new CookieClient();
  const { action, fields } = formOn((await user.ask(address)).text, address);
  fields.set('user', 'dwho');
  fields.set('password', 'dwho');
  const { location, text } = await user.ask(action, fields);
  assert.ok(location, `LemonLDAP::NG sends the browser back: ${text.slice(0, 300)}`);
  return location;
}

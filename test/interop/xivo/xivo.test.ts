/** XiVO's settings as its manual shows them, each with the behaviour that the manual describes; alone, and over a file. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: env files and Compose write variables so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { withOverrides } from '../../../src/config/overrides.ts';
import { OperatorError } from '../../../src/core/errors.ts';
import { readHocon } from '../../../src/interop/hocon/hocon.ts';
import { readCompose } from '../../../src/interop/xivo/compose.ts';
import { readEnvFile } from '../../../src/interop/xivo/env-file.ts';
import { javaWords, settingsOf } from '../../../src/interop/xivo/settings.ts';
import { isPlain, type Plain } from '../../../src/interop/xivo/translation.ts';
import { defaultRealmOf, isXivoEnvironment, translateXivo, type XivoSources } from '../../../src/interop/xivo/xivo.ts';

const fixture = (name: string): string =>
  readFileSync(path.join(import.meta.dirname, '../../fixtures/xivo', name), 'utf8');
const confOf = (text: string) => readHocon(text, { file: 'xuc.conf' });
const composeOf = (name: string) => readCompose(fixture(name), 'docker-xivocc.yml', new Map());

/** What a translation makes of an environment, as the file would say it. */
function translated(env: Record<string, string>, more: Omit<XivoSources, 'settings'> = {}) {
  const translation = translateXivo({ settings: settingsOf(env), ...more });
  const config: unknown = withOverrides(more.existing ?? {}, translation.values);
  assert.ok(isPlain(config));
  return { ...translation, config, left: translation.untranslated.map(({ what }) => what) };
}

function part(config: Plain, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => (isPlain(value) ? value[key] : undefined), config);
}

function refused(run: () => unknown, ...what: readonly RegExp[]): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof OperatorError, String(error));
    for (const pattern of what) assert.match(error.message, pattern);
    return true;
  });
}

const xuc = { XUC_HOST: 'xuc.mydomain' };

test('xivo: the table of paths becomes routes, all of them behind a login', () => {
  const { config } = translated(
    Object.fromEntries(
      [...readEnvFile(fixture('custom.env'), 'custom.env').settings].map(([name, { value }]) => [
        name,
        name === 'USE_SSO' ? 'false' : value,
      ]),
    ),
  );
  const routes = part(config, 'routes') as readonly Plain[];
  assert.deepEqual(
    routes.map(({ location, upstream }) => [location, upstream]),
    [
      ['/fingerboard', 'http://xuc.mydomain/'],
      ['/', 'http://xuc.mydomain/'],
      ['/ccagent', 'http://xuc.mydomain:8070/ccagent'],
      ['/ccmanager', 'http://xuc.mydomain:8070/ccmanager'],
      ['/configmgt', 'http://xivo.mydomain:9100/configmgt'],
      ['/kibana', 'http://xuc.mydomain/kibana'],
      ['/recording', 'http://recording.mydomain:9400/recording'],
      ['/SpagoBI', 'http://reporting.mydomain:9500/SpagoBI'],
    ],
  );
  assert.equal(
    routes.some((route) => 'access' in route),
    false,
  );
  assert.equal(part(config, 'server', 'publicUrl'), 'https://xuc.mydomain');
});

test('xivo: an application whose host is not given gets no route, and that is said', () => {
  const { config, left } = translated(xuc);
  assert.deepEqual(
    (part(config, 'routes') as readonly Plain[]).map(({ name }) => name),
    ['fingerboard', 'ucassistant', 'ccagent', 'ccmanager', 'kibana'],
  );
  assert.deepEqual(left, ['the route /configmgt', 'the route /recording', 'the route /SpagoBI']);
});

test('xivo: the gateway reaches XUC by another name than browsers, where that is given', () => {
  const { config, cautions } = translated({ ...xuc, GATEHOUSE_XUC_HOST: '10.0.0.5:8080' });
  const upstreams = (part(config, 'routes') as readonly Plain[]).map(({ upstream }) => upstream);
  assert.deepEqual(upstreams.slice(0, 3), [
    'http://10.0.0.5:8080/',
    'http://10.0.0.5:8080/',
    'http://10.0.0.5:8070/ccagent',
  ]);
  assert.equal(part(config, 'server', 'publicUrl'), 'https://xuc.mydomain');
  assert.equal(cautions.length, 0);
  assert.match(translated(xuc).cautions[0]?.message ?? '', /in a circle/);
});

test('xivo: LDAP comes before the accounts of XiVO, which are asked after any failure of it, and that is said', () => {
  const { config, cautions, left } = translated(
    { ...xuc, LOGIN_TIMEOUT_MS: '7000' },
    { conf: confOf(fixture('xuc-ldap.conf')) },
  );
  assert.deepEqual(part(config, 'login'), { chain: ['ldap', 'local'], timeout: '7000ms' });
  assert.deepEqual(part(config, 'providers', 'ldap'), {
    type: 'ldap',
    url: 'ldap://ldap.company.com:389',
    managerDn: 'uid=company,ou=people,dc=company,dc=com',
    managerPassword: 'xxxxxxxxxx',
    searchBase: 'ou=people,dc=company,dc=com',
    userSearchFilter: 'uid=%s',
    on: { rejected: 'next', unavailable: 'next' },
    timeout: '7000ms',
  });
  assert.ok(
    cautions.some(({ key, message }) => key.join('.') === 'providers.ldap.on' && /local accounts/.test(message)),
  );
  assert.ok(left.includes('include "application.conf"'));
});

test('xivo: xivo = "" switches the local accounts off, and LDAP then has the last word', () => {
  const both = `${fixture('xuc-ldap.conf')}authentication { xivo = "" }`;
  const { config, cautions } = translated(xuc, { conf: confOf(both) });
  assert.deepEqual(part(config, 'login', 'chain'), ['ldap']);
  assert.equal(part(config, 'providers', 'local'), undefined);
  assert.equal(part(config, 'providers', 'ldap', 'on'), undefined);
  assert.equal(
    cautions.some(({ key }) => key.includes('on')),
    false,
  );
  refused(
    () => translated(xuc, { conf: confOf(fixture('xuc-without-accounts.conf')) }),
    /no way to sign in is left/,
    /xuc\.conf:3:8/,
  );
});

test('xivo: the trust store of JAVA_OPTS vouches for ldaps, and the sizes of the Java machine are ignored on purpose', () => {
  const { settings, hostPath } = composeOf('compose-ldaps.yml');
  const conf = fixture('xuc-ldap.conf').replace('ldap://ldap.company.com:389', 'ldaps://ldap.company.com:636');
  const env = { ...xuc, JAVA_OPTS: settings.get('JAVA_OPTS')?.value ?? '' };
  const { config, untranslated } = translated(env, { conf: confOf(conf) });
  assert.deepEqual(part(config, 'providers', 'ldap', 'ca'), {
    file: '/customSslTrustStore/ldapCertTrustStore',
    password: 'LDAP_CERT_KSTORE_PWD',
  });
  assert.deepEqual(
    untranslated
      .filter(({ what }) => what.startsWith('JAVA_OPTS'))
      .map(({ what, why }) => [what, /on purpose/.test(why)]),
    [
      ['JAVA_OPTS -Xms512m', true],
      ['JAVA_OPTS -Xmx2048m', true],
    ],
  );
  assert.equal(
    part(translated(env, { conf: confOf(fixture('xuc-ldap.conf')) }).config, 'providers', 'ldap', 'ca'),
    undefined,
    'not without TLS',
  );
  const onHost = translated(env, { conf: confOf(conf), hostPath }).config;
  assert.equal(part(onHost, 'providers', 'ldap', 'ca', 'file'), '/etc/docker/xuc-custom-truststore/ldapCertTrustStore');
  refused(
    () => translated({ ...env, JAVA_OPTS: '-Djavax.net.ssl.trustStore=/x' }, { conf: confOf(conf) }),
    /without its password/,
  );
});

test('xivo: Kerberos takes USE_SSO, the principal and the keytab; the password is ignored on purpose', () => {
  const JAVA_OPTS = composeOf('compose-kerberos.yml').settings.get('JAVA_OPTS')?.value ?? '';
  const defaultRealm = defaultRealmOf(fixture('krb5.conf'), 'krb5.conf');
  const { config, untranslated } = translated({ ...xuc, JAVA_OPTS, USE_SSO: 'true' }, { defaultRealm });
  assert.deepEqual(part(config, 'providers', 'kerberos'), {
    type: 'kerberos',
    keytab: '/etc/kerberos/xuc.keytab',
    principal: 'HTTP/xuc.mydomain',
    realms: ['MYDOMAIN'],
  });
  assert.deepEqual(part(config, 'login', 'chain'), ['kerberos', 'local']);
  const ticket = ({ cautions }: ReturnType<typeof translated>) =>
    cautions.filter(({ key }) => key.join('.') === 'providers.kerberos.principal').map(({ message }) => message);
  assert.deepEqual(ticket(translated({ ...xuc, JAVA_OPTS, USE_SSO: 'true' }, { defaultRealm })), []);
  const elsewhere = translated({ XUC_HOST: 'cc.mydomain', JAVA_OPTS, USE_SSO: 'true' }, { defaultRealm });
  assert.match(ticket(elsewhere).join(), /a ticket of HTTP\/cc\.mydomain, .* is for xuc\.mydomain/);
  const nobody = JAVA_OPTS.replace('HTTP/xuc.mydomain', 'xuc@MYDOMAIN');
  assert.deepEqual(ticket(translated({ ...xuc, JAVA_OPTS: nobody, USE_SSO: 'true' })), [], 'it is for no host');
  assert.match(untranslated.find(({ what }) => what.includes('password'))?.why ?? '', /on purpose/);
  assert.equal(JSON.stringify(untranslated).includes('=xuc'), false, 'the password is not repeated');

  const off = translated({ ...xuc, JAVA_OPTS, USE_SSO: 'false' }, { defaultRealm });
  assert.deepEqual(part(off.config, 'login', 'chain'), ['local']);
  const own = translated(
    { ...xuc, USE_SSO: 'true', JAVA_OPTS: JAVA_OPTS.replace('xuc.mydomain', 'xuc.mydomain@OTHER') },
    { defaultRealm },
  );
  assert.equal(part(own.config, 'providers', 'kerberos', 'realms'), undefined, 'the principal names its realm');
  refused(() => translated({ ...xuc, USE_SSO: 'true' }), /lacks the principal or the keytab/);
  refused(() => translated({ ...xuc, JAVA_OPTS, USE_SSO: 'true' }), /names no realm/);
  refused(() => translated({ ...xuc, USE_SSO: 'yes' }), /USE_SSO must be true or false/);
});

test('xivo: CAS is followed at once, and its logout is as CAS_LOGOUT_ENABLE says', () => {
  const env = Object.fromEntries([...composeOf('compose-cas.yml').settings].map(([name, { value }]) => [name, value]));
  const { config } = translated({ ...xuc, ...env });
  assert.deepEqual(part(config, 'providers', 'cas'), {
    type: 'cas',
    url: 'https://cas-server.example.org/cas',
    logout: false,
    timeout: '5s',
  });
  assert.deepEqual(part(config, 'login'), { chain: ['cas', 'local'], default: 'cas' });
  assert.equal(
    part(translated({ ...xuc, ...env, CAS_LOGOUT_ENABLE: 'true' }).config, 'providers', 'cas', 'logout'),
    true,
  );
  assert.deepEqual(translated({ ...xuc, CAS_LOGOUT_ENABLE: 'true' }).left[3], 'CAS_LOGOUT_ENABLE');
});

test('xivo: OpenID Connect takes a list of clients, an audience, a user name field, and Keycloak’s old logout', () => {
  const env = Object.fromEntries([...composeOf('compose-oidc.yml').settings].map(([name, { value }]) => [name, value]));
  const { config } = translated({ ...xuc, ...env });
  assert.deepEqual(part(config, 'providers', 'oidc'), {
    type: 'oidc',
    issuer: 'https://oidc-server.example.org/auth/realms/myrealm',
    clientId: ['myClientId', 'myClientId1', 'myClientId2'],
    audience: ['myClientId', 'myClientId1', 'myClientId2'],
    usernameFrom: 'access-token',
  });
  assert.deepEqual(part(config, 'login'), { chain: ['oidc', 'local'], default: 'oidc' });

  const more = {
    OIDC_CLIENT_ID: 'one',
    OIDC_AUDIENCE: 'api, other',
    OIDC_USERNAME_FIELD: 'upn',
    OIDC_LOGOUT_ENABLE: 'true',
  };
  assert.partialDeepStrictEqual(part(translated({ ...xuc, ...env, ...more }).config, 'providers', 'oidc'), {
    clientId: 'one',
    audience: ['api', 'other'],
    usernameClaim: 'upn',
    logout: 'redirect_uri',
  });
  const off = translated({ ...xuc, ...env, ENABLE_OIDC: 'false' });
  assert.equal(part(off.config, 'providers', 'oidc'), undefined);
  assert.ok(off.left.includes('OIDC_SERVER_URL'));
  refused(() => translated({ ...xuc, ENABLE_OIDC: 'true', OIDC_SERVER_URL: 'https://x' }), /OIDC_CLIENT_ID is not set/);
});

test('xivo: all at once, the chain asks those first that need no typing', () => {
  const oidc = { ENABLE_OIDC: 'true', OIDC_SERVER_URL: 'https://idp', OIDC_CLIENT_ID: 'a' };
  const java = { USE_SSO: 'true', JAVA_OPTS: '-Dsecured.krb5.principal=HTTP/x@R -Dsecured.krb5.keyTab=/k' };
  const { config } = translated(
    { ...xuc, ...oidc, ...java, CAS_SERVER_URL: 'https://cas' },
    { conf: confOf(fixture('xuc-ldap.conf')) },
  );
  assert.deepEqual(part(config, 'login', 'chain'), ['kerberos', 'cas', 'oidc', 'ldap', 'local']);
  assert.equal(part(config, 'login', 'default'), 'oidc');
});

test('xivo: the user xuc may sign in only where AUTH_PREVENT_XUC_LOGIN says so', () => {
  assert.equal(
    part(translated(xuc).config, 'login', 'reservedUsers'),
    undefined,
    'the default of the configuration holds: xuc may not',
  );
  assert.deepEqual(part(translated({ ...xuc, AUTH_PREVENT_XUC_LOGIN: 'false' }).config, 'login', 'reservedUsers'), []);
  assert.deepEqual(part(translated({ ...xuc, AUTH_PREVENT_XUC_LOGIN: 'TRUE' }).config, 'login', 'reservedUsers'), [
    'xuc',
  ]);
});

test('xivo: a login timeout that is longer than ours for a whole login is not cut short by it', () => {
  assert.equal(part(translated({ ...xuc, LOGIN_TIMEOUT_MS: '20000' }).config, 'login', 'total'), '20000ms');
  assert.equal(part(translated({ ...xuc, LOGIN_TIMEOUT_MS: '7000' }).config, 'login', 'total'), undefined);
  for (const wrong of ['7s', '0', '-1', '1e3'])
    refused(() => translated({ ...xuc, LOGIN_TIMEOUT_MS: wrong }), /LOGIN_TIMEOUT_MS must be/);
});

test('xivo: a port is none beyond the last', () => {
  const recording = (port: string) => ({ ...xuc, RECORDING_SERVER_HOST: 'recording', RECORDING_SERVER_PORT: port });
  assert.equal(translated(recording('65535')).left.includes('the route /recording'), false);
  for (const wrong of ['65536', '0', '9400x', '-1'])
    refused(() => translated(recording(wrong)), /RECORDING_SERVER_PORT must be a port/);
  for (const wrong of ['xuc:65536', 'xuc:', 'http://xuc', 'x y'])
    refused(() => translated({ ...xuc, GATEHOUSE_XUC_HOST: wrong }), /GATEHOUSE_XUC_HOST must be a host/);
});

test('xivo: every mistake is told at once, with its place', () => {
  const { settings } = readEnvFile(
    '# c\nXUC_HOST="\'xuc.mydomain\'"\nUSE_SSO=maybe\nLOGIN_TIMEOUT_MS=long',
    'custom.env',
  );
  refused(
    () => translateXivo({ settings }),
    /custom\.env:2 .*without quotes/,
    /custom\.env:3 .*USE_SSO/,
    /custom\.env:4 .*LOGIN_TIMEOUT_MS/,
  );
});

const file: Plain = {
  server: { publicUrl: 'http://cc.example.com:8443' },
  login: { chain: ['directory', 'local'], reservedUsers: ['xuc', 'root'] },
  providers: {
    directory: { type: 'ldap', url: 'ldap://old', searchBase: 'dc=old' },
    partner: { type: 'cas', url: 'https://partner' },
    local: { type: 'local', users: 'users.yaml' },
  },
  routes: [{ location: '/', upstream: 'http://app' }],
};

test('xivo over a file: a setting goes to the one provider of its type, and everything else stays', () => {
  const { config } = translated(
    { CAS_SERVER_URL: 'https://new', CAS_LOGOUT_ENABLE: 'true', LOGIN_TIMEOUT_MS: '7000', ...xuc },
    { existing: file, conf: confOf(fixture('xuc-ldap.conf')) },
  );
  assert.deepEqual(part(config, 'providers', 'partner'), {
    type: 'cas',
    url: 'https://new',
    logout: true,
    mustExistIn: 'directory',
    timeout: '7000ms',
  });
  assert.partialDeepStrictEqual(part(config, 'providers', 'directory'), {
    url: 'ldap://ldap.company.com:389',
    searchBase: 'ou=people,dc=company,dc=com',
    timeout: '7000ms',
  });
  assert.equal(part(config, 'providers', 'directory', 'on'), undefined, 'what an outcome leads to is the file’s');
  assert.deepEqual(part(config, 'login', 'chain'), ['partner', 'directory', 'local']);
  assert.equal(part(config, 'server', 'publicUrl'), 'http://xuc.mydomain:8443');
  assert.deepEqual(part(config, 'routes'), file.routes);
});

test('xivo over a file: a provider that is missing is added at its place in the chain', () => {
  const { config } = translated(
    { ENABLE_OIDC: 'true', OIDC_SERVER_URL: 'https://idp', OIDC_CLIENT_ID: 'a' },
    { existing: file },
  );
  assert.deepEqual(part(config, 'login', 'chain'), ['oidc', 'directory', 'local']);
  assert.equal(part(config, 'providers', 'oidc', 'issuer'), 'https://idp');
});

test('xivo over a file: OIDC_USERNAME_FIELD is read in the access token, unless the file says where', () => {
  const over = (sso: Plain, env: Record<string, string>) =>
    part(
      translated(
        { ENABLE_OIDC: 'true', ...env },
        { existing: { ...file, providers: { ...(file.providers as Plain), sso: { type: 'oidc', ...sso } } } },
      ).config,
      'providers',
      'sso',
    );
  const field = { OIDC_USERNAME_FIELD: 'upn' };
  assert.deepEqual(over({}, field), { type: 'oidc', usernameClaim: 'upn', usernameFrom: 'access-token' });
  assert.deepEqual(over({}, { OIDC_SERVER_URL: 'https://idp' }), { type: 'oidc', issuer: 'https://idp' });
  assert.partialDeepStrictEqual(over({ usernameFrom: 'id-token' }, field), { usernameFrom: 'id-token' });
});

test('xivo over a file: what the environment switches off leaves the chain', () => {
  const existing = {
    ...file,
    login: { chain: ['kerberos', 'directory', 'local'], default: 'kerberos' },
    providers: { ...(file.providers as Plain), kerberos: { type: 'kerberos' } },
  };
  const { config } = translated({ USE_SSO: 'false' }, { existing, conf: confOf('authentication.xivo = ""') });
  assert.deepEqual(part(config, 'login'), { chain: ['directory'] });
});

test('xivo over a file: of several providers of a type it is not clear which is meant, and that is an error', () => {
  const existing = {
    ...file,
    providers: { ...(file.providers as Plain), other: { type: 'cas', url: 'https://other' } },
  };
  refused(
    () => translated({ CAS_SERVER_URL: 'https://new' }, { existing }),
    /several providers of type cas: partner, other/,
  );
});

test('xivo over a file: an environment without XiVO’s names changes nothing', () => {
  const { values, cautions } = translated({ PATH: '/bin', JAVA_OPTS: '-Xmx1g' }, { existing: file });
  assert.deepEqual([values, cautions], [[], []]);
  assert.equal(isXivoEnvironment({ PATH: '/bin', JAVA_OPTS: '-Xmx1g', CONFIG_FILE: 'x', XUC_HOST: '' }), false);
  assert.equal(isXivoEnvironment(xuc), true);
});

test('xivo: an env file is read as Compose reads it', () => {
  const lines: readonly (readonly [line: string, name: string, value: string | undefined])[] = [
    ['  A=1', 'A', '1'],
    ['B="quoted"', 'B', 'quoted'],
    ["C='x' # a comment", 'C', 'x'],
    ['D=a=b=c', 'D', 'a=b=c'],
    ['E=', 'E', undefined],
    ['E=""', 'E', undefined],
    ['G=trailing ', 'G', 'trailing'],
    ['H=10.20.0.5 # the telephony server', 'H', '10.20.0.5'],
    ['I=pa#ss', 'I', 'pa#ss'],
    ['J=#first', 'J', '#first'],
    ['export K=10.20.0.7', 'K', '10.20.0.7'],
    ['L="a \\"b\\" \\$c\\n"', 'L', 'a "b" $c\n'],
    ["M='a \\n $c ${d}'", 'M', 'a \\n $c ${d}'],
    ['N= spaced', 'N', 'spaced'],
    ['O=${KNOWN}/x', 'O', 'known/x'],
    ['P="$KNOWN-${NONE:-other}"', 'P', 'known-other'],
    ['Q=pa$ss', 'Q', 'pa$ss'],
    ['R=a$$b', 'R', 'a$b'],
    ['S=${NONE}', 'S', undefined],
    ['T="one\ntwo"', 'T', 'one\ntwo'],
  ];
  const before = settingsOf({ KNOWN: 'known' });
  for (const [line, name, value] of lines) {
    const { settings, used } = readEnvFile(`# c\r\n${line.replaceAll('\n', '\r\n')}\r\n`, 'custom.env', before);
    assert.equal(settings.get(name)?.value, value, line);
    if (value !== undefined) assert.equal(settings.get(name)?.origin, 'custom.env:2', line);
    assert.equal(used.has('KNOWN'), line.includes('KNOWN'), line);
  }
  const { settings, untranslated } = readEnvFile('A=1\nF\nA="2\n3"\nQ=pa$ss\nR=\'pa$ss\'\n', 'custom.env');
  assert.deepEqual(
    [...settings].map(([name, { value, origin }]) => [name, value, origin]),
    [
      ['A', '2\n3', 'custom.env:3'],
      ['Q', 'pa$ss', 'custom.env:5'],
      ['R', 'pa$ss', 'custom.env:6'],
    ],
  );
  assert.deepEqual(
    untranslated.map(({ origin, what }) => [origin, what]),
    [
      ['custom.env:2', 'F'],
      ['custom.env:5', 'Q'],
    ],
  );
  refused(() => readEnvFile('A=1\nMY NAME=2', 'custom.env'), /custom\.env:2/);
  refused(() => readEnvFile('A=1\nB="2\n', 'custom.env'), /custom\.env:2 .*does not close/);
  refused(() => readEnvFile('A="x" y', 'custom.env'), /custom\.env:1/);
  refused(() => readEnvFile('# \udce9\nA=b\udce9 # c', 'custom.env'), /custom\.env:2:4 .*not UTF-8/);
});

test('xivo: JAVA_OPTS is cut into words as a shell does it', () => {
  const words = (value: string): string[] => javaWords({ value, origin: 'environment JAVA_OPTS' });
  assert.deepEqual(words(`-Xmx1g  -Da="b c" -Dd='e "f"' -Dg=h\\ i ""`), [
    '-Xmx1g',
    '-Da=b c',
    '-Dd=e "f"',
    '-Dg=h i',
    '',
  ]);
  refused(() => words('-Da="b'), /does not close/);
});

test('xivo: a compose file’s variables are filled in, as a list or a mapping, with or without services', () => {
  const variables = settingsOf({ XUC_HOST: 'xuc.mydomain' });
  const text =
    'services:\n  xuc:\n    environment:\n      XUC_HOST: ${XUC_HOST}\n      A: ${NOTHING:-default}$$\n      B: ${NOTHING}\n      C: 7000\n      D: ${XUC_HOST:?set it}${XUC_HOST:+!}\n      E: ${NOTHING:-${XUC_HOST}}\n';
  const { settings, used } = readCompose(text, 'docker-xivocc.yml', variables);
  assert.deepEqual(
    [...settings].map(([name, { value, origin }]) => [name, value, origin]),
    [
      ['XUC_HOST', 'xuc.mydomain', 'docker-xivocc.yml:4'],
      ['A', 'default$', 'docker-xivocc.yml:5'],
      ['C', '7000', 'docker-xivocc.yml:7'],
      ['D', 'xuc.mydomain!', 'docker-xivocc.yml:8'],
      ['E', 'xuc.mydomain', 'docker-xivocc.yml:9'],
    ],
  );
  assert.deepEqual([...used], ['XUC_HOST']);
  refused(() => readCompose('a: [', 'docker-xivocc.yml', variables), /docker-xivocc\.yml:1/);
});

test('xivo: variables are filled in where clients and volumes are named, too', () => {
  const services = {
    xucmgt: { environment: ['OIDC_CLIENT_ID=$OWN'] },
    xuc: {
      environment: { OIDC_CLIENT_ID: 'one,two' },
      volumes: ['$FOLDER/xuc:/conf', { source: '$FOLDER', target: '/etc/kerberos' }, '$NOTHING:/data'],
    },
  };
  const variables = settingsOf({ OWN: 'mgt', FOLDER: '/etc/docker' });
  const { settings, hostPath } = readCompose(JSON.stringify({ services }), '/srv/docker-xivocc.yml', variables);
  assert.equal(settings.get('OIDC_CLIENT_ID')?.value, 'mgt,one,two');
  assert.deepEqual(['/conf/xuc.conf', '/etc/kerberos/k', '/data/x'].map(hostPath), [
    '/etc/docker/xuc/xuc.conf',
    '/etc/docker/k',
    '/data/x',
  ]);
});

test('xivo: files of a container are where its volumes say, relative ones beside the compose file', () => {
  const volumes = [
    '/etc/docker/xuc:/conf:ro',
    './kerberos:/etc/kerberos',
    '../krb5.conf:/etc/krb5.conf',
    'named:/data',
    { type: 'bind', source: '/etc/docker/trust', target: '/trust' },
  ];
  const text = JSON.stringify({ services: { xuc: { volumes } } });
  const { hostPath } = readCompose(text, '/etc/docker/compose/docker-xivocc.yml', new Map());
  const paths = {
    '/conf/xuc.conf': '/etc/docker/xuc/xuc.conf',
    '/etc/kerberos/xuc.keytab': '/etc/docker/compose/kerberos/xuc.keytab',
    '/etc/krb5.conf': '/etc/docker/krb5.conf',
    '/data/x': '/data/x',
    '/trust/store': '/etc/docker/trust/store',
  };
  for (const [inside, outside] of Object.entries(paths)) assert.equal(hostPath(inside), outside);
  const env = {
    ...xuc,
    USE_SSO: 'true',
    JAVA_OPTS: '-Dsecured.krb5.principal=HTTP/xuc.mydomain@R -Dsecured.krb5.keyTab=/etc/kerberos/xuc.keytab',
  };
  assert.partialDeepStrictEqual(part(translated(env, { hostPath }).config, 'providers', 'kerberos'), {
    keytab: '/etc/docker/compose/kerberos/xuc.keytab',
    krb5Config: '/etc/docker/krb5.conf',
  });
});

test('xivo: what a compose file merges in or names by an anchor counts, a service’s own first', () => {
  const text = [
    'x-env: &env { CAS_SERVER_URL: "https://cas", USE_SSO: "true" }',
    'x-all: &all { environment: *env, volumes: ["/etc/xuc:/conf"] }',
    'services:',
    '  xuc: { <<: *all }',
    '  xucmgt:',
    '    environment: { <<: *env, USE_SSO: "false", OIDC_CLIENT_ID: a }',
  ].join('\n');
  const { settings, hostPath } = readCompose(text, 'docker-xivocc.yml', new Map());
  assert.deepEqual(
    [...settings].map(([name, { value }]) => [name, value]),
    [
      ['CAS_SERVER_URL', 'https://cas'],
      ['USE_SSO', 'true'],
      ['OIDC_CLIENT_ID', 'a'],
    ].toSorted(([a = ''], [b = '']) => [...settings.keys()].indexOf(a) - [...settings.keys()].indexOf(b)),
  );
  assert.equal(hostPath('/conf/xuc.conf'), '/etc/xuc/xuc.conf');
});

const kerberos = {
  USE_SSO: 'true',
  JAVA_OPTS: '-Dsecured.krb5.principal=HTTP/xuc.mydomain@R -Dsecured.krb5.keyTab=/k',
};
const federated = {
  CAS_SERVER_URL: 'https://cas.example.org',
  ENABLE_OIDC: 'true',
  OIDC_SERVER_URL: 'https://idp.example.org',
  OIDC_CLIENT_ID: 'xivo',
};

test('xivo: whoever signs in without typing must be in the directory, where the settings have one', () => {
  const { config, cautions } = translated(
    { ...xuc, ...kerberos, ...federated },
    { conf: confOf(fixture('xuc-ldap.conf')) },
  );
  assert.partialDeepStrictEqual(part(config, 'providers', 'kerberos'), { lookup: 'ldap', mustExistIn: 'ldap' });
  for (const name of ['cas', 'oidc']) assert.equal(part(config, 'providers', name, 'mustExistIn'), 'ldap', name);
  assert.equal(part(config, 'providers', 'cas', 'lookup'), undefined);
  assert.doesNotMatch(JSON.stringify(cautions), /must know the user/);

  const existing = {
    ...file,
    providers: { ...(file.providers as Plain), sso: { type: 'oidc', mustExistIn: 'local' } },
  };
  const over = translated(federated, { conf: confOf(fixture('xuc-ldap.conf')), existing });
  assert.equal(part(over.config, 'providers', 'sso', 'mustExistIn'), 'local', 'what the file says stays');
  assert.equal(part(over.config, 'providers', 'partner', 'mustExistIn'), 'directory');
});

test('xivo: without a directory nobody is asked, and that the application must know the user is said', () => {
  const { config, cautions } = translated({ ...xuc, ...kerberos, ...federated });
  for (const name of ['kerberos', 'cas', 'oidc']) {
    assert.equal(part(config, 'providers', name, 'mustExistIn'), undefined);
    const said = cautions.filter(({ key }) => key.join('.') === `providers.${name}`).map(({ message }) => message);
    assert.match(said.join(), /the applications must know the user/, name);
  }
});

test('xivo: names of settings that are a slip are said, with their place and the right spelling', () => {
  const conf = (...lines: readonly string[]) => confOf(['authentication.ldap {', ...lines, '}'].join('\n'));
  const url = 'url = "ldap://a:389"\nsearchBase = "dc=a"';
  const said = ({ cautions }: ReturnType<typeof translated>) =>
    cautions
      .filter(({ message }) => /right spelling/.test(message))
      .map(({ origin, message }) => `${origin} ${message}`);
  for (const [slip, right] of Object.entries({
    managerDn: 'managerDN',
    ManagerDN: 'managerDN',
    managerPasword: 'managerPassword',
    manager_password: 'managerPassword',
    userSearchfilter: 'userSearchFilter',
  })) {
    const lines = said(translated(xuc, { conf: conf(url, `${slip} = "x"`) }));
    assert.equal(lines.length, 1, slip);
    assert.match(
      lines[0] ?? '',
      new RegExp(`^xuc\\.conf:4:\\d+ authentication\\.ldap\\.${slip} .*${right} is the right`),
    );
  }
  assert.deepEqual(said(translated(xuc, { conf: conf(url, 'managerDN = "x"', 'timeout = 5') })), []);
  refused(() => translated(xuc, { conf: conf('URL = "ldap://a:389"') }), /xuc\.conf:2:\d+ .*url is the right spelling/);
  const elsewhere = translated(xuc, { conf: confOf('authentification.xivo = ""\nauthentication.lpad.url = "x"') });
  assert.deepEqual(
    elsewhere.untranslated.flatMap(({ what, why }) => (/did you mean/.test(why) ? [`${what}: ${why}`] : [])).length,
    2,
    JSON.stringify(elsewhere.untranslated),
  );
  const java = translated({ ...xuc, JAVA_OPTS: '-Dsecured.krb5.keytab=/k' }).untranslated.map(({ why }) => why);
  assert.match(java.join(), /did you mean secured\.krb5\.keyTab/);
});

test('xivo: a # or // in a value without quotes is said, and nothing of the value', () => {
  for (const [written, value] of Object.entries({ 'Secret#1': 'Secret', 'Secret//1': 'Secret' })) {
    const text = `authentication.ldap { url = "ldap://a:389", searchBase = "dc=a"\n managerPassword = ${written}\n}`;
    const { config, cautions } = translated(xuc, { conf: confOf(text) });
    assert.equal(part(config, 'providers', 'ldap', 'managerPassword'), value);
    const [caution] = cautions.filter(({ key }) => key.at(-1) === 'managerPassword');
    assert.match(`${caution?.origin} ${caution?.message}`, /^xuc\.conf:2:\d+ .*takes what follows for a comment/);
    assert.doesNotMatch(JSON.stringify(caution), /Secret/);
  }
  for (const written of ['"Secret#1"', 'Secret # a comment', 'Secret'])
    assert.doesNotMatch(
      JSON.stringify(translated(xuc, { conf: confOf(`authentication.ldap.managerPassword = ${written}`) }).cautions),
      /comment/,
      written,
    );
});

/** `gatehouse import xivo`, and XiVO's environment in place of a file: both make the same gateway. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HOCON and Compose write variables so.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { configFile, readConfiguration, xivoEnvironment } from '../../../src/cli/configuration.ts';
import { main } from '../../../src/cli/main.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const fixtures = path.join(import.meta.dirname, '../../fixtures/xivo');
const fixture = (name: string): string => path.join(fixtures, name);

/** Runs a command line in an environment of its own. */
async function run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = {
    stdin: new PassThrough(),
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    env,
  };
  const code = await main(words, terminal);
  return { code, out: out.join(''), err: err.join('') };
}

/** XiVO's settings in a folder of a test: a conf with LDAP, an env file, a compose file that names the trust store. */
async function site(t: TestContext) {
  const folder = await temporaryFolder(t);
  const conf = path.join(folder, 'xuc.conf');
  writeFileSync(
    conf,
    readFileSync(fixture('xuc-ldap.conf'), 'utf8').replace(
      'ldap://ldap.company.com:389',
      'ldaps://ldap.company.com:636',
    ),
  );
  const env = path.join(folder, 'custom.env');
  writeFileSync(env, readFileSync(fixture('custom.env'), 'utf8').replace('USE_SSO=true', 'USE_SSO=false'));
  const compose = path.join(folder, 'docker-xivocc.yml');
  writeFileSync(
    compose,
    readFileSync(fixture('compose-ldaps.yml'), 'utf8')
      .replace('/etc/docker/xuc:', `${folder}:`)
      .replace('/etc/docker/xuc-custom-truststore:', `${fixtures}:`),
  );
  return { folder, conf, env, compose };
}

test('import xivo: the YAML is a configuration that loads, and is what the environment makes', async (t) => {
  const { folder, conf, env, compose } = await site(t);
  const imported = await run(['import', 'xivo', '--env', env, '--compose', compose, '--secrets']);
  assert.equal(imported.code, 0, imported.err);
  const yaml = path.join(folder, 'gatehouse.yaml');
  writeFileSync(yaml, imported.out);
  const checked = await run(['check', '--config', yaml]);
  assert.equal(checked.code, 0, checked.err);

  const lines = readFileSync(env, 'utf8')
    .split('\n')
    .flatMap((line) => [/^(\w+)=(.*)$/.exec(line) ?? []]);
  const variables = Object.fromEntries(
    lines.filter(([whole]) => whole).map(([, name = '', value = '']) => [name, value]),
  );
  const java = `-Djavax.net.ssl.trustStore=${fixture('ldapCertTrustStore')} -Djavax.net.ssl.trustStorePassword=LDAP_CERT_KSTORE_PWD`;
  const alone = readConfiguration(xivoEnvironment, { ...variables, CONFIG_FILE: conf, JAVA_OPTS: java });
  const fromFile = readConfiguration(yaml, {});
  assert.ok(alone.kind === 'ok' && fromFile.kind === 'ok');
  const comparable = ({ server, login, providers, routes }: typeof alone.document) => {
    const { local: _local, ...others } = providers;
    return { server, login, others, routes };
  };
  assert.deepEqual(comparable(alone.document), comparable(fromFile.document));
  assert.ok('url' in (alone.document.providers.ldap ?? {}));
});

test('import xivo: what was not translated stands on the standard error, with its place and why', async (t) => {
  const { env, compose } = await site(t);
  const { out, err } = await run(['import', 'xivo', '--env', env, '--compose', compose]);
  assert.match(err, /custom\.env:10 {2}WEEKS_TO_KEEP: .*on purpose/);
  assert.match(err, /docker-xivocc\.yml:4 {2}JAVA_OPTS -Xmx2048m: .*on purpose/);
  assert.match(err, /xuc\.conf:1 {2}include "application\.conf"/);
  assert.match(err, /local accounts are asked too/);
  assert.match(out, /location: \/SpagoBI\n.*upstream: http:\/\/reporting\.mydomain:9500\/SpagoBI # .*custom\.env:8/);
});

test('import xivo: passwords are left to the environment, and that is said; --secrets writes them', async (t) => {
  const { env, compose } = await site(t);
  const without = await run(['import', 'xivo', '--env', env, '--compose', compose]);
  assert.doesNotMatch(without.out + without.err, /xxxxxxxxxx|LDAP_CERT_KSTORE_PWD/);
  assert.match(without.out, /managerPassword: \{ env: LDAP_MANAGER_PASSWORD \}/);
  assert.match(without.err, /LDAP_MANAGER_PASSWORD: the value of providers\.ldap\.managerPassword/);
  assert.match(without.err, /LDAP_CA_PASSWORD: the value of providers\.ldap\.ca\.password/);
  const withThem = await run(['import', 'xivo', '--env', env, '--compose', compose, '--secrets']);
  assert.match(withThem.out, /managerPassword: xxxxxxxxxx/);
});

test('import xivo: a password that is a variable keeps the site’s name for it, and a variable that was used is not ignored', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const env = at(
    'custom.env',
    'XUC_HOST=cc.example.com\nLDAP_HOST=dc1.example.com\nLDAP_READER_PASSWORD=pw-4711\nSTORE_PW=pw-0815\nUNUSED=1\nOIDC_SERVER_URI=x\n',
  );
  at(
    'xuc.conf',
    [
      'authentication.ldap {',
      '  url = "ldaps://"${LDAP_HOST}":636"',
      '  searchBase = "dc=example"',
      '  managerPassword = ${LDAP_READER_PASSWORD}',
      '}',
    ].join('\n'),
  );
  const java = '-Djavax.net.ssl.trustStore=/conf/t.p12 -Djavax.net.ssl.trustStorePassword=${STORE_PW}';
  const xuc = { environment: { JAVA_OPTS: java, CONFIG_FILE: '/conf/xuc.conf' }, volumes: ['./:/conf'] };
  const compose = at('docker-xivocc.yml', JSON.stringify({ services: { xuc } }));
  const { out, err } = await run(['import', 'xivo', '--env', env, '--compose', compose]);
  assert.match(out, /managerPassword: \{ env: LDAP_READER_PASSWORD \}/);
  assert.match(out, /password: \{ env: STORE_PW \}/);
  assert.match(err, /LDAP_READER_PASSWORD: the value of providers\.ldap\.managerPassword/);
  assert.doesNotMatch(err, /(?:LDAP_HOST|LDAP_READER_PASSWORD|STORE_PW): ignored/);
  assert.match(err, /custom\.env:5 {2}UNUSED: ignored on purpose/);
  assert.match(err, /custom\.env:6 {2}OIDC_SERVER_URI: .*did you mean OIDC_SERVER_URL/);
  assert.doesNotMatch(out + err, /pw-4711|pw-0815/);
  assert.match((await run(['import', 'xivo', '--env', env, '--compose', compose, '--secrets'])).out, /: pw-4711 /);
});

test('import xivo: letters of another encoding may stand in comments, and are an error with their place elsewhere', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), Buffer.from(text, 'latin1'));
    return path.join(folder, name);
  };
  const env = at('custom.env', '# r\u00e9gion\nXUC_HOST=cc.example.com\n');
  const ldap = 'authentication.ldap { url = "ldap://a:389", searchBase = "dc=a" }';
  const good = await run(['import', 'xivo', '--env', env, '--conf', at('a.conf', `// d\u00e9j\u00e0\n${ldap}`)]);
  assert.equal(good.code, 0, good.err);
  const bad = await run(['import', 'xivo', '--env', env, '--conf', at('b.conf', ldap.replace('dc=a', 'dc=\u00e9'))]);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /b\.conf:1:\d+ {2}the byte here is not UTF-8/);
  const yaml = await run(['import', 'xivo', '--compose', at('c.yml', 'services:\n  xuc: { a: \u00e9 }')]);
  assert.match(yaml.err, /c\.yml:2:13 {2}the file is not UTF-8/);
});

test('import xivo: the manual’s LDAP settings as they come out of a web page, all on one line, are refused with the place', async () => {
  const { code, err, out } = await run(['import', 'xivo', '--conf', fixture('xuc-ldap-one-line.conf')]);
  assert.equal(code, 1);
  assert.match(err, /xuc-ldap-one-line\.conf:1:28 .*on a line of its own/);
  assert.equal(out, '');
});

test('import xivo: the realm is that of the krb5.conf that a volume puts in the place of the machine’s', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  at('krb5.conf', '[libdefaults]\n  default_realm = OF.THE.VOLUME\n');
  const env = at('custom.env', 'XUC_HOST=xuc.mydomain\nUSE_SSO=true\n');
  const java = '-Dsecured.krb5.principal=HTTP/xuc.mydomain -Dsecured.krb5.keyTab=/k';
  const xuc = { environment: [`JAVA_OPTS=${java}`], volumes: ['./krb5.conf:/etc/krb5.conf'] };
  const compose = at('docker-xivocc.yml', JSON.stringify({ services: { xuc } }));
  const { out, err } = await run(['import', 'xivo', '--env', env, '--compose', compose]);
  assert.match(out, /realms: \[ OF\.THE\.VOLUME \]/, err);
  assert.ok(out.includes(`krb5Config: ${path.join(folder, 'krb5.conf')}`));
});

test('import xivo: what is wrong with the command line is said, with the usage', async (t) => {
  const { env } = await site(t);
  for (const words of [
    ['import'],
    ['import', 'apache', 'x'],
    ['import', 'xivo'],
    ['import', 'xivo', 'file', '--env', env],
    ['import', 'xivo', '--nothing'],
  ])
    assert.partialDeepStrictEqual(await run(words), { code: 2, out: '' }, words.join(' '));
  const { code, err } = await run(['import', 'xivo', '--env', path.join(fixtures, 'nothing.env')]);
  assert.equal(code, 1);
  assert.match(err, /nothing\.env does not exist/);
});

test('check: the environment alone is a configuration, each value with its origin and no secret', async (t) => {
  const { conf } = await site(t);
  const env = {
    XUC_HOST: 'xuc.mydomain',
    XIVO_HOST: 'xivo.mydomain',
    CONFIG_FILE: conf,
    LOGIN_TIMEOUT_MS: '7000',
    GATEHOUSE_LISTEN: 'http://0.0.0.0:8080',
  };
  const folder = await temporaryFolder(t);
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(before));
  const { code, out, err } = await run(['check'], env);
  assert.equal(code, 0, err);
  assert.match(out, /^value +from$/m);
  assert.match(out, /^server\.publicUrl: "https:\/\/xuc\.mydomain" +environment XUC_HOST$/m);
  assert.match(out, /^server\.listen: \["http:\/\/0\.0\.0\.0:8080"\] +environment GATEHOUSE_LISTEN$/m);
  assert.match(out, /^login\.timeout: "7000ms" +environment LOGIN_TIMEOUT_MS$/m);
  assert.match(out, /^providers\.ldap\.managerPassword: \[secret\] +.*xuc\.conf:5:23$/m);
  assert.doesNotMatch(out + err, /xxxxxxxxxx/);
  assert.match(err, /providers\.ldap\.on: after a password that LDAP refuses the local accounts are asked too/);

  mkdirSync('config');
  writeFileSync('config/gatehouse.yaml', '{');
  assert.equal(
    configFile({ values: {}, positionals: [], terminal: { ...process, env } }),
    path.join(process.cwd(), 'config/gatehouse.yaml'),
    'a file that is there counts',
  );
});

test('check: a mistake in a value of the environment names the variable', async (t) => {
  const folder = await temporaryFolder(t);
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(before));
  const wrong = await run(['check'], { XUC_HOST: 'xuc.mydomain', CAS_SERVER_URL: 'cas.example.org' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /^environment CAS_SERVER_URL +providers\.cas\.url: must be an http/m);
  const missing = await run(['check'], { XUC_HOST: 'xuc.mydomain', CONFIG_FILE: '/conf/xuc.conf' });
  assert.equal(missing.code, 1);
  assert.match(missing.err, /\/conf\/xuc\.conf does not exist/);
  const none = await run(['check'], { XUC_HOST: '', JAVA_OPTS: '-Xmx1g' });
  assert.match(none.err, /gatehouse\.yaml {2}the file does not exist/);
});

test('check: over a file the environment counts for what it names, and the table lists only that', async (t) => {
  const folder = await temporaryFolder(t);
  const yaml = path.join(folder, 'gatehouse.yaml');
  writeFileSync(
    yaml,
    [
      'login: { chain: [campus, local] }',
      'providers:',
      '  campus: { type: cas, url: https://old.example.org/cas }',
      '  local: { type: local, users: users.yaml }',
      'routes:',
      '  - { location: /, upstream: "http://127.0.0.1:1" }',
    ].join('\n'),
  );
  const { code, out, err } = await run(['check', '-c', yaml], {
    CAS_SERVER_URL: 'https://new.example.org/cas',
    AUTH_PREVENT_XUC_LOGIN: 'false',
  });
  assert.equal(code, 0, err);
  assert.deepEqual(
    out
      .trim()
      .split('\n')
      .map((line) => line.replace(/ {2,}/, ' | ')),
    [
      'value | from',
      'providers.campus.url: "https://new.example.org/cas" | environment CAS_SERVER_URL',
      'login.reservedUsers: [] | environment AUTH_PREVENT_XUC_LOGIN',
      `${yaml}: good`,
    ],
  );
  assert.doesNotMatch((await run(['check', '-c', yaml])).out, /from/);
});

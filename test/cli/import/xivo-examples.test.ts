/** What the examples and the page for XiVO sites show: each variable is on the page, each compose file makes a gateway. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readConfiguration, xivoEnvironment } from '../../../src/cli/configuration.ts';
import { formatIssues } from '../../../src/config/report.ts';
import { ownKeys } from '../../../src/gateway/environment.ts';
import { readEnvFile } from '../../../src/interop/xivo/env-file.ts';
import { settingsOf } from '../../../src/interop/xivo/settings.ts';
import { translateXivo, xivoVariables } from '../../../src/interop/xivo/xivo.ts';
import { testCertificates } from '../../support/tools/certificates.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const customEnv = (): Record<string, string> =>
  Object.fromEntries(
    [...readEnvFile(read('test/fixtures/xivo/custom.env'), 'custom.env').settings].map(([name, { value }]) => [
      name,
      value,
    ]),
  );

test('xivo: every variable that is read is on the page, and every one on the page is read', () => {
  const page = read('docs/migrating-from-xivo.md');
  const known = [...xivoVariables, ...Object.keys(ownKeys), 'GATEHOUSE_CONFIG', 'GATEHOUSE_XUC_HOST', 'GATEHOUSE_DATA'];
  assert.deepEqual(
    known.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
  const rows = page.split('\n').flatMap((line) => (/^\| `/.test(line) ? [line.split('|')[1] ?? ''] : []));
  const shown = rows.flatMap((cell) => [...cell.matchAll(/`([A-Z][A-Z_]{3,})`/g)].map(([, name]) => name ?? ''));
  assert.deepEqual(
    shown.filter((name) => !known.includes(name) && name !== 'JAVA_OPTS'),
    [],
  );
  assert.ok(shown.length > 20);
});

for (const file of ['docker-compose.yml', 'behind-nginx.yml'])
  test(`xivo: the example compose-xivo/${file} makes a gateway of XiVO's settings`, async (t) => {
    const folder = await temporaryFolder(t);
    const { good } = testCertificates();
    const conf = read('test/fixtures/xivo/xuc-ldap.conf').replace(
      'ldap://ldap.company.com:389',
      'ldaps://ldap.company.com:636',
    );
    writeFileSync(path.join(folder, 'xuc.conf'), conf);
    const { gatehouse } = parse(read(`config/examples/compose-xivo/${file}`)).services;
    assert.equal(gatehouse.env_file, '/etc/docker/compose/custom.env');
    const lines: Record<string, string> = Object.fromEntries(
      gatehouse.environment.map((line: string) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]),
    );
    const places: readonly (readonly [string, string])[] = [
      ['/conf/', `${folder}/`],
      ['/customSslTrustStore/', `${root}/test/fixtures/xivo/`],
      ['/ssl/xivoxc.crt', good.certificate],
      ['/ssl/xivoxc.key', good.key],
      ['HTTP/xuc.mydomain', 'HTTP/xuc.mydomain@MYDOMAIN'],
    ];
    const inside = new Set(gatehouse.volumes.map((volume: string) => volume.split(':')[1]));
    for (const name of ['/conf/', '/customSslTrustStore/', '/ssl/', '/etc/kerberos/'])
      if (Object.values(lines).some((value) => value.includes(name)))
        assert.ok(inside.has(name.slice(0, -1)), `a volume holds ${name}`);
    const env = Object.fromEntries(
      Object.entries(lines).map(([name, value]) => [
        name,
        places.reduce((text, [from, to]) => text.replaceAll(from, to), value),
      ]),
    );
    const sso = file === 'docker-compose.yml' ? 'true' : 'false';
    const reading = readConfiguration(xivoEnvironment, { ...customEnv(), ...env, USE_SSO: sso });
    assert.ok(reading.kind === 'ok', reading.kind === 'invalid' ? formatIssues(reading.issues) : '');
    const { server, login, routes } = reading.document;
    assert.deepEqual(login.chain, [...(sso === 'true' ? ['kerberos'] : []), 'ldap', 'local']);
    assert.equal(server.publicUrl.origin, 'https://xuc.mydomain');
    assert.equal(routes.length, 8);
    assert.equal(
      reading.warnings.some(({ message }) => /circle/.test(message)),
      false,
    );
  });

test('xivo: the example xivo.yaml has the routes that the settings make', () => {
  const settings = settingsOf({ ...customEnv(), USE_SSO: 'false', GATEHOUSE_XUC_HOST: '10.0.0.5' });
  const made = translateXivo({ settings }).values.flatMap(({ key, value }) => (key[0] === 'routes' ? [value] : []));
  const shown = JSON.parse(
    JSON.stringify(parse(read('config/examples/xivo.yaml')).routes).replaceAll('.example.com', '.mydomain'),
  );
  assert.deepEqual(shown, made);
});

/** `gatehouse import roles` and `import genesys`: what they print, what they name, how they exit; and the names as variables. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { readRolesFile } from '../../../src/policy/roles-file.ts';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

async function files(t: TestContext, contents: Readonly<Record<string, string>>): Promise<string[]> {
  const folder = await temporaryFolder(t);
  const paths: string[] = [];
  for (const [name, text] of Object.entries(contents)) {
    paths.push(path.join(folder, name));
    await writeFile(path.join(folder, name), text);
  }
  return paths;
}

test('import roles: several files of several kinds become one that the gateway reads', async (t) => {
  const named = await files(t, {
    'spd.xml':
      '<solutionDefinition xmlns="http://genesyslab.com/gax/asd"><version>9.0</version><role name="Viewer"><privilege key="reports.read"/></role>\n<x/></solutionDefinition>',
    'more.csv': 'role,privilege\nViewer,users.read\nLead,users.write\n',
    'own.json':
      '{ "format": "gatehouse-roles/1", "privileges": { "users.write": { "needs": ["users.read"] }, "users.read": {} }, "roles": { "Lead": { "privileges": ["users.write"], "from": { "groups": ["leads"] } } } }',
  });
  const { code, stdout, stderr } = await run(['import', 'roles', ...named, '--application', 'automation']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^not understood:\n {2}\S+spd\.xml:2 {2}<x>: is not about a role/);
  const read = readRolesFile('roles.yaml', stdout);
  assert.equal(read.kind, 'ok');
  assert.deepEqual(parse(stdout), {
    format: 'gatehouse-roles/1',
    application: 'automation',
    version: '9.0',
    privileges: { 'reports.read': {}, 'users.read': {}, 'users.write': { needs: ['users.read'] } },
    roles: {
      Viewer: { privileges: ['reports.read', 'users.read'] },
      Lead: { privileges: ['users.write'], from: { groups: ['leads'] } },
    },
  });
});

test('import roles: where no role is found it exits with 2, and says what was not understood', async (t) => {
  const [xml = '', yaml = ''] = await files(t, {
    'spd.xml': '<solutionDefinition xmlns="http://genesys.com/gax/asd">\n<agent/></solutionDefinition>',
    'broken.yaml': 'format: gatehouse-roles/1\nroles:\n  A: { privileges: [gone] }\n',
  });
  const nothing = await run(['import', 'roles', xml]);
  assert.deepEqual([nothing.code, nothing.stdout], [2, '']);
  assert.match(nothing.stderr, /spd\.xml:2 {2}<agent>/);
  const faulty = await run(['import', 'roles', yaml]);
  assert.deepEqual([faulty.code, faulty.stdout], [2, '']);
  assert.match(faulty.stderr, /broken\.yaml:3:21 {2}roles\.A\.privileges\[0\]: names no privilege/);
  assert.equal((await run(['import', 'roles'])).code, 2);
});

test('import genesys: settings become a part of a configuration, and the others are named', async (t) => {
  const [file = ''] = await files(t, {
    'ia.txt': `Login.ExternalAuthenticationMode=None
GenesysSDK.ConfigServerLogin.DefaultCompanyID = 101
Contact Methods and Behavior
Variable Name for Customer Email Address=mail
Maximum Attempts at Sending an Authentication Code=3
Behaviour if No Verified Contact Method Available=agent
Behaviour After Exceeding Maximum Code Verification Attempts=agent
Number of digits for the Generated Code=6
Internal Code Expiration Time (minutes)=5
Email Address ‘From’=Sign-in <no-reply@cc.example.com>
Check Verified Contact Methods Web Service URL For Test Calls=https://mfa.test.example/contacts
Web Service Timeout (milliseconds)=5000
Skip Options=yes
Reporting.Interval=5
`,
  });
  const { code, stdout, stderr } = await run(['import', 'genesys', file]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(parse(stdout), {
    login: { external: false },
    tenants: { 'tenant-101': { id: '101' } },
    tenantRules: { default: 'tenant-101' },
    messages: { mail: { from: 'Sign-in <no-reply@cc.example.com>' } },
    factors: {
      email: {
        ...{ type: 'mail', contact: { attribute: 'mail' }, sends: 3, noContact: 'help', afterTries: 'help' },
        ...{ digits: 6, expires: '5m' },
      },
      vendor: { type: 'webservice', contacts: { test: 'https://mfa.test.example/contacts' }, timeout: 5000 },
    },
  });
  assert.match(stdout, /external: false # \S+ia\.txt:1 Login\.ExternalAuthenticationMode/);
  assert.match(stderr, /ia\.txt:13 {2}Skip Options: a session keeps what was proved/);
  assert.match(stderr, /ia\.txt:14 {2}Reporting\.Interval: is not about users/);
  const [wrong = ''] = await files(t, {
    'x.txt': 'Login.ExternalAuthenticationMode=LDAP\nNumber of digits for the Generated Code=123\nwhatever\n',
  });
  const nothing = await run(['import', 'genesys', wrong]);
  assert.deepEqual([nothing.code, nothing.stdout], [2, '']);
  assert.match(nothing.stderr, /x\.txt:1 {2}Login\.ExternalAuthenticationMode: is neither None nor ConfigServer/);
  assert.match(nothing.stderr, /x\.txt:2 {2}Number of digits .*a pattern such as 123456 says no number/);
  assert.match(nothing.stderr, /x\.txt:3 {2}whatever: is no Name=Value/);
});

test('environment: the names of external users and of the default company count over the file', async (t) => {
  const [file = ''] = await files(t, {
    'gatehouse.yaml': `login: { chain: [local, sso] }
providers:
  local: { type: local, users: users.yaml }
  sso: { type: cas, url: "https://cas.example.com" }
tenants: { acme: { id: "101" }, globex: { id: "102" } }
routes: [{ location: /, upstream: "http://127.0.0.1:1" }]
`,
  });
  const check = (env: Record<string, string>) => run(['check', '--config', file], { env });
  const off = await check({
    'Login.ExternalAuthenticationMode': 'None',
    'GenesysSDK.ConfigServerLogin.DefaultCompanyID': '102',
  });
  assert.equal(off.code, 0, off.stderr);
  assert.match(off.stderr, /login\.external: is false: sso is not asked/);
  assert.match(off.stdout, /tenantRules\.default: "globex" {2}environment GenesysSDK/);
  const wrong = await check({ 'GenesysSDK.ConfigServerLogin.DefaultCompanyID': '7' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /DefaultCompanyID names no id of a tenant/);
  assert.match((await check({ 'Login.ExternalAuthenticationMode': 'ldap' })).stderr, /neither None nor ConfigServer/);
});

/** What `gatehouse check` says of tenants: faults where they stand, and warnings of what is allowed and seldom meant. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const rest = `
providers:
  local: { type: local, users: users.yaml }
  directory:
    type: ldap
    url: ldaps://127.0.0.1:1
    searchBase: dc=example,dc=com
    userSearchFilter: (uid=%s)
routes:
  - { location: /, upstream: "http://127.0.0.1:1" }
`;

async function check(t: TestContext, tenants: string, users = ''): Promise<string> {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'gatehouse.yaml');
  await writeFile(
    file,
    `login: { chain: [local, directory] }\nserver: { publicUrl: "http://cc.test:8080" }${rest}${tenants}`,
  );
  if (users !== '') await writeFile(path.join(folder, 'users.yaml'), users);
  const { stderr } = await run(['check', '--config', file]);
  return stderr.replaceAll(file, 'gatehouse.yaml');
}

test('check: an id that stands twice is an error at the second, with the first beside it', async (t) => {
  const said = await check(t, 'tenants:\n  acme: { id: "101" }\n  globex: { id: "101" }\n');
  assert.match(said, /^gatehouse\.yaml:14:17 {2}tenants\.globex\.id: is the id of another tenant: "101" is acme's/m);
});

test('check: names of tenants and providers that there are not are errors where they stand', async (t) => {
  const said = await check(
    t,
    `tenants:
  acme: { id: "101", match: { providers: [loco] } }
tenantRules: { default: amce }
roles:
  agent: { groups: [agents], tenants: [acme, globex] }
`,
  );
  assert.match(said, /^gatehouse\.yaml:13:43 {2}tenants\.acme\.match\.providers\[0\]: names no provider: "loco"/m);
  assert.match(
    said,
    /^gatehouse\.yaml:14:25 {2}tenantRules\.default: names no tenant: "amce" — did you mean "acme"\?/m,
  );
  assert.match(said, /^gatehouse\.yaml:16:46 {2}roles\.agent\.tenants\[1\]: names no tenant: "globex"/m);
});

test('check: rules without tenants, and an attribute for ids where no tenant has one, are errors', async (t) => {
  const said = await check(t, 'tenantRules: { attribute: dbid, default: acme, several: choose }\n');
  assert.match(said, /tenantRules\.attribute: is about tenants, and there are none/);
  assert.match(said, /tenantRules\.default: is about tenants, and there are none/);
  assert.match(said, /^gatehouse\.yaml:12:\d+ {2}tenantRules\.several: is about tenants, and there are none/m);
  const without = await check(t, 'tenants: { acme: {} }\ntenantRules: { attribute: dbid }\n');
  assert.match(without, /tenantRules\.attribute: holds the id of a tenant, and no tenant has an id/);
});

test('check: it warns of attributes that no directory reads, of unknown hosts and users, and of a default with roles of its own', async (t) => {
  const said = await check(
    t,
    `tenants:
  acme: { id: "101", match: { attributes: { o: [ACME], email: [a@acme.example] } }, hosts: [acme.test] }
  globex: { id: "102", hosts: [cc.test] }
tenantRules: { attribute: dbid, default: acme }
roles:
  lead: { groups: [leads], tenants: [acme] }
  agent: { groups: [agents], tenants: [acme, globex] }
`,
    'users:\n  bob: { tenant: initech }\n  eve: { tenant: acme }\n',
  );
  assert.match(said, /tenantRules\.attribute: is not read by directory: users there have no value/);
  assert.match(said, /tenants\.acme\.match\.attributes\.o: is not read by directory/);
  assert.doesNotMatch(said, /attributes\.email/);
  assert.match(said, /tenants\.acme\.hosts\[0\]: is no host of the site/);
  assert.doesNotMatch(said, /globex\.hosts/);
  assert.match(said, /providers\.local\.users: names tenants that there are not: initech at bob/);
  assert.match(said, /tenantRules\.default: is acme, which alone has lead/);
});

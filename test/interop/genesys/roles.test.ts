/** Roles of other systems: what is read of a solution package and of a table, and what is named instead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RolesDraft } from '../../../src/interop/genesys/draft.ts';
import { isRolesCsv, readRolesCsv } from '../../../src/interop/genesys/roles-csv.ts';
import { isXml, readRolesXml } from '../../../src/interop/genesys/roles-xml.ts';

const rolesOf = ({ roles }: RolesDraft) => Object.fromEntries([...roles].map(([name, own]) => [name, [...own]]));
const faultsOf = ({ notUnderstood }: RolesDraft) =>
  notUnderstood.map(({ line, what, why }) => `${line} ${what}: ${why}`);

const solution = (content: string, namespace = 'http://genesyslab.com/gax/asd') =>
  `<?xml version="1.0" encoding="utf-8"?>\n<solutionDefinition version="2.0.0" xmlns="${namespace}" xmlns:cfg="${namespace}/cfg">\n${content}\n</solutionDefinition>`;

test('xml: roles by name, privileges by key, in attributes and in elements', () => {
  const draft = readRolesXml(
    solution(`<name>IA</name><version>9.0.004.00</version>
<role name="Viewer"><privilege key="reports.read" label="Read reports"/></role>
<profile name="install"><execution><roles>
<cfg:role><cfg:name> Designer </cfg:name><privileges><privilege><key>users.write</key><name>Write users</name></privilege></privileges></cfg:role>
<role name="Viewer"><privilege key="users.read"/><privilege>a &amp; b</privilege></role>
</roles></execution></profile>`),
  );
  assert.deepEqual(rolesOf(draft), { Viewer: ['reports.read', 'users.read', 'a & b'], Designer: ['users.write'] });
  assert.deepEqual([...draft.privileges].slice(0, 2), [
    ['reports.read', 'Read reports'],
    ['users.write', 'Write users'],
  ]);
  assert.equal(draft.version, '9.0.004.00');
  assert.deepEqual(faultsOf(draft), []);
  const other = readRolesXml(solution('<role name="A"><privilege key="x"/></role>', 'http://genesys.com/gax/asd'));
  assert.deepEqual(rolesOf(other), { A: ['x'] });
});

test('xml: whatever else is there is named with its line, and no role is made of it', () => {
  const draft = readRolesXml(
    solution(`<role><privilege key="a"/></role>
<role name="Odd"><privilege/>
<right key="x"/></role>
<cfg:createHost name="h"><role name="Hidden"/></cfg:createHost>
<role name="Alien" xmlns="http://example.com/other"><privilege key="x"/></role>
<privilege key="stray"/>`),
  );
  assert.deepEqual(rolesOf(draft), { Odd: [] });
  assert.deepEqual(faultsOf(draft), [
    '3 <role>: has no name',
    '4 <privilege>: has no key',
    '5 <right>: is not about a role or its privileges',
    '6 <createHost>: is not about a role or its privileges',
    '7 <role>: is not about a role or its privileges',
    '8 <privilege>: is not about a role or its privileges',
  ]);
});

const broken: Record<string, [text: string, want: string]> = {
  'another root': ['<roles/>', '1 the file: begins with roles, not with a solutionDefinition of …/gax/asd'],
  'another namespace': [
    '<solutionDefinition xmlns="http://example.com/"/>',
    '1 the file: begins with solutionDefinition, not with a solutionDefinition of …/gax/asd',
  ],
  'a DTD': ['<!DOCTYPE x [<!ENTITY a "b">]>\n<x/>', '1 the file: has a DTD, which is not followed'],
  'half a file': [solution('<role name="A">'), '4 the file: is not well-formed XML'],
  depth: [solution('<roles>'.repeat(80)), '3 the file: is nested too deeply'],
};
for (const [name, [text, want]] of Object.entries(broken))
  test(`xml: ${name} is named, and is no role`, () => {
    assert.equal(isXml(text), true);
    const draft = readRolesXml(text);
    assert.equal(faultsOf(draft).at(-1), want);
  });

test('csv: a row for each privilege of a role, with a byte order mark, quotes and any of three signs between', () => {
  for (const sign of [',', ';', '\t']) {
    const text = `\ufeff"Role"${sign}Privilege\r\nViewer${sign}reports.read\r\n"Call, Lead"${sign}"a""b"\r\n\r\nViewer${sign}users.read\r\n`;
    assert.equal(isRolesCsv(text), true);
    const draft = readRolesCsv(text);
    assert.deepEqual(rolesOf(draft), { Viewer: ['reports.read', 'users.read'], 'Call, Lead': ['a"b'] });
    assert.deepEqual(faultsOf(draft), []);
  }
});

test('csv: rows that lack something, more columns and one that stands twice are named with their line', () => {
  const draft = readRolesCsv('role,privilege,note\nA,x,why\nB,y\n,z,\nC,,\n');
  assert.deepEqual(rolesOf(draft), { A: ['x'] });
  assert.deepEqual(faultsOf(draft), [
    '1 column note: means nothing here',
    '3 B,y: has 2 columns, not 3',
    '4 ,z,: lacks the role or the privilege',
    '5 C,,: lacks the role or the privilege',
  ]);
  const twice = readRolesCsv('role,privilege,role\nA,x,B\n');
  assert.deepEqual(rolesOf(twice), {});
  assert.match(faultsOf(twice)[0] ?? '', /^1 column role: stands twice/);
  assert.equal(isRolesCsv('format: gatehouse-roles/1\n'), false);
});

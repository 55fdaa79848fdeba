/** What roles let do in an application, and what is wrong with a file of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIssue } from '../../src/config/load.ts';
import { Privileges } from '../../src/policy/privileges.ts';
import { readRolesFile, rolesFormat } from '../../src/policy/roles-file.ts';

const text = `format: gatehouse-roles/1
application: automation
version: 9.0.004.00
privileges:
  reports.read: {}
  users.read: { label: Read users }
  users.write: { needs: [users.read] }
  users.admin: { needs: [users.write] }
roles:
  Viewer: { privileges: [reports.read] }
  Application Designer: { privileges: [users.admin], includes: [Viewer], from: { groups: [designers] } }
  Boss: { includes: [Application Designer] }
  Guest: {}
`;

function read(file: string) {
  const result = readRolesFile('roles.yaml', file);
  if (result.kind === 'invalid') return result.issues.map((issue) => formatIssue({ ...issue }).split('\n')[0]);
  return result.value;
}

function privilegesOf(...roles: string[]) {
  const file = read(text);
  assert.ok(!Array.isArray(file), String(file));
  const place = () => assert.fail('nothing is wrong');
  return new Privileges({ automation: { roles: { ...file, place } } }).of(new Set(roles)).get('automation');
}

test('privileges: a role gives its own, those that these need, and those of roles that it includes', () => {
  assert.deepEqual(privilegesOf('Viewer'), ['reports.read']);
  const all = ['reports.read', 'users.admin', 'users.read', 'users.write'];
  assert.deepEqual(privilegesOf('Application Designer'), all);
  assert.deepEqual(privilegesOf('Boss'), all);
  assert.deepEqual(privilegesOf('Viewer', 'Guest'), ['reports.read']);
});

test('privileges: who has no role of the application, or one without privileges, has none there', () => {
  assert.equal(privilegesOf(), undefined);
  assert.equal(privilegesOf('Guest'), undefined);
  assert.equal(privilegesOf('viewer', 'agent', 'constructor'), undefined);
});

const head = `format: ${rolesFormat}\n`;
const faults: Record<string, [file: string, want: RegExp]> = {
  'another format': ['format: gatehouse-roles/2\nroles: {}\n', /^roles\.yaml:1:9 {2}format: /],
  'no format': ['roles: {}\n', /^roles\.yaml:1:1 {2}format: /],
  'an unknown privilege of a role': [
    `${head}privileges: { a.read: {} }\nroles:\n  X: { privileges: [a.raed] }\n`,
    /^roles\.yaml:4:21 {2}roles\.X\.privileges\[0\]: names no privilege of the file: "a\.raed" — did you mean "a\.read"\?/,
  ],
  'an unknown privilege that is needed': [
    `${head}privileges:\n  a: { needs: [b] }\nroles: {}\n`,
    /^roles\.yaml:3:16 {2}privileges\.a\.needs\[0\]: names no privilege/,
  ],
  'an unknown role that is included': [
    `${head}roles:\n  X: { includes: [Y] }\n`,
    /^roles\.yaml:3:19 {2}roles\.X\.includes\[0\]: names no role of the file: "Y"/,
  ],
  'a circle of roles': [
    `${head}roles:\n  X: { includes: [Y] }\n  Y: { includes: [Z] }\n  Z: { includes: [X] }\n`,
    /^roles\.yaml:5:19 {2}roles\.Z\.includes\[0\]: leads back to where it begins: X → Y → Z → X/,
  ],
  'a role that includes itself': [`${head}roles:\n  X: { includes: [X] }\n`, /roles\.X\.includes\[0\]: .*X → X/],
  'a circle of privileges': [
    `${head}privileges:\n  a: { needs: [b] }\n  b: { needs: [a] }\nroles: {}\n`,
    /^roles\.yaml:4:16 {2}privileges\.b\.needs\[0\]: leads back to where it begins: a → b → a/,
  ],
  'an unknown key': [
    `${head}roles:\n  X: { privilege: [a] }\n`,
    /^roles\.yaml:3:8 {2}roles\.X\.privilege: .*not a known key/,
  ],
  'a role twice': [`${head}roles:\n  X: {}\n  X: {}\n`, /^roles\.yaml:4:3/],
  'no YAML': [`${head}roles: [\n`, /^roles\.yaml:/],
};
for (const [name, [file, want]] of Object.entries(faults))
  test(`roles file: ${name} is an error at its place`, () => {
    const said = read(file);
    assert.ok(Array.isArray(said));
    assert.match(String(said[0]), want);
  });

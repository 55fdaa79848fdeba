/** The level that a login has to reach, rule by rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginLevelOf, loginLevelOption } from '../../src/policy/login-level.ts';

const inside = { address: '10.1.2.3' };
const outside = { address: '203.0.113.9' };
const agent = { roles: new Set(['agent']), provider: 'directory', tenant: 'acme' };
const supervisor = { roles: new Set(['agent', 'supervisor']), provider: 'directory', tenant: 'acme' };
const local = { roles: new Set<string>(), provider: 'local', tenant: 'globex' };
const byRole = { level: 2, roles: ['supervisor', 'admin'] };
const byNetwork = { level: 2, outside: ['10.0.0.0/8'] };
const both = { level: 3, roles: ['supervisor'], outside: ['10.0.0.0/8'] };

const cases: Readonly<Record<string, [option: unknown, who: typeof agent, from: typeof inside, want: 1 | 2 | 3]>> = {
  'a number holds for everybody': [2, agent, inside, 2],
  'without rules that hold, 1': [[byRole], agent, inside, 1],
  'a role': [[byRole], supervisor, inside, 2],
  'a role, whatever comes before': [[{ level: 1 }, byRole], supervisor, inside, 2],
  'the highest of several, not the last': [[both, byRole, { level: 1 }], supervisor, outside, 3],
  'inside of the networks': [[byNetwork], agent, inside, 1],
  'outside of the networks': [[byNetwork], agent, outside, 2],
  'an address that cannot be told is outside': [[byNetwork], agent, { ...inside, isRelayed: true } as never, 2],
  'an address that cannot be read is outside': [[byNetwork], agent, { address: 'nowhere' }, 2],
  'every condition of a rule must hold': [[both], supervisor, inside, 1],
  'a provider': [[{ level: 2, providers: ['local'] }], local, inside, 2],
  'a tenant': [[{ level: 2, tenants: ['globex'] }], local, inside, 2],
  'another tenant': [[{ level: 2, tenants: ['globex'] }], agent, inside, 1],
  'another provider': [[{ level: 2, providers: ['local'] }], agent, inside, 1],
};
for (const [name, [option, who, from, want]] of Object.entries(cases))
  test(`login.level: ${name}`, () => assert.equal(loginLevelOf(loginLevelOption.parse(option), who, from), want));

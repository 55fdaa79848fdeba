/** Contradictions between factors and the levels that ask for them, each told at its key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentSchema } from '../../src/gateway/document.ts';

const base = {
  login: { chain: ['local'] },
  providers: { local: { type: 'cas', url: 'https://cas.example.com' } },
  roles: { agent: { groups: ['agents'] } },
  routes: [{ location: '/', upstream: 'http://127.0.0.1:8070' }],
};
const app = { type: 'totp' };
const key = { type: 'webauthn', first: true };
const server = { listen: 'https://127.0.0.1:8443', publicUrl: 'https://cc.example.com' };

const faults: Readonly<Record<string, [more: object, path: string, message: RegExp]>> = {
  'a level without any factor': [{ login: { chain: ['local'], level: 2 } }, 'login.level', /nobody can reach/],
  'a level above what the factors give': [
    { login: { chain: ['local'], level: [{ level: 3 }] }, factors: { app } },
    'login.level.0.level',
    /is 3, which nobody can reach: the configured factors give 2/,
  ],
  'a rule for a role that is none': [
    { login: { chain: ['local'], level: [{ level: 2, roles: ['agnet'] }] }, factors: { app } },
    'login.level.0.roles.0',
    /names no role: "agnet"/,
  ],
  'a rule for a provider that is none': [
    { login: { chain: ['local'], level: [{ level: 2, providers: ['x'] }] }, factors: { app } },
    'login.level.0.providers.0',
    /names no provider: "x"/,
  ],
  'a factor with the name of a provider': [{ factors: { local: app } }, 'factors.local', /name of a provider/],
  'a hard limit below the first': [
    { factorRules: { failures: { count: 5, hard: 4 } } },
    'factorRules.failures.hard',
    /less than count/,
  ],
  'a longest lock below the first': [
    { factorRules: { failures: { delay: '5m', max: '1m' } } },
    'factorRules.failures.max',
    /shorter than delay/,
  ],
  'a period that apps do not know': [
    { factors: { app: { ...app, period: '45s' } } },
    'factors.app.period',
    /30s or 60s/,
  ],
  'a login that may take too long': [{ factorRules: { pending: '31m' } }, 'factorRules.pending', /between 2m and 30m/],
  'a passkey first, and nobody who looks users up': [
    { server, factors: { key } },
    'factors.key.first',
    /no provider that is asked can look users up/,
  ],
  'a passkey first where only others are asked': [
    {
      ...{ server, factors: { key }, login: { chain: ['local', 'ours'], external: false } },
      providers: {
        local: { type: 'cas', url: 'https://cas.example.com' },
        ours: { type: 'ldap', url: 'ldaps://ldap.example.com', searchBase: 'dc=example,dc=com' },
      },
    },
    'factors.key.first',
    /look users up/,
  ],
  'two factors that a login begins with': [
    { server, factors: { key, desk: key }, providers: { local: { type: 'local', users: '/tmp/users.yaml' } } },
    'factors.desk.first',
    /is true here and at key/,
  ],
  'a passkey first at an address': [
    { server: { listen: 'https://127.0.0.1:8443', publicUrl: 'https://127.0.0.1:8443' }, factors: { key } },
    'factors.key.type',
    /keys are made for names/,
  ],
  'seven digits': [{ factors: { app: { ...app, digits: 7 } } }, 'factors.app.digits', /./],
};
for (const [name, [more, path, message]] of Object.entries(faults))
  test(`factors: ${name} is told at its key`, () => {
    const { error } = documentSchema.safeParse({ ...base, ...more });
    const issue = error?.issues.find((one) => one.path.join('.') === path);
    assert.ok(issue, JSON.stringify(error?.issues));
    assert.match(issue.message, message);
  });

test('factors: levels that can be reached are taken', () => {
  const level = [{ level: 1 }, { level: 2, roles: ['agent'], providers: ['local'], outside: ['10.0.0.0/8'] }];
  const { error } = documentSchema.safeParse({ ...base, login: { chain: ['local'], level }, factors: { app } });
  assert.equal(error, undefined);
});

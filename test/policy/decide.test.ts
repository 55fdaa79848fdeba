/** The decision, with every way to be denied, and what happens to nonsense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Principal } from '../../src/core/principal.ts';
import type { Proof } from '../../src/core/proof.ts';
import type { Access } from '../../src/core/route.ts';
import type { Session } from '../../src/core/session.ts';
import { decide } from '../../src/policy/decide.ts';
import { worthOf } from '../../src/policy/worth.ts';
import { trials } from '../support/tools/properties.ts';

const principal: Principal = {
  realm: 'r',
  subject: 'alice',
  amr: ['pwd'],
  attributes: {},
  provider: 'directory',
  tenant: 'default',
  roles: new Set(['agent']),
};
const first = (at: number): Proof => ({ step: 'first', by: 'directory', realm: 'r', amr: ['pwd'], at });
const worth = worthOf({ providers: { directory: {} }, factors: { app: {}, key: {} } });
const ask = (access: Access, provedAt: number | undefined = 900, now = 1000) =>
  decide(principal, { access }, provedAt === undefined ? undefined : { proofs: [first(provedAt)] }, now, worth);
const needs = (more: Partial<Exclude<Access, string>>): Access => ({ roles: [], providers: [], ...more });

const cases: Record<string, [Access, object]> = {
  'a public location': ['public', { kind: 'permit' }],
  'a closed location': ['deny', { kind: 'deny', reason: 'location-closed' }],
  'no demands': [needs({}), { kind: 'permit' }],
  'one of several roles': [needs({ roles: ['supervisor', 'agent'] }), { kind: 'permit' }],
  'a role that is missing': [needs({ roles: ['supervisor'] }), { kind: 'deny', reason: 'role-missing' }],
  'one of several providers': [needs({ providers: ['local', 'directory'] }), { kind: 'permit' }],
  'another provider': [needs({ providers: ['local'] }), { kind: 'deny', reason: 'provider-not-admitted' }],
  'the role, but another provider': [
    needs({ roles: ['agent'], providers: ['local'] }),
    { kind: 'deny', reason: 'provider-not-admitted' },
  ],
  'a proof of just that age': [needs({ maxAge: 100 }), { kind: 'permit' }],
  'a proof that is too old': [needs({ maxAge: 99 }), { kind: 'step-up', reason: 'too-old' }],
  'a role that is missing, before the age': [
    needs({ roles: ['x'], maxAge: 1 }),
    { kind: 'deny', reason: 'role-missing' },
  ],
};
for (const [name, [access, want]] of Object.entries(cases))
  test(`decide: ${name}`, () => assert.deepEqual(ask(access), want));

const app: Proof = { step: 'second', by: 'app', realm: 'default', amr: ['otp'], at: 950 };
const key: Proof = { step: 'second', by: 'key', realm: 'default', amr: ['hwk', 'user'], at: 920 };
const permit = { kind: 'permit' };
const stepUp = (reason: string) => ({ kind: 'step-up', reason });
const levels: Record<string, [Partial<Exclude<Access, string>>, readonly Proof[], object]> = {
  'level 1, by a password': [{ level: 1 }, [first(900)], permit],
  'level 2, by a password alone': [{ level: 2 }, [first(900)], stepUp('level-too-low')],
  'level 2, by a password and a code': [{ level: 2 }, [first(900), app], permit],
  'level 2, by a code alone': [{ level: 2 }, [app], stepUp('level-too-low')],
  'level 3, by a password and a code': [{ level: 3 }, [first(900), app], stepUp('level-too-low')],
  'level 3, by a password and a key': [{ level: 3 }, [first(900), key], permit],
  'the factor that is named': [{ level: 2, factors: ['app', 'key'] }, [first(900), app], permit],
  'another factor than the one that is named': [
    { level: 2, factors: ['key'] },
    [first(900), app],
    stepUp('factor-missing'),
  ],
  'a factor and no level': [{ factors: ['app'] }, [first(900), app], permit],
  'a factor and no level, by a password': [{ factors: ['app'] }, [first(900)], stepUp('factor-missing')],
  'the age of the code, not of the password': [{ level: 2, maxAge: 50 }, [first(10), app], permit],
  'a code that is too old': [{ level: 2, maxAge: 49 }, [first(999), app], stepUp('too-old')],
  'the age of the key, not of a younger code': [{ level: 3, maxAge: 79 }, [first(999), app, key], stepUp('too-old')],
  'the age of the factor that is named': [{ factors: ['key'], maxAge: 79 }, [first(999), app, key], stepUp('too-old')],
  'the age of the factor that is named, young enough': [{ factors: ['key'], maxAge: 80 }, [first(1), key], permit],
  'a role that is missing, before the level': [
    { level: 2, roles: ['x'] },
    [first(900)],
    { kind: 'deny', reason: 'role-missing' },
  ],
};
for (const [name, [access, proofs, want]] of Object.entries(levels))
  test(`decide: ${name}`, () => {
    const session = { proofs: proofs as Session['proofs'] };
    assert.deepEqual(decide(principal, { access: needs(access) }, session, 1000, worth), want);
  });

test('decide: a proof that comes with each request is worth 1, whatever it says of itself', () => {
  const bearer = { ...principal, amr: ['mfa', 'hwk'], acr: 'phrh' };
  const decision = decide(bearer, { access: needs({ level: 2 }) }, undefined, 1000, worth);
  assert.deepEqual(decision, stepUp('level-too-low'));
});

test('decide: without a session the proof came with the request', () => {
  assert.deepEqual(decide(principal, { access: needs({ maxAge: 0 }) }, undefined, 1000, worth), { kind: 'permit' });
});

test('decide: a time that is no number is too old', () => {
  assert.equal(ask(needs({ maxAge: 100 }), Number.NaN).kind, 'step-up');
  assert.equal(ask(needs({ maxAge: 100 }), 900, Number.NaN).kind, 'step-up');
});

test('property: whatever it is given, it answers, and never permits what it cannot judge', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), fc.anything(), (who, access, session) => {
      const decision = decide(who as Principal, { access: access as Access }, session as Session, 1000, worth);
      assert.ok(['permit', 'deny', 'step-up'].includes(decision.kind));
      if (typeof access !== 'object' && access !== 'public') assert.equal(decision.kind, 'deny');
    }),
    trials(),
  );
});

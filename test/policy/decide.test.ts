/** The decision, with every way to be denied, and what happens to nonsense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Principal } from '../../src/core/principal.ts';
import type { Proof } from '../../src/core/proof.ts';
import type { Access } from '../../src/core/route.ts';
import type { Session } from '../../src/core/session.ts';
import { decide } from '../../src/policy/decide.ts';
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
const ask = (access: Access, provedAt: number | undefined = 900, now = 1000) =>
  decide(principal, { access }, provedAt === undefined ? undefined : { proofs: [first(provedAt)] }, now);
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

test('decide: without a session the proof came with the request', () => {
  assert.deepEqual(decide(principal, { access: needs({ maxAge: 0 }) }, undefined, 1000), { kind: 'permit' });
});

test('decide: a time that is no number is too old', () => {
  assert.equal(ask(needs({ maxAge: 100 }), Number.NaN).kind, 'step-up');
  assert.equal(ask(needs({ maxAge: 100 }), 900, Number.NaN).kind, 'step-up');
});

test('property: whatever it is given, it answers, and never permits what it cannot judge', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), fc.anything(), (who, access, session) => {
      const decision = decide(who as Principal, { access: access as Access }, session as Session, 1000);
      assert.ok(['permit', 'deny', 'step-up'].includes(decision.kind));
      if (typeof access !== 'object' && access !== 'public') assert.equal(decision.kind, 'deny');
    }),
    trials(),
  );
});

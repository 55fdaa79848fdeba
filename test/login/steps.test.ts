/** Which step of a login is next: the table, row by row, and over all that can be known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextStep, type Step, type StepFacts } from '../../src/login/steps.ts';
import { trials } from '../support/tools/properties.ts';

/** Somebody who has given a first proof, and lacks a factor that nobody can give. */
const lacking: StepFacts = {
  awaitsProvider: false,
  tenants: 'one',
  isEnough: false,
  candidates: [],
  enrollable: [],
  needsFreshProof: false,
  needsCode: false,
  isEnrolmentClosed: false,
  mustChangePassword: false,
};

const rows: Readonly<Record<string, [known: Partial<StepFacts>, want: Step]>> = {
  'the provider asks once more, whatever else is known': [
    { awaitsProvider: true, tenants: 'none', isEnough: true },
    { kind: 'provider' },
  ],
  'no tenant': [
    { tenants: 'none', isEnough: true },
    { kind: 'refused', reason: 'tenant-missing' },
  ],
  'several tenants': [{ tenants: 'several', isEnough: true }, { kind: 'tenant' }],
  enough: [{ isEnough: true }, { kind: 'admit' }],
  'enough, and a challenge left over': [{ isEnough: true, candidates: ['app'], asked: 'app' }, { kind: 'admit' }],
  'enough, and the password has to change': [{ isEnough: true, mustChangePassword: true }, { kind: 'new-password' }],
  'the password has to change, after the factor': [
    { mustChangePassword: true, candidates: ['app'] },
    { kind: 'ask', factor: 'app' },
  ],
  'enough, and codes that stand in are to be set up': [
    { isEnough: true, spare: 'codes', mustChangePassword: true },
    { kind: 'begin-enrolment', factor: 'codes' },
  ],
  'those codes on show': [
    { isEnough: true, spare: 'codes', enrolling: 'codes' },
    { kind: 'enrol', factor: 'codes', hasOthers: false },
  ],
  'not enough: codes that stand in wait': [
    { spare: 'codes', candidates: ['app'] },
    { kind: 'ask', factor: 'app' },
  ],
  'nothing is known to reach the user by, and the operator refuses': [
    { withoutContact: 'refuse' },
    { kind: 'refused', reason: 'contact-missing' },
  ],
  'nothing is known to reach the user by: help': [
    { withoutContact: 'help', isEnrolmentClosed: true },
    { kind: 'refused', reason: 'contact-missing', isHelped: true },
  ],
  'nothing is known to reach the user by, and the operator lets in': [
    { withoutContact: 'insecure-allow', isEnrolmentClosed: true },
    { kind: 'admit', isLower: true },
  ],
  'the same, and the password has to change': [
    { withoutContact: 'insecure-allow', mustChangePassword: true },
    { kind: 'new-password', isLower: true },
  ],
  'something can be set up: whoever is let in without waits': [
    { withoutContact: 'insecure-allow', enrollable: ['app'] },
    { kind: 'begin-enrolment', factor: 'app' },
  ],
  'something can be asked for: nobody is let in without': [
    { withoutContact: 'insecure-allow', candidates: ['app'] },
    { kind: 'ask', factor: 'app' },
  ],
  'enough, and what is to be set up takes a code first': [
    { isEnough: true, spare: 'app', enrolling: 'app', needsCode: true },
    { kind: 'enrolment-code' },
  ],
  'a first factor that takes a code': [{ enrollable: ['app'], needsCode: true }, { kind: 'enrolment-code' }],
  'a first factor that takes a code, and a first proof of long ago': [
    { enrollable: ['app'], needsCode: true, needsFreshProof: true },
    { kind: 'confirm' },
  ],
  'a code that is wanted of nobody who has a factor': [
    { candidates: ['app'], enrollable: [], needsCode: true },
    { kind: 'ask', factor: 'app' },
  ],
  'one factor': [{ candidates: ['app'] }, { kind: 'ask', factor: 'app' }],
  'several factors': [{ candidates: ['key', 'app'] }, { kind: 'choose', factors: ['key', 'app'] }],
  'the challenge on show': [
    { candidates: ['key', 'app'], asked: 'app' },
    { kind: 'answer', factor: 'app', hasOthers: true },
  ],
  'the only challenge on show': [
    { candidates: ['app'], asked: 'app' },
    { kind: 'answer', factor: 'app', hasOthers: false },
  ],
  'a challenge on show of a factor that is out by now': [
    { candidates: ['key'], asked: 'app' },
    { kind: 'ask', factor: 'key' },
  ],
  'a factor before anything is set up': [
    { candidates: ['app'], enrollable: ['key'] },
    { kind: 'ask', factor: 'app' },
  ],
  'nothing to ask for, one to set up': [{ enrollable: ['app'] }, { kind: 'begin-enrolment', factor: 'app' }],
  'nothing to ask for, several to set up': [
    { enrollable: ['app', 'key'] },
    { kind: 'choose-enrolment', factors: ['app', 'key'] },
  ],
  'the setup on show': [
    { enrollable: ['app', 'key'], enrolling: 'key' },
    { kind: 'enrol', factor: 'key', hasOthers: true },
  ],
  'a setup on show that is allowed no more': [
    { enrollable: ['app'], enrolling: 'key' },
    { kind: 'begin-enrolment', factor: 'app' },
  ],
  'a setup on show, while a factor can be asked for': [
    { candidates: ['app'], enrollable: ['key'], enrolling: 'key' },
    { kind: 'ask', factor: 'app' },
  ],
  'something to set up, and the first proof is old': [
    { enrollable: ['app'], enrolling: 'app', needsFreshProof: true },
    { kind: 'confirm' },
  ],
  'nothing at all': [{}, { kind: 'refused', reason: 'factor-missing' }],
  'nothing that this account may set up': [
    { isEnrolmentClosed: true },
    { kind: 'refused', reason: 'enrolment-closed' },
  ],
};
for (const [name, [known, want]] of Object.entries(rows))
  test(`nextStep: ${name}`, () => assert.deepEqual(nextStep({ ...lacking, ...known }), want));

test('property: nobody is let in, and no password changed, before the proofs are enough', () => {
  const names = fc.subarray(['app', 'key', 'email']);
  const facts = fc.record({
    awaitsProvider: fc.boolean(),
    tenants: fc.constantFrom('one' as const, 'several' as const, 'none' as const),
    isEnough: fc.boolean(),
    candidates: names,
    asked: fc.option(fc.constantFrom('app', 'key', 'email'), { nil: undefined }),
    enrollable: names,
    enrolling: fc.option(fc.constantFrom('app', 'key', 'email'), { nil: undefined }),
    needsFreshProof: fc.boolean(),
    needsCode: fc.boolean(),
    isEnrolmentClosed: fc.boolean(),
    mustChangePassword: fc.boolean(),
    withoutContact: fc.constantFrom(undefined, 'help' as const, 'refuse' as const, 'insecure-allow' as const),
  });
  fc.assert(
    fc.property(facts, (known) => {
      const step = nextStep(known);
      if (step.kind === 'admit' || step.kind === 'new-password')
        assert.ok(!known.awaitsProvider && known.tenants === 'one');
      const isIn = step.kind === 'admit' || step.kind === 'new-password';
      if (isIn && !step.isLower) assert.ok(known.isEnough);
      if (isIn && step.isLower) assert.equal(known.withoutContact, 'insecure-allow');
      if (isIn && step.isLower) assert.deepEqual([known.candidates, known.enrollable], [[], []]);
      if (step.kind === 'admit') assert.ok(!known.mustChangePassword);
      // Whoever has a factor that can be asked for sets nothing up instead of proving it.
      if (/enrol/.test(step.kind) && !known.isEnough) assert.deepEqual(known.candidates, []);
      // Nothing is set up before the code that it takes.
      if (known.needsCode) assert.ok(!/^(?:enrol|choose-enrolment|begin-enrolment)$/.test(step.kind));
      if ('factor' in step) assert.ok([...known.candidates, ...known.enrollable].includes(step.factor));
    }),
    trials(500),
  );
});

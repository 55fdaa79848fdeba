/** What proofs add up to, row by row, and that no list of proofs is worth more than its parts allow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Proof } from '../../src/core/proof.ts';
import { levelOf, levelProvedAt, type Worth } from '../../src/policy/levels.ts';
import { trials } from '../support/tools/properties.ts';

const providers: Readonly<Record<string, (proof: Proof) => 1 | 2 | 3>> = {
  directory: () => 1,
  sso: ({ acr }) => (acr === 'phrh' ? 3 : acr === 'gold' ? 2 : 1),
  tokens: ({ amr }) => (amr.includes('otp') ? 2 : 1),
};
const worth: Worth = {
  factors: new Set(['app', 'email', 'key', 'known']),
  trusts: (proof) => (Object.hasOwn(providers, proof.by) ? (providers[proof.by]?.(proof) ?? 0) : 0),
};
const proof = (step: Proof['step'], by: string, amr: readonly string[], more: Partial<Proof> = {}): Proof => ({
  ...{ step, by, realm: 'r', amr, at: 1000 },
  ...more,
});
const password = proof('first', 'directory', ['pwd']);
const app = proof('second', 'app', ['otp']);
const mail = proof('second', 'email', ['otp', 'mca']);
const key = proof('second', 'key', ['hwk', 'user']);
const passkey = proof('both', 'key', ['swk', 'user', 'pin']);
const remembered = proof('second', 'known', ['rba']);

const levels: Readonly<Record<string, [proofs: readonly Proof[], want: 0 | 1 | 2 | 3]>> = {
  'no proof': [[], 0],
  'a password': [[password], 1],
  'a password judged offline': [[proof('first', 'directory', ['pwd', 'offline'])], 1],
  'a first proof of a provider that is gone': [[proof('first', 'gone', ['pwd'])], 0],
  'a factor without a first proof': [[app], 0],
  'two factors without a first proof': [[app, key], 0],
  'a password and a code': [[password, app], 2],
  'a password and two codes': [[password, app, mail], 2],
  'a password and a factor that is gone': [[password, proof('second', 'gone', ['otp'])], 1],
  'a password and a key': [[password, key], 3],
  'a password and a key of a factor that is gone': [[password, proof('second', 'gone', ['hwk'])], 1],
  'a password and a synced key': [[password, proof('second', 'key', ['swk', 'user'])], 3],
  'a password and a remembered browser': [[password, remembered], 2],
  'a remembered browser that once saw a key': [[password, proof('second', 'known', ['rba', 'hwk'])], 2],
  'a remembered browser alone': [[remembered], 0],
  'a passkey': [[passkey], 3],
  'a passkey of a factor that is gone': [[proof('both', 'gone', ['hwk', 'pin'])], 0],
  'an issuer that said nothing': [[proof('first', 'sso', ['oidc'])], 1],
  'an issuer trusted for 2': [[proof('first', 'sso', ['oidc'], { acr: 'gold' })], 2],
  'an issuer trusted for 3': [[proof('first', 'sso', ['oidc'], { acr: 'phrh' })], 3],
  'an issuer with another class': [[proof('first', 'sso', ['oidc'], { acr: 'silver' })], 1],
  'an issuer that speaks of a key, and is not trusted for it': [[proof('first', 'sso', ['oidc', 'hwk', 'mfa'])], 1],
  'an issuer trusted for 2, and a key': [[proof('first', 'sso', ['oidc'], { acr: 'gold' }), key], 3],
  'a challenge that RADIUS put': [[proof('both', 'tokens', ['pwd', 'otp'])], 2],
  'a class in the proof of a directory that is not trusted': [[{ ...password, acr: 'phrh' }], 1],
  'a first proof that bears the name of a factor': [[proof('first', 'app', ['pwd'])], 0],
};
for (const [name, [proofs, want]] of Object.entries(levels))
  test(`levelOf: ${name}`, () => {
    assert.equal(levelOf(proofs, worth), want);
    assert.equal(levelOf(proofs.toReversed(), worth), want);
  });

const never = Number.NEGATIVE_INFINITY;
const at = (one: Proof, when: number): Proof => ({ ...one, at: when });
const ages: Readonly<Record<string, [proofs: readonly Proof[], level: 1 | 2 | 3, want: number]>> = {
  'level 1 by the youngest first proof': [[at(password, 5), at(proof('first', 'sso', ['oidc']), 9), at(app, 20)], 1, 9],
  'level 1 by no factor': [[at(app, 20)], 1, never],
  'level 1 by nothing that was judged offline': [[proof('first', 'directory', ['pwd', 'offline'])], 1, never],
  'level 2 by the youngest factor': [[at(password, 50), at(app, 20), at(mail, 30)], 2, 30],
  'level 2 by a key': [[at(password, 50), at(key, 20)], 2, 20],
  'level 2 by no remembered browser': [[at(password, 50), at(remembered, 20)], 2, never],
  'level 2 by an issuer that is trusted': [[at(proof('first', 'sso', ['oidc'], { acr: 'gold' }), 7)], 2, 7],
  'level 3 by the key, not by a younger code': [[at(password, 50), at(app, 90), at(key, 20)], 3, 20],
  'level 3 by nothing': [[at(password, 50), at(app, 90)], 3, never],
};
for (const [name, [proofs, level, want]] of Object.entries(ages))
  test(`levelProvedAt: ${name}`, () => assert.equal(levelProvedAt(proofs, level, worth), want));

test('property: no proofs are worth more than a first proof and the best of them', () => {
  const word = fc.constantFrom('pwd', 'otp', 'hwk', 'swk', 'rba', 'pin', 'mfa', 'oidc', 'offline');
  const any = fc.record({
    step: fc.constantFrom('first' as const, 'second' as const, 'both' as const),
    by: fc.constantFrom('directory', 'sso', 'tokens', 'app', 'key', 'known', 'gone'),
    realm: fc.constant('r'),
    amr: fc.array(word, { maxLength: 3 }),
    at: fc.integer({ min: 0, max: 100 }),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 5 }), (proofs) => {
      const level = levelOf(proofs, worth);
      const factors = proofs.filter(({ by, step }) => worth.factors.has(by) && step !== 'first');
      if (!proofs.some(({ step }) => step !== 'second')) assert.equal(level, 0);
      if (factors.length === 0 && proofs.every(({ by }) => by !== 'tokens')) assert.ok(level <= 1);
      if (level === 3) assert.ok(factors.some(({ amr }) => amr.includes('hwk') || amr.includes('swk')));
      // One proof less never gives more.
      for (const left of proofs)
        assert.ok(
          levelOf(
            proofs.filter((one) => one !== left),
            worth,
          ) <= level,
        );
    }),
    trials(300),
  );
});

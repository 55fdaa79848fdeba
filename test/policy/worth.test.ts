/** What the configuration makes the word of an identity provider worth, and what a token has to say for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Proof } from '../../src/core/proof.ts';
import { levelOf } from '../../src/policy/levels.ts';
import { givesLevels, mostTrusted, worthOf } from '../../src/policy/worth.ts';
import { withClass } from '../../src/providers/oidc/claims.ts';

const trust = { acr: { gold: 2, phrh: 3 }, amr: { mfa: 2, hwk: 3 } } as const;
const campus = { trust: { attributes: { authnContextClass: { 'mfa-webauthn': 2 } } } };
const providers = { sso: { trust }, plain: {}, campus, tokens: { challengeLevel: 2 } };
const worth = worthOf({ providers, factors: {} });
const bare = { realm: 'sso', subject: 'alice', amr: ['oidc'], attributes: {} } as const;

const tokens: Readonly<Record<string, [claims: Record<string, unknown>, want: 1 | 2 | 3]>> = {
  'no class': [{}, 1],
  'a class that is trusted for 2': [{ acr: 'gold' }, 2],
  'a class that is trusted for 3': [{ acr: 'phrh' }, 3],
  'a class that is not listed': [{ acr: 'silver' }, 1],
  'a class in other letters': [{ acr: 'Gold' }, 1],
  'a list of classes': [{ acr: ['gold'] }, 1],
  'a class that is no text': [{ acr: { gold: true } }, 1],
  'the name of a member of every object': [{ acr: 'constructor', amr: ['toString'] }, 1],
  'a method that is trusted': [{ amr: ['pwd', 'mfa'] }, 2],
  'the highest of class and methods': [{ acr: 'gold', amr: ['hwk'] }, 3],
  'methods as text': [{ amr: 'mfa' }, 1],
  'methods that are not listed': [{ amr: ['pwd', 'otp'] }, 1],
  'methods in a list of lists': [{ amr: [['mfa']] }, 1],
};
for (const [name, [claims, want]] of Object.entries(tokens))
  test(`2F13: an ID token with ${name} is worth ${want}`, () => {
    const { amr, acr } = withClass(bare, claims, trust);
    const proof: Proof = { step: 'first', by: 'sso', realm: 'sso', amr, ...(acr !== undefined && { acr }), at: 1 };
    assert.equal(levelOf([proof], worth), want);
    // Nothing counts where nothing is trusted, whatever is said.
    assert.equal(levelOf([{ ...proof, by: 'plain' }], worth), 1);
    assert.equal(levelOf([{ ...proof, by: 'gone' }], worth), 0);
  });

test('worth: attributes of CAS, and a challenge that RADIUS put, count as configured', () => {
  const first = { step: 'first', by: 'campus', realm: 'r', amr: ['cas'], at: 1 } as const;
  assert.equal(levelOf([{ ...first, acr: 'authnContextClass=mfa-webauthn' }], worth), 2);
  assert.equal(levelOf([{ ...first, acr: 'authnContextClass=password' }], worth), 1);
  assert.equal(levelOf([{ ...first, acr: 'gold' }], worth), 1);
  assert.equal(levelOf([first], worth), 1);
  const radius = { step: 'both', by: 'tokens', realm: 'r', amr: ['pwd', 'otp'], at: 1 } as const;
  assert.equal(levelOf([radius], worth), 2);
  assert.equal(levelOf([{ ...radius, step: 'first' }], worth), 1);
});

test('worth: what is trusted at most is known before anybody comes', () => {
  assert.deepEqual(
    Object.values(providers).map((options) => mostTrusted(options)),
    [3, 1, 2, 2],
  );
  assert.equal(givesLevels({ providers: { plain: {} }, factors: {} }), false);
  assert.equal(givesLevels({ providers: { plain: {} }, factors: { app: {} } }), true);
  assert.equal(givesLevels({ providers: { sso: { trust } }, factors: {} }), true);
});

test('worth: when an issuer had its user prove it counts where its word is trusted', () => {
  assert.equal(withClass(bare, { auth_time: 5 }, trust).authenticatedAt, 5000);
  assert.equal(withClass(bare, { auth_time: '5' }, trust).authenticatedAt, undefined);
  assert.equal(withClass(bare, { auth_time: 5 }, undefined).authenticatedAt, undefined);
});

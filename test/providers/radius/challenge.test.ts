/** Access-Challenge: one more answer, by the same user, to the same server, five times at most. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Provider } from '../../../src/core/provider.ts';
import { radiusProvider } from '../../support/scenes/radius-provider.ts';
import { needsFreeRadius, startFreeRadius } from '../../support/servers/freeradius.ts';
import { answerTo, lyingRadius, lyingSecret } from '../../support/servers/lying-radius.ts';
import { attemptOf, passwordAttempt, passwordParts } from '../../support/tools/attempt.ts';

const users = {
  alice: { password: 'alice-2b7f90', codes: ['123456'], reply: ['Filter-Id := "agents"'] },
  bob: { password: 'bob-51c2aa', codes: ['111111', '222222'] },
};

const answer = (provider: Provider, name: string, code: string, state: unknown) =>
  provider.attempt(attemptOf({ ...passwordParts(name, code), state }));

function continued(outcome: Outcome): { readonly prompt: string; readonly state: unknown } {
  assert.ok(outcome.kind === 'continue' && outcome.offer.via === 'form' && outcome.offer.form === 'code');
  return { prompt: outcome.offer.prompt, state: JSON.parse(JSON.stringify(outcome.state)) };
}

test(
  'radius: a challenge is a question with the prompt of the server, and its right answer lets in',
  needsFreeRadius,
  async (t) => {
    const { address: servers, secret } = await startFreeRadius(t, { users });
    const provider = radiusProvider(t, { servers, secret });
    assert.equal(
      (await provider.attempt(passwordAttempt('alice', 'wrong'))).kind,
      'rejected',
      'no question before the password',
    );
    const { prompt, state } = continued(await provider.attempt(passwordAttempt('alice', users.alice.password)));
    assert.equal(prompt, 'Code 1 of alice');
    assert.ok(!JSON.stringify(state).includes(users.alice.password));
    assert.deepEqual(await answer(provider, 'alice', '999999', state), { kind: 'rejected', reason: 'code-wrong' });
    assert.deepEqual(await answer(provider, 'alice', '123456', state), {
      kind: 'authenticated',
      assertion: { realm: 'tokens', subject: 'alice', amr: ['radius', 'otp'], attributes: {} },
    });
  },
);

test('radius: each round has its own State, and an answer counts in its own alone', needsFreeRadius, async (t) => {
  const { address: servers, secret } = await startFreeRadius(t, { users });
  const provider = radiusProvider(t, { servers, secret });
  const first = continued(await provider.attempt(passwordAttempt('bob', users.bob.password)));
  assert.equal((await answer(provider, 'bob', '222222', first.state)).kind, 'rejected');
  const second = continued(await answer(provider, 'bob', '111111', first.state));
  assert.equal(second.prompt, 'Code 2 of bob');
  assert.equal((await answer(provider, 'bob', '222222', second.state)).kind, 'authenticated');
});

test(
  'radius: the State of one login serves no other user, and nothing that was made up',
  needsFreeRadius,
  async (t) => {
    const { address: servers, secret } = await startFreeRadius(t, { users });
    const provider = radiusProvider(t, { servers, secret });
    const { state } = continued(await provider.attempt(passwordAttempt('alice', users.alice.password)));
    const foreign = { kind: 'rejected', reason: 'flow-foreign' };
    assert.deepEqual(await answer(provider, 'bob', '123456', state), foreign);
    for (const made of [null, 'x', {}, { name: 'alice', server: servers, round: 0 }, { ...(state as object), more: 1 }])
      assert.deepEqual(await answer(provider, 'alice', '123456', made), foreign);
  },
);

test('radius: the server that asked gets the answer, and where it is gone nobody else does', async (t) => {
  const asking = await lyingRadius(t, (request) => [
    answerTo(request, { code: 11, attributes: [[24, 'of the first']] }),
  ]);
  const other = await lyingRadius(t, (request) => [answerTo(request)]);
  const options = { secret: lyingSecret, timeout: '500ms', retries: 0 };
  const provider = radiusProvider(t, { ...options, servers: [asking.address, other.address] });
  const { state, prompt } = continued(await provider.attempt(passwordAttempt('alice', 'a-password')));
  assert.equal(prompt, '');
  await answer(provider, 'alice', '123456', state);
  assert.deepEqual([asking.seen.length, other.seen.length], [2, 0]);
  assert.ok(asking.seen[1]?.bytes.includes('of the first'));
  const without = radiusProvider(t, { ...options, servers: other.address });
  const gone = await answer(without, 'alice', '123456', state);
  assert.equal(gone.kind, 'unavailable');
  assert.equal(other.seen.length, 0);
});

test('radius: a server that asks for ever is asked five times', async (t) => {
  const { address: servers, seen } = await lyingRadius(t, (request) => [
    answerTo(request, {
      code: 11,
      attributes: [
        [18, 'Once more\u202e\r\nX: y\0'],
        [24, 'on and on'],
      ],
    }),
  ]);
  const provider = radiusProvider(t, { secret: lyingSecret, servers });
  let outcome = await provider.attempt(passwordAttempt('alice', 'a-password'));
  for (let round = 1; round <= 5; round++) {
    const { prompt, state } = continued(outcome);
    assert.equal(prompt, 'Once more X: y');
    outcome = await answer(provider, 'alice', '123456', state);
  }
  assert.deepEqual(outcome, { kind: 'rejected', reason: 'login-denied' });
  assert.equal(seen.length, 6);
});

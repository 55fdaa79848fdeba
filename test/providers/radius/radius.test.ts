/** RADIUS against a real FreeRADIUS: the contract of every provider, and what answers and attributes come to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { providerContract } from '../../contract/provider.ts';
import { radiusProvider } from '../../support/scenes/radius-provider.ts';
import { needsFreeRadius, startFreeRadius } from '../../support/servers/freeradius.ts';
import { lyingRadius } from '../../support/servers/lying-radius.ts';
import { passwordAttempt, passwordParts } from '../../support/tools/attempt.ts';
import { freePort } from '../../support/tools/free-port.ts';

const passwords = { agent1: 'right-one-5d1c', agent2: 'right-two-8e2f' };
const users = {
  agent1: { password: passwords.agent1, reply: ['Filter-Id := "agents"', 'Filter-Id += "desk"', 'Class := "101"'] },
  Agent2: { password: passwords.agent2, reply: ['Filter-Id := "agents"', 'Fortinet-Group-Name := "floor-2"'] },
};

if (needsFreeRadius.skip) test('radius', needsFreeRadius, () => undefined);
else
  providerContract('radius', async (t, log) => {
    const server = await startFreeRadius(t, { users });
    const { address: servers, secret } = server;
    const options = { servers, secret, timeout: '2s' };
    const refused = { kind: 'rejected', reason: 'bad-password' } as const;
    return {
      provider: radiusProvider(t, options, { log }),
      subjects: ['agent1', 'agent2'],
      good: (user) =>
        user === 0 ? passwordParts('agent1', passwords.agent1) : passwordParts('Agent2', passwords.agent2),
      bad: {
        'a wrong password': { attempt: () => passwordParts('agent1', passwords.agent2), want: refused },
        'an unknown user': { attempt: () => passwordParts('agent9', passwords.agent1), want: refused },
        'a password with a NUL behind it': {
          attempt: () => passwordParts('agent1', `${passwords.agent1}\0`),
          want: refused,
        },
        'a password that no packet can carry': {
          attempt: () => passwordParts('agent1', 'é'.repeat(65)),
          want: refused,
        },
      },
      passwords: { known: 'agent1', unknown: 'agent9' },
      secrets: [...Object.values(passwords), secret],
      outages: {
        refused: async () => ({
          provider: radiusProvider(t, { ...options, servers: `127.0.0.1:${await freePort()}` }, { log }),
          timeout: 1000,
        }),
        silent: async () => ({
          provider: radiusProvider(
            t,
            { ...options, servers: (await lyingRadius(t, () => [])).address, timeout: '500ms' },
            { log },
          ),
          timeout: 500,
        }),
        'a wrong secret': async () => ({
          provider: radiusProvider(t, { ...options, secret: 'another-secret-altogether', timeout: '500ms' }, { log }),
          timeout: 500,
        }),
      },
    };
  });

test('radius: attributes of the answer become those of the assertion', needsFreeRadius, async (t) => {
  const { address: servers, secret } = await startFreeRadius(t, { users });
  const attributes = { groups: 'Filter-Id', tenant: 'Class', floor: '12356.1' };
  const provider = radiusProvider(t, { servers, secret, attributes });
  const made = (subject: string, own: object) => ({
    kind: 'authenticated',
    assertion: { realm: 'tokens', subject, amr: ['radius'], attributes: own },
  });
  assert.deepEqual(
    await provider.attempt(passwordAttempt(' agent1', passwords.agent1)),
    made('agent1', { groups: ['agents', 'desk'], tenant: ['101'] }),
  );
  assert.deepEqual(
    await provider.attempt(passwordAttempt('Agent2', passwords.agent2)),
    made('agent2', { groups: ['agents'], floor: ['floor-2'] }),
  );
});

test(
  'radius: with a lookup the directory says who it is, and RADIUS fills in what it does not',
  needsFreeRadius,
  async (t) => {
    const { address: servers, secret } = await startFreeRadius(t, { users });
    const options = { servers, secret, lookup: 'directory', attributes: { groups: 'Filter-Id', tenant: 'Class' } };
    const assertion = {
      realm: 'directory',
      subject: 'one',
      amr: ['radius'] as const,
      attributes: { groups: ['staff'] },
    };
    const known = radiusProvider(t, options, { lookUp: async () => ({ kind: 'authenticated', assertion }) });
    assert.deepEqual(await known.attempt(passwordAttempt('agent1', passwords.agent1)), {
      kind: 'authenticated',
      assertion: { ...assertion, attributes: { groups: ['staff'], tenant: ['101'] } },
      grant: { state: { name: 'agent1' } },
    });
    const stranger = radiusProvider(t, options, { lookUp: async () => ({ kind: 'unknown-user' }) });
    const refused = { kind: 'rejected', reason: 'not-in-directory' };
    assert.deepEqual(await stranger.attempt(passwordAttempt('agent1', passwords.agent1)), refused);
    const away = radiusProvider(t, options, { lookUp: async () => ({ kind: 'unavailable', reason: 'unreachable' }) });
    const wrong = { kind: 'rejected', reason: 'bad-password' };
    assert.equal((await away.attempt(passwordAttempt('agent1', passwords.agent1))).kind, 'unavailable');
    assert.deepEqual(
      await away.attempt(passwordAttempt('agent1', 'wrong')),
      wrong,
      'the directory hears of nobody else',
    );
  },
);

test(
  'radius: answers without a Message-Authenticator are no answers, unless the operator says so',
  needsFreeRadius,
  async (t) => {
    const { address: servers, secret } = await startFreeRadius(t, { users, sendsMessageAuthenticator: false });
    const attempt = () => passwordAttempt('agent1', passwords.agent1);
    const strict = radiusProvider(t, { servers, secret, timeout: '400ms', retries: 0 });
    const outcome = await strict.attempt(attempt());
    assert.ok(outcome.kind === 'unavailable' && outcome.reason === 'protocol-error');
    const lax = radiusProvider(t, { servers, secret, requireMessageAuthenticator: false });
    assert.equal((await lax.attempt(attempt())).kind, 'authenticated');
    assert.deepEqual(await lax.attempt(passwordAttempt('agent1', 'x')), { kind: 'rejected', reason: 'bad-password' });
  },
);

test('radius: a frozen server costs its part of the time, and comes last for a while', needsFreeRadius, async (t) => {
  const [first, second] = [await startFreeRadius(t, { users }), await startFreeRadius(t, { users })];
  const { secret } = first;
  const provider = radiusProvider(t, { servers: [first.address, second.address], secret, timeout: '1s' });
  first.pause();
  const timed = async () => {
    const start = performance.now();
    assert.equal((await provider.attempt(passwordAttempt('agent1', passwords.agent1))).kind, 'authenticated');
    return performance.now() - start;
  };
  const waited = await timed();
  assert.ok(waited > 300, `${waited} ms`);
  assert.ok((await timed()) < 300, 'the second one is asked at once');
  await provider.ping?.(AbortSignal.timeout(5000));
});

test(
  'radius: whether a server is there is found out without anybody, and where it does not know Status-Server too',
  needsFreeRadius,
  async (t) => {
    for (const knowsStatusServer of [true, false]) {
      const { address: servers, secret, stop } = await startFreeRadius(t, { users, knowsStatusServer });
      const provider = radiusProvider(t, { servers, secret, timeout: '1s' });
      await provider.ping?.(AbortSignal.timeout(5000));
      await stop();
      await assert.rejects(async () => provider.ping?.(AbortSignal.timeout(5000)));
    }
  },
);

test(
  'radius: a probe says of each server what it answers, and whether with a Message-Authenticator',
  needsFreeRadius,
  async (t) => {
    const good = await startFreeRadius(t, { users });
    const old = await startFreeRadius(t, { users, sendsMessageAuthenticator: false, knowsStatusServer: false });
    const { secret } = good;
    const options = { servers: [good.address, old.address], secret, requireMessageAuthenticator: false, timeout: '1s' };
    const steps = await Array.fromAsync(radiusProvider(t, options).probe?.(AbortSignal.timeout(10_000)) ?? []);
    const said = steps.map(({ step, result, detail }) => `${step} ${result} ${detail}`);
    assert.deepEqual(said, [
      `resolve ok ${good.address}: 127.0.0.1`,
      `status ok ${good.address}: answers Status-Server, without a Message-Authenticator`,
      `request ok ${good.address}: refuses a made-up user, with a Message-Authenticator`,
      `resolve ok ${old.address}: 127.0.0.1`,
      `status warning ${old.address}: does not answer Status-Server`,
      `request warning ${old.address}: refuses a made-up user, without a Message-Authenticator`,
    ]);
  },
);

/** The signed identity: what it says, who can check it, and how its keys change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { provedAt } from '../../src/core/proof.ts';
import { AssertionSigner, type AssertionSignerOptions } from '../../src/proxy/assertion.ts';
import { createStore } from '../../src/store/index.ts';
import { alice, session } from '../support/scenes/data-plane.ts';
import { collectLog } from '../support/tools/log.ts';

const minute = 60_000;

async function signers(options: Partial<AssertionSignerOptions> = {}) {
  const clock = { time: 1_800_000_000_000, now: () => clock.time };
  const { log } = collectLog();
  const store = options.store ?? (await createStore({ type: 'memory' }, { clock, log }));
  const make = (more: Partial<AssertionSignerOptions> = {}) =>
    new AssertionSigner({ store, clock, log, issuer: new URL('https://cc.example.com/'), ...options, ...more });
  return { clock, store, log, make };
}

const audience = 'http://xuc:8070';
const terms = { audience, lifetime: 60 };
const check = async (token: string, signer: AssertionSigner, now: number) =>
  jwtVerify(token, createLocalJWKSet(await signer.jwks()), {
    issuer: 'https://cc.example.com',
    audience,
    currentDate: new Date(now),
    requiredClaims: ['exp', 'iat', 'jti', 'sub'],
  });

for (const algorithm of ['EdDSA', 'ES256'] as const)
  test(`assertion: ${algorithm} tokens say who it is and verify with the published keys`, async () => {
    const { clock, make } = await signers({ algorithm });
    const signer = make();
    const { payload, protectedHeader } = await check(await signer.sign(alice, session, terms), signer, clock.time);
    assert.equal(protectedHeader.alg, algorithm);
    assert.deepEqual(
      { ...payload, jti: typeof payload.jti },
      {
        iss: 'https://cc.example.com',
        aud: audience,
        sub: 'alice',
        name: 'Alice Example',
        email: 'alice@example.com',
        groups: ['agents', 'staff'],
        roles: ['agent', 'supervisor'],
        amr: ['pwd'],
        provider: 'directory',
        sid: 'session-1',
        auth_time: provedAt(session.proofs) / 1000,
        iat: clock.time / 1000,
        exp: clock.time / 1000 + 60,
        jti: 'string',
      },
    );
    const { keys } = await signer.jwks();
    assert.equal(keys.length, 1);
    assert.equal(
      keys.some((key) => 'd' in key),
      false,
    );
    assert.deepEqual([keys[0]!.alg, keys[0]!.use, keys[0]!.kid], [algorithm, 'sig', protectedHeader.kid]);
  });

test('assertion: a token is used again for some seconds, by the same identity at the same upstream only', async () => {
  const { clock, make } = await signers();
  const signer = make();
  const [proof] = session.proofs;
  const first = await signer.sign(alice, session, terms);
  assert.equal(await signer.sign({ ...alice }, session, terms), first);
  assert.notEqual(await signer.sign(alice, session, { ...terms, audience: 'http://other:1' }), first);
  assert.equal(await signer.sign(alice, session, terms), first);
  assert.notEqual(await signer.sign(alice, { ...session, id: 'session-2' }, terms), first);
  assert.notEqual(await signer.sign(alice, { ...session, proofs: [{ ...proof, at: proof.at + 1000 }] }, terms), first);
  assert.notEqual(await signer.sign(alice, undefined, terms), first);
  assert.notEqual(await signer.sign({ ...alice, roles: new Set(['agent']) }, session, terms), first);
  clock.time += 20_000;
  const second = await signer.sign(alice, session, terms);
  assert.notEqual(second, first);
  await check(second, signer, clock.time + 59_000);
  await assert.rejects(check(second, signer, clock.time + 61_000), { code: 'ERR_JWT_EXPIRED' });
});

test('assertion: without a session there is no session id', async () => {
  const { make } = await signers();
  assert.equal('sid' in decodeJwt(await make().sign(alice, undefined, terms)), false);
});

test('assertion: lists too long for a header are left out, and said to be', async () => {
  const { make } = await signers();
  const groups = Array.from({ length: 500 }, (_, index) => `group-number-${index}`);
  const token = await make().sign({ ...alice, attributes: { ...alice.attributes, groups } }, session, terms);
  const payload = decodeJwt(token);
  assert.deepEqual(
    [payload.groups, payload.truncated, payload.roles],
    [undefined, ['groups'], ['agent', 'supervisor']],
  );
  assert.ok(token.length < 8000);
});

test('assertion: workers that start at once agree on one key', async () => {
  const { make, clock } = await signers();
  const workers = Array.from({ length: 8 }, () => make());
  const tokens = await Promise.all(workers.map((worker) => worker.sign(alice, session, terms)));
  assert.equal(new Set(tokens.map((token) => decodeProtectedHeader(token).kid)).size, 1);
  for (const token of tokens) await check(token, workers[0]!, clock.time);
});

test('assertion: a new key is published before it signs, and the old one until its tokens are over', async () => {
  const { clock, make } = await signers({ rotate: 40 * minute });
  const one = make();
  const two = make();
  const kid = async (signer: AssertionSigner) => decodeProtectedHeader(await signer.sign(alice, session, terms)).kid;
  const first = await kid(one);
  await kid(two);
  let published = 0;
  const seen = new Set<string | undefined>([first]);
  for (let passed = 0; passed < 55 * minute; passed += 30_000) {
    clock.time += 30_000;
    for (const signer of [one, two]) {
      const token = await signer.sign(alice, session, terms);
      seen.add(decodeProtectedHeader(token).kid);
      // Whoever signed it, the other's published keys verify it, at once and at the end of its life.
      for (const verifier of [one, two]) await check(token, verifier, clock.time + 59_000);
    }
    published = Math.max(published, (await one.jwks()).keys.length);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([seen.size, published], [2, 2]);
  assert.deepEqual(
    (await one.jwks()).keys.map(({ kid }) => kid === first),
    [false],
  );
});

test('assertion: a token that could not be made is not waited for again', async () => {
  const { clock, store, make } = await signers();
  let isDown = true;
  const flaky = new Proxy(store, {
    get: (target, name) => (isDown ? () => Promise.reject(new Error('down')) : Reflect.get(target, name).bind(target)),
  });
  const signer = make({ store: flaky });
  const failed = await Promise.allSettled([1, 2].map(() => signer.sign(alice, session, terms)));
  assert.deepEqual(
    failed.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  isDown = false;
  const token = await signer.sign(alice, session, terms);
  assert.equal(await signer.sign(alice, session, terms), token);
  await check(token, signer, clock.time);
});

test('assertion: a store out of reach stops the start, and nothing that runs', async () => {
  const { clock, store, make } = await signers();
  let isDown = false;
  const flaky = new Proxy(store, {
    get: (target, name) => (isDown ? () => Promise.reject(new Error('down')) : Reflect.get(target, name).bind(target)),
  });
  const signer = make({ store: flaky });
  await signer.prepare();
  isDown = true;
  clock.time += 10 * minute;
  await check(await signer.sign(alice, session, terms), signer, clock.time);
  await assert.rejects(make({ store: flaky }).prepare(), /down/);
});

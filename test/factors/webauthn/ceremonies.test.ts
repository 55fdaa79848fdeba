/** Keys that are set up and touched, honestly and not: whose answer it is, for whom, to which question, with which flags. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  authenticationOptions,
  credentialIdIn,
  judgeAuthentication,
} from '../../../src/factors/webauthn/authentication.ts';
import type { Credential, RelyingParty } from '../../../src/factors/webauthn/credential.ts';
import { judgeRegistration, registrationOptions } from '../../../src/factors/webauthn/registration.ts';
import { type Lies, SoftwareKey } from '../../support/tools/software-key.ts';

const origin = 'https://cc.example.com:8443';
const party: RelyingParty = {
  rpId: 'cc.example.com',
  origin,
  siteName: 'ACME',
  timeout: 60_000,
  attachment: 'cross-platform',
  userVerification: 'discouraged',
  takesSynced: true,
  wantsDiscoverable: false,
};
const owner = { handle: randomBytes(32), name: 'agent1', displayName: 'Agent One' };

type Creation = Parameters<SoftwareKey['register']>[0];
type Request = Parameters<SoftwareKey['answer']>[0];

async function register(key: SoftwareKey, lies: Lies = {}, asked: RelyingParty = party) {
  const challenge = randomBytes(32);
  const options = (await registrationOptions(asked, owner, challenge, [])) as Creation;
  return judgeRegistration(asked, challenge, key.register(options, lies));
}

async function credentialOf(key: SoftwareKey, lies: Lies = {}): Promise<Credential> {
  const registration = await register(key, lies);
  assert.equal(registration.kind, 'registered');
  return (registration as { credential: Credential }).credential;
}

async function touch(
  key: SoftwareKey,
  keys: readonly Credential[],
  lies: Lies = {},
  terms: { mustVerify?: boolean; handle?: Buffer; isNameless?: boolean } = {},
) {
  const challenge = randomBytes(32);
  const options = (await authenticationOptions(party, challenge, keys)) as Request;
  const { mustVerify: requireUserVerification = false, handle = owner.handle, isNameless = false } = terms;
  const asked = { challenge, keys, handle, requireUserVerification, requireHandle: isNameless };
  return judgeAuthentication(party, key.answer(options, lies), asked);
}

test('webauthn: a key is set up and touched, its counter goes on', async () => {
  const key = new SoftwareKey(origin);
  const credential = await credentialOf(key);
  assert.deepEqual([credential.counter, credential.isSynced, credential.rpId], [1, false, 'cc.example.com']);
  const first = await touch(key, [credential]);
  assert.equal(first.kind, 'verified');
  assert.equal((first as { credential: Credential }).credential.counter, 2);
  assert.deepEqual(await touch(key, [{ ...credential, counter: 9 }]), { kind: 'rejected', reason: 'key-counter' });
  const synced = new SoftwareKey(origin, { isSynced: true });
  const passkey = await credentialOf(synced);
  for (let times = 0; times < 2; times += 1)
    assert.equal((await touch(synced, [passkey])).kind, 'verified', 'zero stays zero');
});

test('webauthn: nothing but an honest answer sets a key up', async () => {
  const wrong: readonly Lies[] = [
    { origin: 'https://cc.example.com' },
    { origin: 'https://evil.example.com:8443' },
    { rpId: 'example.com' },
    { type: 'webauthn.get' },
    { challenge: randomBytes(32).toString('base64url') },
    { isPresent: false },
  ];
  for (const lies of wrong)
    assert.deepEqual(
      await register(new SoftwareKey(origin), lies),
      { kind: 'rejected', reason: 'key-foreign' },
      JSON.stringify(lies),
    );
  const synced = new SoftwareKey(origin, { isSynced: true });
  assert.equal((await register(synced, {}, { ...party, takesSynced: false })).kind, 'rejected');
  assert.equal(
    (await register(new SoftwareKey(origin), {}, { ...party, wantsDiscoverable: true })).kind,
    'rejected',
    'not verified',
  );
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{}',
    JSON.stringify({ id: 'a', rawId: 'a', type: 'public-key', response: {} }),
  ])
    assert.equal((await judgeRegistration(party, randomBytes(32), text)).kind, 'rejected', text);
});

test("webauthn: another account's key, handle, signature, question or device is none", async () => {
  const [key, other] = [new SoftwareKey(origin), new SoftwareKey(origin)];
  const [credential, foreign] = [await credentialOf(key), await credentialOf(other)];
  assert.equal((await touch(other, [credential])).kind, 'rejected', 'a key of somebody else');
  const wrong: readonly Lies[] = [
    { breakSignature: true },
    { privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
    { origin: 'http://cc.example.com:8443' },
    { rpId: 'other.example.com' },
    { type: 'webauthn.create' },
    { challenge: randomBytes(32).toString('base64url') },
    { isPresent: false },
    { isSynced: true },
    { userHandle: randomBytes(32).toString('base64url') },
    { userHandle: 'AA' },
  ];
  for (const lies of wrong)
    assert.deepEqual(
      await touch(key, [credential], lies),
      { kind: 'rejected', reason: 'key-foreign' },
      JSON.stringify(lies),
    );
  assert.equal(
    (await touch(key, [foreign, credential], { userHandle: null })).kind,
    'verified',
    'a key that keeps no handle',
  );
  const elsewhere = [{ ...credential, rpId: 'old.example.com' }];
  assert.equal((await touch(key, elsewhere)).kind, 'rejected', 'made for a name that the site had before');
});

test('webauthn: where the key is the only proof, its user must be verified', async () => {
  const key = new SoftwareKey(origin);
  const keys = [await credentialOf(key)];
  assert.deepEqual(await touch(key, keys, {}, { mustVerify: true }), { kind: 'rejected', reason: 'user-not-verified' });
  const verified = await touch(key, keys, { isVerified: true }, { mustVerify: true });
  assert.deepEqual([verified.kind, (verified as { isVerified: boolean }).isVerified], ['verified', true]);
});

test('webauthn: a key is found by the id in its answer, and junk has none', async () => {
  const key = new SoftwareKey(origin);
  const options = (await authenticationOptions(party, randomBytes(32), undefined)) as Request & {
    userVerification: string;
  };
  assert.equal(options.userVerification, 'required', 'who is asked by nothing else is verified');
  assert.equal(credentialIdIn(key.answer(options)), key.id.toString('base64url'));
  assert.equal(credentialIdIn('{"id":"../../x"}'), undefined);
});

test('webauthn: the options ask for three algorithms and no attestation, and name the keys that are there', async () => {
  const credential = await credentialOf(new SoftwareKey(origin));
  const options = (await registrationOptions(party, owner, randomBytes(32), [credential])) as {
    pubKeyCredParams: { alg: number }[];
    attestation: string;
    excludeCredentials: { id: string }[];
    authenticatorSelection: { authenticatorAttachment?: string; residentKey?: string };
  };
  assert.deepEqual(
    options.pubKeyCredParams.map(({ alg }) => alg),
    [-8, -7, -257],
  );
  assert.equal(options.attestation, 'none');
  assert.deepEqual(
    options.excludeCredentials.map(({ id }) => id),
    [credential.id],
  );
  assert.equal(options.authenticatorSelection.authenticatorAttachment, 'cross-platform');
  assert.equal(options.authenticatorSelection.residentKey, 'discouraged');
});

/** Local accounts: the contract of every provider, and what is theirs alone. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorError } from '../../../src/core/errors.ts';
import type { Log } from '../../../src/core/log.ts';
import type { Provider } from '../../../src/core/provider.ts';
import { Secret } from '../../../src/core/secret.ts';
import { local } from '../../../src/providers/local/index.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { hashPassword } from '../../../src/users/passwords.ts';
import { providerContract } from '../../contract/provider.ts';
import { attemptOf, passwordAttempt, passwordParts } from '../../support/tools/attempt.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';
import { keptLog } from '../../support/tools/log-lines.ts';
import { manualClock } from '../../support/tools/manual-clock.ts';
import { anyPassword } from '../../support/tools/password-judges.ts';

const passwords = { agent1: 'right-one-5d1c', agent2: 'right-two-8e2f' };
const usersText = `users:
  Agent1:
    name: Agent One
    email: agent1@example.com
    groups: [agents]
    attributes: { department: [support] }
    password: "${await hashPassword(new Secret(passwords.agent1))}"
  agent2: { groups: [agents], password: "${await hashPassword(new Secret(passwords.agent2))}" }
  gone: { disabled: true, password: "${await hashPassword(new Secret(passwords.agent1))}" }
  entry: { name: Looked up only }
`;

async function makeLocal(
  t: TestContext,
  { text, log = keptLog() }: { text?: string; log?: Log } = {},
): Promise<Provider> {
  const users = join(await temporaryFolder(t), 'users.yaml');
  if (text !== undefined) writeFileSync(users, text);
  const clock = manualClock();
  const lookUp = () => assert.fail('asks nobody else');
  const publicUrl = new URL('http://localhost:8080');
  const asks = { lookUp, standing: lookUp, passwords: anyPassword };
  return local.create({ users }, { name: 'here', log, clock, store: new MemoryStore(clock), publicUrl, ...asks });
}

providerContract('local', async (t, log) => ({
  provider: await makeLocal(t, { text: usersText, log }),
  subjects: ['agent1', 'agent2'],
  good: (user) => (user === 0 ? passwordParts('AGENT1', passwords.agent1) : passwordParts('agent2', passwords.agent2)),
  bad: {
    'a wrong password': {
      attempt: () => passwordParts('agent1', passwords.agent2),
      want: { kind: 'rejected', reason: 'bad-password' },
    },
    'an unknown user': { attempt: () => passwordParts('agent3', passwords.agent1), want: { kind: 'unknown-user' } },
    'a disabled user': {
      attempt: () => passwordParts('gone', passwords.agent1),
      want: { kind: 'rejected', reason: 'account-disabled' },
    },
    'a disabled user with a wrong password': {
      attempt: () => passwordParts('gone', 'wrong'),
      want: { kind: 'rejected', reason: 'bad-password' },
    },
    'a user without a password': {
      attempt: () => passwordParts('entry', passwords.agent1),
      want: { kind: 'unknown-user' },
    },
    'a password with something behind it': {
      attempt: () => passwordParts('agent1', `${passwords.agent1}\0`),
      want: { kind: 'rejected', reason: 'bad-password' },
    },
  },
  passwords: { known: 'agent1', unknown: 'agent3' },
  secrets: Object.values(passwords),
}));

test('local: the assertion carries what the file says', async (t) => {
  const provider = await makeLocal(t, { text: usersText });
  const want = {
    kind: 'authenticated',
    assertion: {
      realm: 'here',
      subject: 'agent1',
      amr: ['pwd'],
      attributes: { department: ['support'], name: ['Agent One'], email: ['agent1@example.com'], groups: ['agents'] },
    },
  };
  assert.deepEqual(await provider.attempt(passwordAttempt(' agent1', passwords.agent1)), want);
  assert.deepEqual(await provider.lookUp?.('AGENT1', AbortSignal.timeout(60_000)), want);
});

test('local: one without a password can be looked up, one who is disabled cannot', async (t) => {
  const provider = await makeLocal(t, { text: usersText });
  assert.equal((await provider.lookUp?.('entry', AbortSignal.timeout(60_000)))?.kind, 'authenticated');
  assert.deepEqual(await provider.lookUp?.('gone', AbortSignal.timeout(60_000)), {
    kind: 'rejected',
    reason: 'account-disabled',
  });
});

test('local: without credentials it offers the form, whatever the stage', async (t) => {
  const provider = await makeLocal(t, { text: usersText });
  const offer = { kind: 'challenge', offers: [{ via: 'form', form: 'password' }] };
  const credentials = { username: 'agent1', password: new Secret(passwords.agent1) };
  for (const stage of ['ambient', 'start', 'callback'] as const) {
    assert.deepEqual(await provider.attempt(attemptOf({ stage, credentials })), offer);
  }
});

test('local: a missing file knows nobody and stops nothing; a broken one stops the start', async (t) => {
  const log = keptLog();
  const provider = await makeLocal(t, { log });
  assert.deepEqual(await provider.attempt(passwordAttempt('agent1', 'x')), { kind: 'unknown-user' });
  assert.ok(log.lines.some(({ level }) => level === 'warn'));
  await assert.rejects(makeLocal(t, { text: 'users: {' }), OperatorError);
});

test('local: it needs no network, so it is asked after the total deadline too', () => {
  assert.equal(local.needsNetwork, false);
});

test('local: a probe says how many can sign in, and what to do when nobody can', async (t) => {
  const steps = async (text?: string) => {
    const provider = await makeLocal(t, text === undefined ? {} : { text });
    return provider.probe ? Array.fromAsync(provider.probe(AbortSignal.timeout(60_000))) : assert.fail();
  };
  const [good] = await steps(usersText);
  assert.equal(good?.result, 'ok');
  assert.match(good?.detail ?? '', /2 of 4 users/);
  const [nobody] = await steps();
  assert.equal(nobody?.result, 'warning');
  assert.match(nobody?.hint ?? '', /users add/);
});

test('local: what the file says of contacts is in the assertion, and files of before are read as they were', async (t) => {
  const text = `users:
  ann: { phone: "+33123456789", verified: [email, phone], tenant: acme }
  bob: { phone: "+331", attributes: { mobile: "+332", phone: "+333" } }
`;
  const provider = await makeLocal(t, { text });
  const attributes = async (name: string) => {
    const found = await provider.lookUp?.(name, AbortSignal.timeout(60_000));
    assert.ok(found?.kind === 'authenticated');
    return found.assertion.attributes;
  };
  assert.deepEqual(await attributes('ann'), { phone: ['+33123456789'], mobile: ['+33123456789'], groups: [] });
  assert.deepEqual(await attributes('bob'), { phone: ['+331'], mobile: ['+332'], groups: [] });
  await assert.rejects(makeLocal(t, { text: 'users: { ann: { verified: [address] } }' }), OperatorError);
});

test('local: a password that must change lets in only with a new one, which proves itself, once', async (t) => {
  const text = `users:
  fresh: { mustChangePassword: true, password: "${await hashPassword(new Secret('given-one-77a1'))}" }
`;
  const provider = await makeLocal(t, { text });
  const withNew = (password: string, fresh: string) => {
    const parts = passwordParts('fresh', password);
    const credentials = { ...parts.credentials!, newPassword: new Secret(fresh) };
    return provider.attempt(attemptOf({ ...parts, credentials }));
  };
  const mustChange = { kind: 'rejected', reason: 'password-must-change', subject: 'fresh' };
  assert.partialDeepStrictEqual(await provider.attempt(passwordAttempt('fresh', 'given-one-77a1')), mustChange);
  assert.partialDeepStrictEqual(await withNew('wrong', 'chosen-one-88b2'), { reason: 'bad-password' });
  const both = await Promise.all(
    ['chosen-one-88b2', 'another-one-99c3'].map((fresh) => withNew('given-one-77a1', fresh)),
  );
  assert.deepEqual(both.map(({ kind }) => kind).toSorted(), ['authenticated', 'rejected'], 'of two at once one counts');
  assert.partialDeepStrictEqual(await provider.attempt(passwordAttempt('fresh', 'given-one-77a1')), {
    kind: 'rejected',
    reason: 'bad-password',
    subject: 'fresh',
  });
  const standing = await provider.standing?.('fresh', undefined, AbortSignal.timeout(60_000));
  assert.equal(standing?.kind, 'authenticated');
});

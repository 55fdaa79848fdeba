/** What whoever watches a token that something is open by is told, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { TokenAccess } from '../../src/login/token-access.ts';
import { TokenUsers } from '../../src/login/token-users.ts';
import { TypedNames } from '../../src/login/typed-names.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { ApiTokens } from '../../src/users/api-tokens.ts';
import { scripted } from '../support/scenes/scripted-provider.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

test('token access: a directory that hangs keeps no revocation from what is open, and is heard when it answers', async (t) => {
  const [clock, log] = [manualClock(), keptLog()];
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const answer = Promise.withResolvers<Outcome>();
  const link = scripted('directory', { kind: 'unknown-user' });
  const chain = [{ ...link, timeout: 60_000, provider: { ...link.provider, standing: () => answer.promise } }];
  const tokens = new ApiTokens({ store, clock, log });
  const ended: unknown[] = [];
  const access = new TokenAccess({
    ...{ tokens, log, users: new TokenUsers({ store, clock, log, chain, names: new TypedNames({}) }) },
    lockout: { check: async () => ({ kind: 'open' }), fail: async () => undefined },
    principals: {
      tenantOf: () => assert.fail('nobody knows the user'),
      principal: () => assert.fail('nobody knows the user'),
      withRoles: () => assert.fail('nobody knows the user'),
    },
    recorder: { operation: (event) => ended.push(event) },
  });
  const user = { provider: 'directory', realm: 'directory', subject: 'alice' };
  const add = async (name: string): Promise<string> => (await tokens.add({ name, user }))?.id ?? '';
  const [revoked, gone] = [await add('revoked'), await add('gone')];
  assert.equal(await access.standing(revoked), undefined, 'it goes on until somebody can tell');
  await tokens.revoke('revoked');
  assert.deepEqual(await access.standing(revoked), { kind: 'over', reason: 'token-revoked' });
  assert.equal(await access.standing(gone), undefined);
  answer.resolve({ kind: 'unknown-user' });
  assert.deepEqual(await access.standing(gone), { kind: 'over', reason: 'unknown-user' });
  assert.equal(ended.length, 1);
});

test('token users: a name with a domain is looked for at the provider that lists it, and nowhere else', async (t) => {
  const [clock, log] = [manualClock(), keptLog()];
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  const asked: string[] = [];
  const chain = ['first', 'second'].map((name) => {
    const link = scripted(name, { kind: 'unknown-user' });
    const lookUp = async (username: string): Promise<Outcome> => {
      asked.push(`${name}: ${username}`);
      return { kind: 'unknown-user' };
    };
    return { ...link, provider: { ...link.provider, lookUp } };
  });
  const read: TypedNames['read'] = (counted) => {
    const [name = '', domain] = counted.split('@');
    if (domain === undefined) return { kind: 'anywhere', counted };
    return domain === 'listed'
      ? { kind: 'at', provider: 'second', asked: name, counted: name }
      : { kind: 'nowhere', counted };
  };
  const users = new TokenUsers({ store, clock, log, chain, names: { read } });
  for (const name of ['alice@listed', 'alice@elsewhere', 'bob'])
    assert.deepEqual(await users.find(name, new AbortController().signal), { kind: 'unknown' });
  assert.deepEqual(asked, ['second: alice', 'first: bob', 'second: bob']);
});

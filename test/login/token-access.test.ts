/** What whoever watches a token that something is open by is told, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { TokenAccess } from '../../src/login/token-access.ts';
import { TokenUsers } from '../../src/login/token-users.ts';
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
    ...{ tokens, log, users: new TokenUsers({ store, clock, log, chain }) },
    lockout: { check: async () => ({ kind: 'open' }), fail: async () => undefined },
    signIn: { principal: () => assert.fail('nobody knows the user') },
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

/** Wrong secrets of a moment ago, on several workers of one store. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Sealer, SealKey } from '../../src/core/seal.ts';
import { EmbeddedStore } from '../../src/store/embedded.ts';
import { AddressLockout, RecentSecrets } from '../../src/users/address-lockout.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

test('the same wrong secret counts once in a while, whichever workers it is shown to, and cannot be read in the store', async (t) => {
  const [clock, log, folder] = [manualClock(), keptLog(), await temporaryFolder(t)];
  const key = new SealKey(randomBytes(32));
  const options = { user: 5, address: 2, delay: 30_000, max: 60_000 };
  const worker = () => {
    const store = new EmbeddedStore(folder, { clock, log });
    t.after(() => store.close());
    const recent = new RecentSecrets({ store, clock, keptFor: options.delay, sealer: new Sealer([key]) });
    return { store, recent, lockout: new AddressLockout({ store, clock, options, recent }) };
  };
  const [here, there] = [worker(), worker()];
  for (let time = 0; time < 3; time++)
    for (const { lockout } of [here, there]) await lockout.fail('192.0.2.7', 'of-yesterday');
  assert.equal((await here.lockout.check('192.0.2.7')).kind, 'open');
  assert.equal(await there.recent.has('192.0.2.7', 'of-yesterday'), true);
  assert.equal(await there.recent.has('192.0.2.8', 'of-yesterday'), false);
  for await (const { key: place, value } of here.store.list('recent-secret:'))
    assert.doesNotMatch(place + value, /of-yesterday/);
  await there.lockout.fail('192.0.2.7', 'another');
  assert.equal((await here.lockout.check('192.0.2.7')).kind, 'locked');
  clock.advance(31_000);
  assert.equal(await here.recent.add('192.0.2.7', 'of-yesterday'), true, 'after a while it is new');
  assert.equal(await there.recent.add('192.0.2.7', 'of-yesterday'), false);
});

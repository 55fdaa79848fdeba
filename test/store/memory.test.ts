/** The store in memory keeps the contract. */

import { MemoryStore } from '../../src/store/memory.ts';
import { storeContract } from '../contract/store.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

storeContract('memory', async (t) => {
  const clock = manualClock();
  const store = new MemoryStore(clock);
  t.after(() => store.close());
  return { store, another: store, now: clock.now, advance: async (milliseconds) => clock.advance(milliseconds) };
});

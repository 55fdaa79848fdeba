/** The store in Redis: the contract, by a user who has the rights that the example gives it and no others. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import { openRedisStore } from '../../src/store/redis/open.ts';
import { storeContract } from '../contract/store.ts';
import { needsRedis, redisStoreOptions, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';

const prepare = path.resolve(import.meta.dirname, '../../config/examples/compose-cluster/prepare.sh');
const rights = /~gatehouse:\*[^"]*/.exec(readFileSync(prepare, 'utf8'))?.[0];

storeContract(
  'redis',
  async (t) => {
    const server = await startRedis(t, [`user gatehouse on >a-password ${rights}`]);
    const file = sealKeyFile(await temporaryFolder(t));
    const options = redisStoreOptions(server.url, file, { username: 'gatehouse', password: 'a-password' });
    const open = async () => {
      const parts = { clock: systemClock, log: keptLog(), forgetSealed: false, patience: 0 };
      const store = await openRedisStore(options, parts);
      t.after(() => store.close());
      return store;
    };
    return {
      store: await open(),
      another: await open(),
      now: Date.now,
      advance: (milliseconds) => delay(milliseconds),
    };
  },
  needsRedis,
);

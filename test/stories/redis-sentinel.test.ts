/** A store behind real Sentinels: the master hangs, a replica is promoted, and gateways go on. `npm run soak sentinel`: it waits for votes. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { systemClock } from '../../src/core/clock.ts';
import { openRedisStore } from '../../src/store/redis/open.ts';
import { needsRedis, type RedisServer, redisStoreOptions, sealKeyFile, startRedis } from '../support/servers/redis.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { keptLog } from '../support/tools/log-lines.ts';
import { until } from '../support/tools/poll.ts';

const wanted = {
  skip: process.env.SOAK === 'sentinel' ? needsRedis.skip : 'it takes ten seconds of votes: npm run soak sentinel',
};

/** A master, a replica and three Sentinels that agree fast. */
async function cluster(t: TestContext) {
  const master = await startRedis(t, ['repl-diskless-sync-delay 0']);
  const replica = await startRedis(t, [`replicaof 127.0.0.1 ${master.port}`, 'repl-diskless-sync-delay 0']);
  const lines = [
    `sentinel monitor cc 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds cc 1000',
    'sentinel failover-timeout cc 5000',
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedis(t, lines)));
  const [first] = sentinels;
  await until('they know of each other', async () => {
    const said = JSON.stringify(await first?.client.call('SENTINEL', 'MASTER', 'cc'));
    return /"num-other-sentinels","2"/.test(said) && /"num-slaves","1"/.test(said);
  });
  const servers = sentinels.map(({ port }) => `127.0.0.1:${port}`);
  return { master, replica, sentinels: { master: 'cc', servers } };
}

/** Sentinels end the connections of whom they give another role. */
async function roleOf({ port }: RedisServer): Promise<string | undefined> {
  const client = new Redis({ port, lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return /role:(\w+)/.exec(await client.info('replication'))?.[1];
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}

test(
  'redis: with Sentinels a master that hangs is followed by another, ends hold, and the old one changes nothing when it wakes',
  wanted,
  async (t) => {
    const { master, replica, sentinels } = await cluster(t);
    const file = sealKeyFile(await temporaryFolder(t));
    const open = async () => {
      const log = keptLog();
      const options = redisStoreOptions('redis://127.0.0.1', file, { sentinels });
      const store = await openRedisStore(options, { clock: systemClock, log, forgetSealed: false, patience: 0 });
      t.after(() => store.close());
      return { store, log };
    };
    const [{ store, log }, { store: another }] = [await open(), await open()];
    const later = (): number => Date.now() + 600_000;
    for (const id of ['a', 'b']) await store.put(`session:${id}`, 'live', later());
    await store.put('flow:b.1', 'under way', later());
    await until('it is replicated', async () => (await replica.client.dbsize()) === (await master.client.dbsize()));
    const [a] = [await store.get('session:a'), await store.get('session:b')];
    const hungAt = performance.now();
    master.freeze();
    t.after(() => master.thaw());
    await until('it is noticed', () => store.outage());
    assert.equal((await store.get('session:b'))?.value, 'live');
    const ended = '{"kind":"ended"}';
    const terms = { announced: true, held: true, isFinal: true };
    assert.equal(await store.replace('session:a', a?.version, ended, later(), terms), true);
    await until('another master is found', () => store.outage() === undefined && another.outage() === undefined);
    console.log(`${Math.round(performance.now() - hungAt)} ms from the hang to the next master`);
    assert.equal((await store.get('session:a'))?.value, ended);
    await until('the other one knows', async () => (await another.get('session:a'))?.value === ended);
    assert.equal((await store.get('session:b'))?.value, 'live');
    assert.equal(await store.take('flow:b.1'), undefined, 'begun before the failover');
    assert.equal(await roleOf(replica), 'master');
    master.thaw();
    await until('the old one is a replica', async () => (await roleOf(master)) === 'slave');
    await store.put('session:c', 'live', later());
    assert.equal((await another.get('session:c'))?.value, 'live');
    assert.equal((await another.get('session:a'))?.value, ended);
    assert.equal(log.lines.filter(({ level }) => level === 'error').length, 0);
  },
);

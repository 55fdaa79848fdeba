/** Seals what lies in a store in Redis by the first key of its file, beside gateways that run: the value stays what it was to them. */
import type { Clock } from '../../core/clock.ts';
import { changeSecret, secretKinds } from '../secret-parts.ts';
import { RedisEntries } from './entries.ts';
import type { RedisStoreOptions } from './options.ts';
import { lendServer } from './read.ts';
import { newMark, openedMark, sealerOfRedis } from './seal-mark.ts';

/** How many entries were sealed anew, and by which key. Throws an OperatorError where the keys do not fit the store. */
export async function resealRedis(
  options: RedisStoreOptions,
  clock: Clock,
): Promise<{ readonly id: string; readonly entries: number }> {
  const sealer = sealerOfRedis(options);
  return lendServer(options, async (client, identity) => {
    const mark = await client.get(`${options.prefix}:seal`);
    if (mark !== null) openedMark(sealer, mark, options);
    const store = new RedisEntries(options.prefix, clock);
    store.enter(identity);
    let entries = 0;
    for (const kind of secretKinds)
      for await (const { key, value, version, expiresAt } of store.list((work) => work(client), `${kind}:`)) {
        const sealed = changeSecret(key, value, (secret) => {
          const opened = sealer.open(secret, key);
          return opened.kind === 'opened' && opened.id !== sealer.id ? sealer.seal(opened.text, key) : undefined;
        });
        if (sealed === value) continue;
        // The version stays, since what is said is the same; where it is another, somebody has written meanwhile, by a key of the file.
        const entry = { key, value: sealed, expiresAt, how: 'replace', expected: version, version } as const;
        if (await store.write(client, entry)) entries += 1;
      }
    await client.set(`${options.prefix}:seal`, newMark(sealer));
    return { id: sealer.id, entries };
  });
}

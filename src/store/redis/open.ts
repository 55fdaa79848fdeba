/** Opens a store in Redis: waits a while for a server that is just starting, and sees to it that its secrets are sealed by keys at hand. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import { OperatorError } from '../../core/errors.ts';
import { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import type { Sealer } from '../../core/seal.ts';
import type { Store } from '../../core/store.ts';
import { SealedStore } from '../sealed.ts';
import { changeSecret, secretKinds } from '../secret-parts.ts';
import { assertLasting } from './lasting.ts';
import type { RedisStoreOptions } from './options.ts';
import { RedisStore } from './redis-store.ts';
import { newMark, openedMark, sealerOfRedis } from './seal-mark.ts';

/** How long a start waits for a server that does not answer yet, in milliseconds. */
const startPatience = 10_000;
const retryAfter = 250;

/** How to open one. */
interface OpenParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Begin anew where the sealing keys are lost: what they sealed counts as absent. */
  readonly forgetSealed: boolean;
  /** What people have set up of second factors is kept in it. */
  readonly keepsEnrolments?: boolean;
  readonly patience?: number;
}

/** Connects, and checks the sealing keys. Throws an OperatorError that names the server and what to do. */
export async function openRedisStore(options: RedisStoreOptions, parts: OpenParts): Promise<Store> {
  const sealer = sealerOfRedis(options);
  const store = new RedisStore(options, parts);
  try {
    await connect(store, parts);
    if (parts.keepsEnrolments) await assertLasting(options);
    await checkSeal(store, sealer, options, parts.forgetSealed);
    return new SealedStore(store, { sealer, log: parts.log });
  } catch (error) {
    await store.close();
    if (!(error instanceof Failure)) throw error;
    throw new OperatorError(error.message, error.hint);
  }
}

/** Only what may pass by itself is waited for: a wrong password is none of it. */
async function connect(store: RedisStore, { log, patience = startPatience }: OpenParts): Promise<void> {
  const end = performance.now() + patience;
  for (let tries = 0; ; tries++) {
    try {
      return await store.open();
    } catch (error) {
      const mayPass = error instanceof Failure && error.answer !== 'refused';
      if (!mayPass || performance.now() + retryAfter > end) throw error;
      if (tries === 0) log.warn({ error }, 'the store does not answer yet; the start waits for it');
      await delay(retryAfter);
    }
  }
}

/** Removes what no key opens. */
async function forgetUnopened(store: Store, sealer: Sealer): Promise<void> {
  for (const kind of secretKinds)
    for await (const { key, value } of store.list(`${kind}:`)) {
      let isLost = false;
      changeSecret(key, value, (secret, isSealed) => {
        isLost = isSealed && sealer.open(secret, key).kind !== 'opened';
        return undefined;
      });
      if (isLost) await store.delete(key);
    }
}

/** What no key at hand opens stops the start, before anything is written by another one. */
async function checkSeal(
  store: RedisStore,
  sealer: Sealer,
  options: RedisStoreOptions,
  forget: boolean,
): Promise<void> {
  for (;;) {
    const mark = await store.mark();
    try {
      if (mark !== null && openedMark(sealer, mark, options).id === sealer.id) return;
    } catch (error) {
      if (!forget) throw error;
      await forgetUnopened(store, sealer);
    }
    if (await store.setMark(newMark(sealer), mark === null)) return;
  }
}

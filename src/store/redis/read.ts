/** What lies in a store in Redis at this moment, for a command beside the gateways: nothing is written, secrets stay sealed. */
import type { Clock } from '../../core/clock.ts';
import { OperatorError } from '../../core/errors.ts';
import { Failure } from '../../core/failure.ts';
import type { StoredEntry } from '../../core/store.ts';
import { assertMaster, openClient, readInfo } from './client.ts';
import { RedisEntries } from './entries.ts';
import { redisFailure } from './failure.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';

/** The live entries below these prefixes. Throws an OperatorError where the server cannot be asked. */
export async function* readRedis(
  options: RedisStoreOptions,
  prefixes: readonly string[],
  clock: Clock,
): AsyncGenerator<StoredEntry & { readonly expiresAt: number | undefined }, void, undefined> {
  const place = placeOf(options);
  try {
    const client = await openClient(options);
    try {
      assertMaster(await readInfo(client, place), place);
      const entries = new RedisEntries(options.prefix, clock);
      entries.generation = (await client.get(`${options.prefix}:generation`)) ?? '';
      for (const prefix of prefixes) yield* entries.list((work) => work(client), prefix);
    } finally {
      client.disconnect();
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const { message, hint } = error instanceof Failure ? error : redisFailure(error, place);
    throw new OperatorError(message, hint);
  }
}

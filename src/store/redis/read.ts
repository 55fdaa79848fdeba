/** A store in Redis for commands beside the gateways: what lies in it at this moment, with its secrets sealed, and the server itself. */
import type { Redis } from 'ioredis';
import type { Clock } from '../../core/clock.ts';
import { OperatorError } from '../../core/errors.ts';
import { Failure } from '../../core/failure.ts';
import type { StoredEntry } from '../../core/store.ts';
import { assertMaster, openClient, readInfo } from './client.ts';
import { RedisEntries } from './entries.ts';
import { redisFailure } from './failure.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';

/** How many gateways are connected to a store: each listens to what is announced. 0 where the user may not ask for that. */
export async function gatewaysOf(options: RedisStoreOptions): Promise<number> {
  return lendServer(options, async (client) => {
    const counts = await client.pubsub('NUMSUB', `${options.prefix}:changed`).catch(() => []);
    return Number(counts[1] ?? 0);
  });
}

/** The live entries below these prefixes. Throws an OperatorError where the server cannot be asked. */
export async function* readRedis(
  options: RedisStoreOptions,
  prefixes: readonly string[],
  clock: Clock,
): AsyncGenerator<StoredEntry & { readonly expiresAt: number | undefined }, void, undefined> {
  const { client, identity, close } = await open(options);
  try {
    const entries = new RedisEntries(options.prefix, clock);
    entries.enter(identity);
    for (const prefix of prefixes) yield* entries.list((work) => work(client), prefix);
  } catch (error) {
    throw forOperator(error, options);
  } finally {
    close();
  }
}

/** Lends a connection to the master, and ends it. Throws an OperatorError where the server cannot be asked. */
export async function lendServer<T>(
  options: RedisStoreOptions,
  work: (client: Redis, identity: string) => Promise<T>,
): Promise<T> {
  const { client, identity, close } = await open(options);
  try {
    return await work(client, identity);
  } catch (error) {
    throw forOperator(error, options);
  } finally {
    close();
  }
}

async function open(
  options: RedisStoreOptions,
): Promise<{ readonly client: Redis; readonly identity: string; readonly close: () => void }> {
  const place = placeOf(options);
  let client: Redis | undefined;
  const close = (): void => client?.disconnect();
  try {
    client = await openClient(options);
    const info = await readInfo(client, place);
    assertMaster(info, place);
    return { client, identity: info.identity, close };
  } catch (error) {
    close();
    throw forOperator(error, options);
  }
}

function forOperator(error: unknown, options: RedisStoreOptions): OperatorError {
  if (error instanceof OperatorError) return error;
  const { message, hint } = error instanceof Failure ? error : redisFailure(error, placeOf(options));
  return new OperatorError(message, hint);
}

/**
 * What lies in a store at this moment, as a store of its own in memory: for a command beside a gateway that runs. Nothing that
 * is done to it reaches that gateway.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../core/clock.ts';
import type { Store } from '../core/store.ts';
import { failedOpen } from './errors.ts';
import { heldFile } from './held-entries.ts';
import type { StoreOptions } from './index.ts';
import { MemoryStore } from './memory.ts';
import { databaseFile } from './open-database.ts';
import type { RedisStoreOptions } from './redis/options.ts';
import { readRedis } from './redis/read.ts';
import { endOf } from './statements.ts';

const busyTimeout = 5000;

/**
 * A copy of the entries below these prefixes; undefined for a store in the memory of another process. Where there is no file yet
 * it is empty. Throws an OperatorError where the file cannot be read.
 */
export async function copyStore(
  options: StoreOptions,
  prefixes: readonly string[],
  clock: Clock,
): Promise<Store | undefined> {
  switch (options.type) {
    case 'memory':
      return undefined;
    case 'embedded':
      return copyFolder(options.path, prefixes, clock);
    case 'redis':
      return copyRedis(options, prefixes, clock);
    default:
      return options satisfies never;
  }
}

async function copyRedis(options: RedisStoreOptions, prefixes: readonly string[], clock: Clock): Promise<Store> {
  const copy = new MemoryStore(clock);
  for await (const { key, value, expiresAt } of readRedis(options, prefixes, clock))
    await copy.put(key, value, expiresAt);
  return copy;
}

async function copyFolder(folder: string, prefixes: readonly string[], clock: Clock): Promise<Store> {
  const copy = new MemoryStore(clock);
  const path = join(folder, databaseFile);
  try {
    await readFrom(path, async (database) => {
      const entries = database.prepare('SELECT key, value, exp FROM entries WHERE key >= ? AND key < ?');
      for (const prefix of prefixes)
        for (const { key, value, exp } of entries.iterate(prefix, endOf(prefix)))
          await copy.put(String(key), String(value), exp === null ? undefined : Number(exp));
    });
    // What the store has not taken yet holds all the same.
    await readFrom(join(folder, heldFile), async (database) => {
      for (const { key, value, lasts } of database.prepare('SELECT key, value, lasts FROM held ORDER BY seq').all())
        await copy.put(String(key), String(value), clock.now() + Number(lasts));
    });
    return copy;
  } catch (error) {
    await copy.close();
    throw failedOpen(path, error);
  }
}

async function readFrom(path: string, read: (database: DatabaseSync) => Promise<void>): Promise<void> {
  if (!existsSync(path)) return;
  const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeout });
  try {
    await read(database);
  } finally {
    database.close();
  }
}

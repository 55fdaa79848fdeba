/** What is in one store, put into another of any kind: for a site that grows to several machines, or back to one. */
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Sealer } from '../core/seal.ts';
import { entryKinds, kindOf } from './entry-kinds.ts';
import { readHeld } from './held-entries.ts';
import { createStore, type EmbeddedOptions, type StoreOptions, sealerOf } from './index.ts';
import { databaseFile, openDatabase } from './open-database.ts';
import { placeOf } from './redis/options.ts';
import { gatewaysOf, readRedis } from './redis/read.ts';
import { type EntryCounts, withoutOthers } from './restore.ts';
import { changeSecret } from './secret-parts.ts';

interface CopyParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** An entry, its secrets still sealed. */
interface SealedEntry {
  readonly key: string;
  readonly value: string;
  readonly expiresAt: number | undefined;
}

/** Of one store alone: who looks after it, and what keeps it from running. */
const ownKinds: ReadonlySet<string> = new Set(['store-lease', 'store-seal', 'health']);

/**
 * Copies every live entry, sealed by the other store's keys. Throws an OperatorError where a gateway has one of them open, the
 * other one is not empty, or either cannot be used; an entry that no key opens is left out, and counted.
 */
export async function copyBetween(
  from: StoreOptions,
  to: StoreOptions,
  parts: CopyParts,
): Promise<{ readonly copied: EntryCounts; readonly unopened: number }> {
  if (from.type === 'memory' || to.type === 'memory')
    throw new OperatorError('a store in memory cannot be copied', 'name two of type embedded or redis');
  const entries = from.type === 'redis' ? await allOfRedis(from, parts) : allOfFolder(from, parts);
  const sealer = sealerOf(from);
  const copied = new Map<string, number>();
  let unopened = 0;
  const store = await createStore(to, parts);
  try {
    for await (const _ of store.list('')) throw notEmpty(to);
    for (const { key, value, expiresAt } of entries) {
      const clear = opened(sealer, key, value);
      if (clear === undefined) unopened += 1;
      else {
        await store.put(key, clear, expiresAt);
        const label = entryKinds[kindOf(key)]?.label ?? `entries of an unknown kind (${kindOf(key)})`;
        copied.set(label, (copied.get(label) ?? 0) + 1);
      }
    }
  } finally {
    await store.close();
  }
  return { copied, unopened };
}

async function allOfRedis(options: Extract<StoreOptions, { type: 'redis' }>, { clock }: CopyParts) {
  const gateways = await gatewaysOf(options);
  if (gateways > 0)
    throw new OperatorError(
      `${gateways} ${gateways === 1 ? 'gateway is' : 'gateways are'} connected to the store ${placeOf(options)}`,
      'stop them, copy, and start them with the other store: what they change meanwhile would be lost',
    );
  const entries = await Array.fromAsync(readRedis(options, [''], clock));
  return entries.filter(({ key }) => !ownKinds.has(kindOf(key)));
}

/** What waits beside the store stands in the place of what is in it. */
function allOfFolder(options: EmbeddedOptions, { clock, log }: CopyParts): readonly SealedEntry[] {
  const entries = new Map<string, SealedEntry>();
  const read = (database: DatabaseSync): void => {
    const now = clock.now();
    for (const { key, value, exp } of database.prepare('SELECT key, value, exp FROM entries').all()) {
      const entry = { key: String(key), value: String(value), expiresAt: exp === null ? undefined : Number(exp) };
      const isLive = (entry.expiresAt ?? Number.POSITIVE_INFINITY) > now;
      if (isLive && !ownKinds.has(kindOf(entry.key))) entries.set(entry.key, entry);
    }
  };
  const onOpen = (database: DatabaseSync, path: string): void => withoutOthers(database, path, () => read(database));
  openDatabase(options.path, { log, now: clock.now(), onOpen }).close();
  for (const { key, value } of readHeld(options.path)) {
    const known = entries.get(key);
    if (known) entries.set(key, { ...known, value });
  }
  return [...entries.values()];
}

/** Undefined where no key opens it. */
function opened(sealer: Sealer, key: string, value: string): string | undefined {
  let isUnopened = false;
  const clear = changeSecret(key, value, (secret) => {
    const found = sealer.open(secret, key);
    if (found.kind === 'opened') return found.text;
    isUnopened = found.kind !== 'clear';
    return undefined;
  });
  return isUnopened ? undefined : clear;
}

function notEmpty(options: Exclude<StoreOptions, { type: 'memory' }>): OperatorError {
  const place =
    options.type === 'redis' ? `${placeOf(options)} (prefix ${options.prefix})` : join(options.path, databaseFile);
  return new OperatorError(
    `the store ${place} is not empty`,
    'name an empty folder, or another session.store.prefix: what is there would be mixed with what comes',
  );
}

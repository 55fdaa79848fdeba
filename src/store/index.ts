/** Which store a configuration asks for, and making it, with the keys that guard it. Each kind has a file of its own; callers see the contract only. */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { filePath } from '../config/values.ts';
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Sealer, SealKey } from '../core/seal.ts';
import type { Store } from '../core/store.ts';
import { EmbeddedStore } from './embedded.ts';
import { HoldingStore } from './held-writes.ts';
import { MemoryStore } from './memory.ts';
import { networkDiskOf, networkDiskWarning } from './network-disk.ts';
import { openRedisStore } from './redis/open.ts';
import { redisOptions } from './redis/options.ts';
import { sealerOfRedis } from './redis/seal-mark.ts';
import { makeSealKeys, openSealer, readSealKeys } from './seal-keys.ts';
import { SealedStore } from './sealed.ts';
import { sealDatabase } from './sealing.ts';

/** Where sessions, counters and everything one-time are kept. */
export const storeOptions = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('memory').describe('in this process only; everybody signs in anew after a restart'),
  }),
  z.strictObject({
    type: z.literal('embedded').describe('a file, shared by all workers of this machine'),
    path: filePath().describe('folder of the file, on a local disk; made when it is missing'),
    sealKey: z
      .strictObject({
        file: filePath().describe('one key a line: the first seals, all of them open; readable by the owner only'),
      })
      .optional()
      .describe('what seals the secrets in the store; seal.key in its folder when absent, made at the first start'),
  }),
  redisOptions,
]);

/** A store's options as configured. */
export type StoreOptions = z.output<typeof storeOptions>;

/** Those of a store in a file. */
export type EmbeddedOptions = Extract<StoreOptions, { type: 'embedded' }>;

/** What opening a store goes by. */
interface StoreParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Begin anew where the sealing keys are lost: what they sealed leaves the store. */
  readonly forgetSealed?: boolean;
  /** What people have set up of second factors is kept in it: nobody else may read its keys, and nothing of it may get lost. */
  readonly keepsEnrolments?: boolean;
}

/** Opens the configured store. Throws an OperatorError when it cannot be used. */
export async function createStore(options: StoreOptions, parts: StoreParts): Promise<Store> {
  if (parts.keepsEnrolments) assertPrivateKeys(options);
  switch (options.type) {
    case 'memory':
      return new MemoryStore(parts.clock);
    case 'embedded':
      warnOfNetwork(options, parts.log);
      return openSealed(options, parts);
    case 'redis':
      return openRedisStore(options, { forgetSealed: false, ...parts });
    default:
      return options satisfies never;
  }
}

/** The file of the keys that seal a store's secrets. */
export function sealKeyFile(options: Exclude<StoreOptions, { type: 'memory' }>): string {
  return options.type === 'redis' ? options.sealKey.file : (options.sealKey?.file ?? join(options.path, 'seal.key'));
}

/** Throws an OperatorError where others than the owner and the group can read or change the keys that open every enrolment. */
export function assertPrivateKeys(options: StoreOptions): void {
  if (options.type === 'memory') return;
  const file = sealKeyFile(options);
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o007) !== 0)
    throw new OperatorError(
      `everybody on this machine can read or change the sealing key ${file}, which opens what people have set up as second factors`,
      `chmod 600 ${file}`,
    );
}

/** The keys that guard what a store's users give away, once it is open: those that seal it. In memory they end with the process. */
export function sealerOf(options: StoreOptions): Sealer {
  if (options.type === 'memory') return new Sealer([new SealKey(randomBytes(32))]);
  if (options.type === 'redis') return sealerOfRedis(options);
  const file = sealKeyFile(options);
  return openSealer(file, readSealKeys(file) ?? makeSealKeys(file));
}

function warnOfNetwork({ path }: EmbeddedOptions, log: Log): void {
  const kind = networkDiskOf(path);
  if (kind === undefined) return;
  const { message, hint } = networkDiskWarning(kind);
  log.warn({ path, hint }, `the store ${message}`);
}

function openSealed(options: EmbeddedOptions, { clock, log, forgetSealed = false }: StoreParts): Store {
  let sealer: Sealer | undefined;
  const sealing = { file: sealKeyFile(options), forget: forgetSealed, log };
  const store = new EmbeddedStore(options.path, {
    clock,
    log,
    onOpen: (database, path) => {
      sealer = sealDatabase(database, path, sealing).sealer;
    },
  });
  if (!sealer) throw new Error('the store was opened without its sealing keys');
  return new HoldingStore(new SealedStore(store, { sealer, log }), { folder: options.path, clock, log });
}

/** Which store a configuration asks for, and making it. Each kind has a file of its own; callers see the contract only. */
import * as z from 'zod';
import { filePath } from '../config/values.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../core/store.ts';
import { EmbeddedStore } from './embedded.ts';
import { MemoryStore } from './memory.ts';

/** Where sessions, counters and everything one-time are kept. */
export const storeOptions = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('memory').describe('in this process only; everybody signs in anew after a restart'),
  }),
  z.strictObject({
    type: z.literal('embedded').describe('a file, shared by all workers of this machine'),
    path: filePath().describe('folder of the file, on a local disk; made when it is missing'),
  }),
]);

/** A store's options as configured. */
export type StoreOptions = z.output<typeof storeOptions>;

/** Opens the configured store. Throws an OperatorError when it cannot be used. */
export async function createStore(options: StoreOptions, { clock, log }: { clock: Clock; log: Log }): Promise<Store> {
  switch (options.type) {
    case 'memory':
      return new MemoryStore(clock);
    case 'embedded':
      return new EmbeddedStore(options.path, { clock, log });
    default:
      return options satisfies never;
  }
}

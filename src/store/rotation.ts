/** Another key that seals: put in front of those of the file, and what is in the store sealed anew by it. */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { type EmbeddedOptions, sealKeyFile } from './index.ts';
import { openDatabase } from './open-database.ts';
import { addSealKey } from './seal-keys.ts';
import { type SealedDatabase, sealDatabase } from './sealing.ts';

/** What a rotation came to. */
interface Rotation {
  /** Of the key that seals from here on. */
  readonly id: string;
  /** How many entries were sealed anew. */
  readonly entries: number;
}

/**
 * Rotates beside running gateways: they read the file again at the first entry whose key they do not know. The earlier keys
 * stay in the file, for backups. Throws an OperatorError where the file and the store do not fit before.
 */
export function rotateSealKey(options: EmbeddedOptions, { clock, log }: { clock: Clock; log: Log }): Rotation {
  const file = sealKeyFile(options);
  let rotated: SealedDatabase | undefined;
  const database = openDatabase(options.path, {
    log,
    now: clock.now(),
    onOpen: (opened, path) => {
      sealDatabase(opened, path, { file, log });
      addSealKey(file);
      rotated = sealDatabase(opened, path, { file, log });
    },
  });
  database.close();
  if (!rotated) throw new Error('the store was opened without its sealing keys');
  return { id: rotated.sealer.id, entries: rotated.entries };
}

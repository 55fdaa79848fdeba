/** The keys that seal a store in Redis, and the text in it by which the start sees whether they are at hand. */
import { OperatorError } from '../../core/errors.ts';
import type { Sealer } from '../../core/seal.ts';
import { openSealer, readSealKeys } from '../seal-keys.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';

const place = 'store-seal:mark';
const text = 'gatehouse';

/** The sealer of a store's keys. Throws an OperatorError where there are none. */
export function sealerOfRedis({ sealKey: { file } }: RedisStoreOptions): Sealer {
  const keys = readSealKeys(file);
  if (keys) return openSealer(file, keys);
  throw new OperatorError(
    `there is no file of sealing keys ${file}, which session.store.sealKey names`,
    `make one and copy it to every machine: (umask 077; openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' > ${file})`,
  );
}

/** A mark by the first key. */
export function newMark(sealer: Sealer): string {
  return sealer.seal(text, place);
}

/** The id of the key that a mark was made by. Throws an OperatorError where no key opens it. */
export function openedMark(sealer: Sealer, mark: string, options: RedisStoreOptions): { readonly id: string } {
  const opened = sealer.open(mark, place);
  if (opened.kind === 'opened') return opened;
  throw new OperatorError(
    `the store ${placeOf(options)} (prefix ${options.prefix}) is sealed by the key ${opened.kind === 'clear' ? 'of nobody' : opened.id}, which is not in ${options.sealKey.file}`,
    "bring the file of session.store.sealKey from another machine of this site, or set session.store.prefix if the entries are another site's; to begin anew: gatehouse serve --forget-sealed",
  );
}

/** What `gatehouse check` says of the store: of the file that seals its secrets, and of a way to it in clear. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ConfigIssue } from '../../config/report.ts';
import { OperatorError } from '../../core/errors.ts';
import type { Reading } from '../../runtime/reading.ts';
import { assertPrivateKeys, sealKeyFile } from '../../store/index.ts';
import { clearServers } from '../../store/redis/options.ts';

/** What of the store would stop a start. */
export function storeErrors({ document, locate }: Extract<Reading, { kind: 'ok' }>): readonly ConfigIssue[] {
  if (Object.keys(document.factors).length === 0) return [];
  try {
    assertPrivateKeys(document.session.store);
    return [];
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [{ ...locate(['session', 'store']), message: error.message, ...(error.hint && { hint: error.hint }) }];
  }
}

/** Warns of a server that is reached in clear, of keys that a copy of the store's folder carries along, and of those that others may read. */
export function storeWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): readonly ConfigIssue[] {
  const { store } = document.session;
  if (store.type === 'memory') return [];
  const file = sealKeyFile(store);
  const inClear = store.type === 'redis' ? clearServers(store) : [];
  const clear = inClear.map((server) => ({
    ...locate(['session', 'store', 'url']),
    message: `sessions and the password go to ${server} in clear, where anybody on the way can read and change them`,
    hint: 'write rediss:// with tls: { ca: … }, or keep the server on this machine',
  }));
  if (!existsSync(file)) return clear;
  const place = locate(['session', 'store', ...(store.sealKey ? ['sealKey', 'file'] : [])]);
  const warnings: ConfigIssue[] = clear;
  if (store.type === 'embedded' && existsSync(store.path) && realpathSync(dirname(file)) === realpathSync(store.path))
    warnings.push({
      ...place,
      message: `the sealing key ${file} lies beside the store: a copy of that folder holds the secrets and what opens them`,
      hint: 'move it to a folder that is not backed up with the store, and name it in session.store.sealKey: { file: … }',
    });
  if ((statSync(file).mode & 0o077) !== 0)
    warnings.push({
      ...place,
      message: `others than its owner may read or write the sealing key ${file}`,
      hint: `chmod 600 ${file}`,
    });
  return warnings;
}
